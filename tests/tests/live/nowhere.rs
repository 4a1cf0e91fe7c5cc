//! What nobody may find. Values of secrets, passwords, API keys and private keys that are used here
//! are searched for in all that a cluster writes (logs, tables, snapshots of the heads, also one
//! that was sent to a head, journals, the files of attempts) and in what the engine knows: in
//! clear, in hexadecimal digits and in base64.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::bench::{Bench, Case, IMAGE, Program, shared_engine};
use tests::client::Client;
use tests::cluster::until;
use tests::user::User;
use tokio::runtime::Runtime;

use crate::secrets::{canary, keep};

/// So few entries that a head makes snapshots, and sends one to a head that was away for a moment.
const ENV: [(&str, &str); 2] = [
    ("GODOCKER_HEAD__SNAPSHOT_EVERY", "40"),
    ("GODOCKER_HEAD__KEEP_LOGS", "10"),
];
/// Bytes of half a secret, at least: fewer may be somewhere by chance.
const HALF_BYTES_MIN: usize = 8;
/// Bytes of the private half of a key of Ed25519.
const SEED_BYTES: usize = 32;

/// Something that must be nowhere, in the forms in which it might be, each in two halves: where
/// tables are compressed, what is written for the second time may be cut in two.
struct Known {
    what: &'static str,
    halves: Vec<Vec<u8>>,
}

impl Known {
    fn new(what: &'static str, secret: &[u8]) -> Known {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![secret.to_vec(), hex.into_bytes()];
        // What stands in front shifts the digits by nothing, by one byte or by two; those at the
        // edges depend on neighbours.
        for shift in 0..3 {
            let shifted = [&vec![0; shift][..], secret].concat();
            let digits = STANDARD.encode(&shifted[..shifted.len() / 3 * 3]);
            forms.push(digits.as_bytes()[if shift == 0 { 0 } else { 4 }..].to_vec());
        }
        let halves = forms.iter().flat_map(|form| halves(form)).collect();
        Known { what, halves }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.halves.iter().any(|half| holds(bytes, half))
    }
}

fn halves(word: &[u8]) -> [Vec<u8>; 2] {
    let (first, second) = word.split_at(word.len() / 2);
    [first.to_vec(), second.to_vec()]
}

/// Whether a word is somewhere in there.
fn holds(bytes: &[u8], word: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == word[0]) {
        rest = &rest[at..];
        if rest.starts_with(word) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// Every file below a directory that is no client's own, with its bytes.
fn files(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        match file(&entry?.path(), found) {
            // The cluster works on, and its databases remove what they have replaced.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            seen => seen?,
        }
    }
    Ok(())
}

fn file(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        return files(path, found);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if kind.is_file() && name != "credentials.toml" && name != "admin.token" {
        found.insert(path.to_owned(), std::fs::read(path)?);
    }
    Ok(())
}

/// The secret half of an API key: `god_ID_SECRET`, and the secret may have more of these in it.
fn half(token: &str) -> anyhow::Result<&[u8]> {
    let secret = token.trim().splitn(3, '_').nth(2).context("a token")?;
    Ok(secret.as_bytes())
}

/// A pair of keys: the files, and what is private in them.
struct Pair {
    dir: tempfile::TempDir,
    seed: Vec<u8>,
}

impl Pair {
    fn new() -> anyhow::Result<Pair> {
        let dir = tempfile::tempdir()?;
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "bob@lab", "-f"])
            .arg(dir.path().join("id"))
            .output()?;
        ensure!(made.status.success(), "{made:?}");
        let text = std::fs::read_to_string(dir.path().join("id"))?;
        let digits: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(digits)?;
        // PROTOCOL.key of OpenSSH: the private part has the public half, then 64 bytes of which
        // the second half is the public one again.
        let mark = [&0_u32.to_be_bytes()[..3], &[64]].concat();
        let at = bytes
            .windows(4)
            .position(|four| four == mark)
            .context("a key")?
            + 4;
        let seed = bytes[at..at + SEED_BYTES].to_vec();
        Ok(Pair { dir, seed })
    }

    fn path(&self, name: &str) -> anyhow::Result<String> {
        let path = self.dir.path().join(name);
        Ok(path.to_str().context("a path")?.to_owned())
    }
}

/// Somebody who has logged in, changed the password, mistyped it, and made API keys.
struct Bob {
    user: User,
    known: Vec<Known>,
}

impl Bob {
    fn new(bench: &Bench) -> anyhow::Result<Bob> {
        let made = [
            "admin", "user", "create", "bob", "--uid", "1002", "--gid", "1002",
        ];
        let once = bench.cluster.goctl(&made)?;
        let once = once.lines().next().context("a password")?.trim().to_owned();
        let (first, second, wrong) = (canary("first-"), canary("second-"), canary("wrong-"));
        let head = bench.cluster.heads().remove(0);
        let head = bench.cluster.node(&head)?;
        let url = head.api.clone().context("an address")?;
        let ca = head.data_dir.join("tls/ca.crt");
        let ca = ca.to_str().context("a path")?;
        let login = [
            "login",
            &url,
            "-u",
            "bob",
            "--ca-file",
            ca,
            "--password-stdin",
        ];
        let user = User::new()?;
        let done = |args: &[&str], input: &str| {
            let output = user.answer(args, input)?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.success(), "goctl {args:?}: {said}");
            Ok(String::from_utf8(output.stdout)?)
        };
        done(&login, &format!("{once}\n{first}\n"))?;
        let token = user.token()?;
        done(&["passwd", "--stdin"], &format!("{first}\n{second}\n"))?;
        let stranger = User::new()?.answer(&login, &format!("{wrong}\n"))?;
        ensure!(!stranger.status.success(), "{stranger:?}");
        let made = done(&["token", "create", "--label", "ci", "--scope", "read"], "")?;
        let id = made.trim().split('_').nth(1).context("an id")?.to_owned();
        let rotated = done(&["token", "rotate", &id], "")?;
        let known = vec![
            Known::new("the password for one login", once.as_bytes()),
            Known::new("the first password", first.as_bytes()),
            Known::new("the second password", second.as_bytes()),
            Known::new("the mistyped password", wrong.as_bytes()),
            Known::new("the API key of the login", half(&token)?),
            Known::new("the API key that was replaced", half(&made)?),
            Known::new("the API key in its place", half(&rotated)?),
        ];
        Ok(Bob { user, known })
    }

    /// The public half is registered; the private one is refused by goctl, and by a head whom
    /// somebody sends it nevertheless.
    fn registers(&self, pair: &Pair, client: &Client, runtime: &Runtime) -> anyhow::Result<()> {
        self.user.goctl(&["key", "add", &pair.path("id.pub")?])?;
        let refused = self.user.answer(&["key", "add", &pair.path("id")?], "")?;
        ensure!(!refused.status.success(), "{refused:?}");
        let text = std::fs::read_to_string(pair.path("id")?)?;
        for wrong in [
            json!({"key": text}),
            json!({"key": "ssh-ed25519 A", "label": text}),
        ] {
            let sent = runtime.block_on(client.post::<Value>(0, "/keys", &wrong));
            let told = format!("{:#}", sent.err().context("a refusal")?);
            ensure!(told.contains("422"), "{told}");
        }
        Ok(())
    }

    /// Somebody else's secret is none to them, whatever they call it.
    fn means_their_own(&self, name: &str) -> anyhow::Result<()> {
        let wish = ["submit", "--image", IMAGE, "--secret", name, "--", "true"];
        let refused = self.user.answer(&wish, "")?;
        ensure!(!refused.status.success(), "{refused:?}");
        ensure!(!self.user.goctl(&["secret", "ls"])?.contains(name));
        Ok(())
    }
}

/// What is in all files of the cluster; nothing of what is known may be in it.
fn search(bench: &Bench, known: &[Known]) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    files(&bench.cluster.path(), &mut found)?;
    for known in known {
        let shortest = known.halves.iter().map(Vec::len).min();
        ensure!(
            shortest >= Some(HALF_BYTES_MIN),
            "{} is too short to be searched for",
            known.what
        );
        for (path, bytes) in &found {
            ensure!(
                !known.is_in(bytes),
                "{} is in {}",
                known.what,
                path.display()
            );
        }
    }
    Ok(found)
}

/// Every head has a snapshot with all that was told by now; one of them has it from another, as it
/// was away while the log was shortened.
fn copied(bench: &mut Bench, client: &Client, runtime: &Runtime) -> anyhow::Result<()> {
    let leader = bench.cluster.leader()?;
    let away = bench
        .cluster
        .heads()
        .into_iter()
        .find(|head| *head != leader);
    let away = away.context("a follower")?;
    bench.cluster.kill(&away)?;
    let mark = runtime
        .block_on(client.raft(client.head(&leader)?))?
        .applied;
    let others: Vec<String> = bench
        .cluster
        .heads()
        .into_iter()
        .filter(|head| *head != away)
        .collect();
    until_copied(client, runtime, &others, mark)?;
    bench.cluster.restart(&away)?;
    until_copied(client, runtime, &[away], mark)
}

/// Gives the log further entries until these heads have snapshots of that entry or a later one.
fn until_copied(
    client: &Client,
    runtime: &Runtime,
    heads: &[String],
    mark: u64,
) -> anyhow::Result<()> {
    until("snapshots are made", || {
        runtime.block_on(async {
            let leader = client.leader().await?;
            client
                .put::<Value>(leader, "/queues/filler", &json!({}))
                .await?;
            for head in heads {
                let status = client.raft(client.head(head)?).await?;
                if status.snapshot < Some(mark) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    })
}

/// The search sees what is in a snapshot: of each head the name of the secret, and the public key.
fn sees_snapshots(
    bench: &Bench,
    found: &BTreeMap<PathBuf, Vec<u8>>,
    there: &[&[u8]],
) -> anyhow::Result<()> {
    for head in bench.cluster.heads() {
        let dir = bench.cluster.node(&head)?.data_dir.join("snapshots");
        let copies: Vec<_> = found
            .iter()
            .filter(|(path, _)| path.starts_with(&dir))
            .collect();
        let tables = copies
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|it| it == "sst"));
        ensure!(tables.count() > 0, "{head} has no snapshot");
        for word in there {
            let seen = copies
                .iter()
                .any(|(_, bytes)| halves(word).iter().any(|half| holds(bytes, half)));
            let word = String::from_utf8_lossy(word);
            ensure!(seen, "{word} is not in the snapshot of {head}");
        }
    }
    Ok(())
}

/// The engine has the files' place and not what is in them, and the node shows them to nobody.
fn engine_knows_no(bench: &Bench, engine: &str, id: u64, known: &[Known]) -> anyhow::Result<()> {
    let container = until("the job's container is known", || {
        let job = bench.show(id)?;
        let container = job["attempts"][0]["container"].as_str();
        Ok(container.map(str::to_owned))
    })?;
    let docker = |args: &[&str]| -> anyhow::Result<Vec<u8>> {
        let output = Command::new("docker")
            .args(["-H", engine])
            .args(args)
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(output.stdout)
    };
    let inspected = docker(&["inspect", "--size", &container])?;
    ensure!(holds(&inspected, b"/run/secrets"), "{inspected:?}");
    for (what, told) in [
        ("inspect", inspected),
        ("logs", docker(&["logs", &container])?),
    ] {
        let seen = known.iter().find(|known| known.is_in(&told));
        ensure!(
            seen.is_none(),
            "docker {what} shows {}",
            seen.map_or("", |it| it.what)
        );
    }
    let ours = bench.cluster.path();
    // It lets go of them a moment after the job is seen to run.
    until("the node has the job's secrets no more", || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let mut ours = mounts
            .lines()
            .filter(|line| line.contains(&*ours.to_string_lossy()));
        Ok((!ours.any(|line| line.contains(".secrets "))).then_some(()))
    })
}

#[test]
fn known_secrets_are_in_no_file_or_snapshot_of_the_cluster_and_not_in_the_engine()
-> anyhow::Result<()> {
    let engine = shared_engine()?;
    let mut bench = Bench::with(&engine, 3, &ENV)?;
    let (client, runtime) = (Client::of(&bench.cluster)?, Runtime::new()?);
    let (bob, pair) = (Bob::new(&bench)?, Pair::new()?);
    bob.registers(&pair, &client, &runtime)?;
    let (value, registry) = (canary("value-"), canary("registry-"));
    let name = canary("name-");
    keep(&bench, &[&name], &value)?;
    keep(&bench, &["id"], &std::fs::read_to_string(pair.path("id")?)?)?;
    let hub = ["hub", "--registry", "registry.invalid", "--login", "ada"];
    keep(&bench, &hub, &registry)?;
    let join = ["admin", "join-token", "create", "--role", "agent", "-q"];
    let join = bench.cluster.goctl(&join)?;
    let join = agent::token::JoinText::decode(join.trim())?.secret;
    let admin = std::fs::read_to_string(bench.cluster.path().join("admin.token"))?;
    let mut known = bob.known;
    known.extend([
        Known::new("the secret", value.as_bytes()),
        Known::new("the private key", &pair.seed),
        Known::new("the registry's password", registry.as_bytes()),
        Known::new("the join token", join.as_bytes()),
        Known::new("the API key of the administrator", half(&admin)?),
    ]);
    let bob = Bob {
        known: Vec::new(),
        ..bob
    };

    let id = bench.submit(&Case {
        args: &["--secret", &name, "--secret", "id"],
        program: Program::Script("cat /run/secrets/* >/dev/null; sleep 600"),
    })?;
    bench.running(id)?;
    bob.means_their_own(&name)?;
    engine_knows_no(&bench, &engine, id, &known)?;
    search(&bench, &known)?;
    bench
        .cluster
        .goctl(&["cancel", &id.to_string(), "--grace", "0s"])?;
    bench.ended(id)?;
    copied(&mut bench, &client, &runtime)?;
    let found = search(&bench, &known)?;
    let public = std::fs::read_to_string(pair.path("id.pub")?)?;
    let public = public.split(' ').nth(1).context("a public key")?;
    // The digits at its end: what all keys of the kind begin with may be written once for many.
    let public = &public.as_bytes()[public.len() - 24..];
    sees_snapshots(&bench, &found, &[name.as_bytes(), public])
}
