//! People of an LDAP server: they log in at any head, their jobs run as who they are there, nobody
//! gets in by writing a name cleverly, and who is gone from the server is gone from the cluster.

use agent::identity::DataDir;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::cluster::{Cluster, Layout, until};
use tests::user::User;

use crate::corpus;
use crate::slapd::{READER_PASSWORD, Slapd};

/// What ada is in `site.ldif`, as a job sees it; groups below 1000 are nobody's here.
const ADA: &str = "2001 3000";
/// How long a person counts without asking again, in milliseconds.
const LIFETIME_MS: u64 = 200;

struct Site {
    slapd: Option<Slapd>,
    cluster: Cluster,
    files: tempfile::TempDir,
}

impl Site {
    fn new() -> anyhow::Result<Site> {
        let (slapd, ca) = Slapd::trusted();
        let cluster = Cluster::start(&Layout {
            heads: 3,
            agents: 1,
            runtime: "process",
            further: Vec::new(),
        })?;
        let files = tempfile::tempdir()?;
        let (settings, secret) = (files.path().join("site.toml"), files.path().join("secret"));
        let text = slapd.settings(&ca);
        let lifetime = format!("lifetime_ms = {LIFETIME_MS}");
        let text = text.replace("lifetime_ms = 0", &lifetime);
        std::fs::write(&settings, format!("[directory]\n{text}"))?;
        std::fs::write(&secret, READER_PASSWORD)?;
        let (settings, secret) = (settings.display().to_string(), secret.display().to_string());
        let set = ["admin", "directory", "set", "site", "--file", &settings];
        cluster.goctl(&[&set[..], &["--secret-file", &secret]].concat())?;
        Ok(Site {
            slapd: Some(slapd),
            cluster,
            files,
        })
    }

    /// Tries to log in at a head.
    fn login(
        &self,
        head: &str,
        name: &str,
        password: &str,
    ) -> anyhow::Result<Result<User, String>> {
        let node = self.cluster.node(head)?;
        let ca = DataDir(node.data_dir.clone()).ca().display().to_string();
        let url = node.api.clone().context("a head")?;
        let user = User::new()?;
        let login = [
            "login",
            &url,
            "--ca-file",
            &ca,
            "--password-stdin",
            "--user",
            name,
        ];
        let output = user.answer(&login, &format!("{password}\n"))?;
        if output.status.success() {
            return Ok(Ok(user));
        }
        Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// What a head answers to this login, by HTTP: its status and body.
    async fn post_login(&self, head: &str, body: Value) -> anyhow::Result<(u16, String)> {
        let api = self.cluster.node(head)?.api.clone().context("a head")?;
        let client = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .build()?;
        let url = format!("{api}/api/v1/login");
        let answer = client.post(url).json(&body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

#[test]
fn people_of_an_ldap_server_log_in_and_run_as_who_they_are() -> anyhow::Result<()> {
    let mut site = Site::new()?;
    for head in site.cluster.heads() {
        let refused = site.login(&head, "ada", "not hers")?.err();
        let said = refused.context("a wrong password opens the door")?;
        ensure!(said.contains("wrong"), "{said}");
    }
    let ada = site.login("head-2", "ada", "ada's secret")?;
    let ada = ada.map_err(anyhow::Error::msg)?;
    let who = ada.goctl(&["whoami", "-o", "json"])?;
    let who = &serde_json::from_str::<Value>(&who)?["user"];
    ensure!(who["uid"] == 2001 && who["role"] == "user", "{who:#}");

    let shared = site.files.path().join("shared");
    std::fs::create_dir(&shared)?;
    let submit = ["submit", "-q", "--cpu", "0.1", "--mem", "32M", "--"];
    let job = ada.goctl(&[&submit[..], &["sh", "-c", "echo $(id -u) $(id -g)"]].concat())?;
    let job = job.trim();
    ada.goctl(&["wait", job])?;
    let said = ada.goctl(&["logs", job])?;
    ensure!(said.trim() == ADA, "{said}");
    // Bob is somebody else.
    let bob = site.login("head-3", "bob", "bob's secret")?;
    let bob = bob.map_err(anyhow::Error::msg)?;
    ensure!(!bob.answer(&["show", job], "")?.status.success());

    // The server goes: nobody is taken at their word for longer than the lifetime.
    drop(site.slapd.take());
    until("ada is not known any more", || {
        let output = ada.answer(&["whoami", "--timeout", "1s"], "")?;
        Ok((!output.status.success()).then_some(()))
    })?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_corpus_logs_in() -> anyhow::Result<()> {
    net::tls::install_crypto();
    let site = tokio::task::spawn_blocking(Site::new).await??;
    let heads = site.cluster.heads();
    let lines = corpus::lines();
    for (at, line) in lines.iter().enumerate() {
        let head = &heads[at % heads.len()];
        for body in [
            json!({"user": line, "password": "ada's secret"}),
            json!({"user": "ada", "password": line}),
        ] {
            let (status, said) = site.post_login(head, body.clone()).await?;
            // Too many of them are told to come back later, which opens nothing either.
            let closed = matches!(status, 400 | 401 | 422 | 429);
            ensure!(closed, "{body}: {status} {said}");
        }
    }
    let bob = json!({"user": "bob", "password": "bob's secret"});
    let (status, said) = site.post_login(&heads[0], bob).await?;
    ensure!(status == 200, "{status} {said}");
    Ok(())
}
