//! What an InfluxDB is told by the head that leads: everything that ended, whoever led, with the
//! right login, and again from where it stood when the server was away.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use anyhow::ensure;
use tests::cluster::{Cluster, Layout, until};

/// A push.
#[derive(Clone, Debug)]
struct Push {
    target: String,
    authorization: String,
    body: String,
}

/// An InfluxDB that takes whatever it gets, once it is ready.
#[derive(Default)]
struct Server {
    ready: bool,
    refused: usize,
    pushes: Vec<Push>,
}

type Shared = Arc<Mutex<Server>>;

/// Serves until the process ends; gives the URL.
fn serve(server: Shared) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A head that is killed breaks off.
            let _ = answer(&server, stream);
        }
    });
    Ok(url)
}

/// One request of one connection.
fn answer(server: &Shared, stream: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse()?];
    reader.read_exact(&mut body)?;
    let push = Push {
        target: first.trim_end().to_owned(),
        authorization: header("authorization"),
        body: String::from_utf8(body)?,
    };
    let status = {
        let mut server = server.lock().unwrap();
        if server.ready {
            server.pushes.push(push);
            "204 No Content"
        } else {
            server.refused += 1;
            "503 Service Unavailable"
        }
    };
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    Ok(())
}

/// Every line of a series that was pushed.
fn lines(server: &Shared, series: &str) -> Vec<String> {
    let server = server.lock().unwrap();
    let lines = server.pushes.iter().flat_map(|push| push.body.lines());
    let of = |line: &&str| line.split([',', ' ']).next() == Some(series);
    lines.filter(of).map(str::to_owned).collect()
}

fn start(heads: u32, env: &[(&str, &str)]) -> anyhow::Result<Cluster> {
    let layout = Layout {
        heads,
        agents: 1,
        runtime: "fake",
        further: vec!["--cpus".into(), "8".into()],
    };
    let dir = tempfile::Builder::new()
        .prefix("godocker-test-")
        .tempdir()?;
    Cluster::start_in(dir, &layout, env)
}

/// Runs some jobs to their ends.
fn run(cluster: &Cluster, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let args = [
            "submit", "-q", "--cpu", "1.5", "--mem", "512M", "--", "true",
        ];
        let id = cluster.goctl(&args)?;
        cluster.goctl(&["wait", id.trim()])?;
    }
    Ok(())
}

/// What three jobs of a cluster with nothing else in it are told as.
fn is_told_right(server: &Shared) -> anyhow::Result<()> {
    let told = lines(server, "god_task_usage");
    ensure!(told.len() == 3, "each once: {told:#?}");
    for line in &told {
        let tags = "god_task_usage,cluster=dev,user=admin,project=default,queue=default,";
        ensure!(line.starts_with(tags), "{line}");
        ensure!(
            line.contains(",node=agent-1,state=succeeded cpu=1.5,ram=0.5,"),
            "{line}"
        );
    }
    let scheduler = lines(server, "god_scheduler");
    let figures = "god_scheduler,cluster=dev nb_pending=0i,nb_running=0i";
    ensure!(scheduler[0].starts_with(figures), "{scheduler:?}");
    let room = lines(server, "godocker_room");
    ensure!(
        room[0].contains("cpu_cores=8,cpu_held_cores=0,cpu_free_cores=8,"),
        "{room:?}"
    );
    Ok(())
}

#[test]
fn a_server_that_is_away_misses_no_attempt_and_learns_who_pushes() -> anyhow::Result<()> {
    let secrets = tempfile::tempdir()?;
    let password = secrets.path().join("password");
    fs::write(&password, "open sesame\n")?;
    let server = Shared::default();
    let url = serve(server.clone())?;
    let cluster = start(
        1,
        &[
            ("GODOCKER_INFLUXDB__URL", &url),
            ("GODOCKER_INFLUXDB__DATABASE", "god"),
            ("GODOCKER_INFLUXDB__USER", "pusher"),
            (
                "GODOCKER_INFLUXDB__PASSWORD_FILE",
                password.to_str().unwrap(),
            ),
            ("GODOCKER_INFLUXDB__EVERY_SECONDS", "1"),
        ],
    )?;
    run(&cluster, 3)?;
    until("it was tried again", || {
        Ok((server.lock().unwrap().refused >= 2).then_some(()))
    })?;
    let log = cluster.log_of("head-1");
    ensure!(log.matches("cannot push to InfluxDB").count() == 1, "{log}");
    server.lock().unwrap().ready = true;
    until("every end is told", || {
        Ok((lines(&server, "god_task_usage").len() >= 3).then_some(()))
    })?;
    until("the present moment is told", || {
        let wanted = [
            "god_scheduler",
            "godocker_jobs",
            "godocker_nodes",
            "godocker_room",
        ];
        let all = wanted
            .iter()
            .all(|series| !lines(&server, series).is_empty());
        Ok(all.then_some(()))
    })?;
    is_told_right(&server)?;
    for push in &server.lock().unwrap().pushes {
        ensure!(
            push.target == "POST /write?db=god&precision=ns HTTP/1.1",
            "{push:?}"
        );
        // `pusher:open sesame`
        ensure!(
            push.authorization == "Basic cHVzaGVyOm9wZW4gc2VzYW1l",
            "{push:?}"
        );
    }
    let log = cluster.log_of("head-1");
    ensure!(
        log.contains("InfluxDB takes points again") && !log.contains("sesame"),
        "{log}"
    );
    Ok(())
}

#[test]
fn the_next_leader_goes_on_and_tells_nothing_else_of_what_was_told() -> anyhow::Result<()> {
    let secrets = tempfile::tempdir()?;
    let token = secrets.path().join("token");
    fs::write(&token, "first\n")?;
    let server = Shared::default();
    server.lock().unwrap().ready = true;
    let url = serve(server.clone())?;
    let mut cluster = start(
        3,
        &[
            ("GODOCKER_INFLUXDB__URL", &format!("{url}/below/")),
            ("GODOCKER_INFLUXDB__ORG", "the lab"),
            ("GODOCKER_INFLUXDB__BUCKET", "god"),
            ("GODOCKER_INFLUXDB__TOKEN_FILE", token.to_str().unwrap()),
            ("GODOCKER_INFLUXDB__EVERY_SECONDS", "1"),
        ],
    )?;
    let unique = |server: &Shared| -> BTreeSet<String> {
        lines(server, "god_task_usage").into_iter().collect()
    };
    run(&cluster, 3)?;
    until("three ends are told", || {
        Ok((unique(&server).len() >= 3).then_some(()))
    })?;
    let before = unique(&server);
    // A token that is replaced is used from then on.
    fs::write(&token, "second\n")?;
    let leader = cluster.leader()?;
    cluster.kill(&leader)?;
    run(&cluster, 2)?;
    until("the others are told too", || {
        Ok((unique(&server).len() >= 5).then_some(()))
    })?;
    let told = unique(&server);
    ensure!(told.len() == 5 && told.is_superset(&before), "{told:#?}");
    let pushes = server.lock().unwrap().pushes.clone();
    for push in &pushes {
        let target = "POST /below/api/v2/write?org=the+lab&bucket=god&precision=ns HTTP/1.1";
        ensure!(push.target == target, "{push:?}");
    }
    let logins: Vec<&str> = pushes
        .iter()
        .map(|push| push.authorization.as_str())
        .collect();
    ensure!(logins.first() == Some(&"Token first"), "{logins:?}");
    ensure!(logins.last() == Some(&"Token second"), "{logins:?}");
    Ok(())
}
