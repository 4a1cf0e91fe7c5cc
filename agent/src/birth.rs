//! How a node comes to be: `goagent init` makes a cluster of one head, `goagent join` adds a node
//! to it, and the head's side of joining.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::account::{TokenId, UserName};
use model::command::{InitCluster, RedeemJoinToken};
use model::id::FIRST_HEAD;
use model::log::Log;
use model::node::{NodeFacts, NodeRole};
use model::policy::Timings;
use model::{ClusterId, Command, NodeId, Rejection, Reply};
use net::message::{HeadAddr, JoinAnswer, JoinCall, Welcome};
use net::tls::{Ca, NodeKey};
use sha2::{Digest, Sha256};

use crate::config::{Config, NodeConfig};
use crate::error::AgentError;
use crate::identity::{self, DataDir, NodeFile};
use crate::token::JoinText;

/// Days for which a node's certificate is good.
const CERTIFICATE_DAYS: u32 = 3_650;
/// How long a new node waits for one head's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The administrator's login.
const ADMIN: &str = "admin";

/// What `goagent init` made.
pub struct NewCluster {
    /// Its id.
    pub cluster: ClusterId,
    /// The administrator's login.
    pub admin: UserName,
    /// Their one-time password; said once, kept nowhere.
    pub password: String,
    /// SHA-256 of the CA's certificate.
    pub ca: [u8; 32],
    /// The answers to the further commands that were asked for, in order.
    pub replies: Vec<Reply>,
}

/// Makes a cluster of one head in the configured data directory. `further` commands are proposed
/// right after the first entry.
///
/// # Errors
/// [`AgentError`]; a directory that was half made can be removed and made again.
pub async fn init(
    config: &Config,
    name: String,
    timings: Timings,
    further: Vec<Command>,
) -> Result<NewCluster, AgentError> {
    let dir = DataDir(config.node.data_dir.clone());
    if dir.is_taken() {
        return Err(AgentError::Taken { path: dir.0 });
    }
    dir.create()?;
    let cluster = ClusterId(random());
    let ca = Ca::create(cluster)?;
    let key = NodeKey::generate()?;
    let names = certificate_names(&config.node);
    let request = key.csr_pem()?;
    let certificate = ca.sign(
        &request,
        FIRST_HEAD,
        NodeRole::Head,
        &names,
        CERTIFICATE_DAYS,
    )?;
    write_keys(
        &dir,
        &certificate,
        &key.pem(),
        &ca.cert_pem(),
        Some(&ca.key_pem()),
    )?;

    let head_name = node_name(&config.node);
    let mut file = NodeFile::new(cluster, FIRST_HEAD, head_name.clone(), true);
    let facts = facts(config);
    let addr = HeadAddr {
        node: FIRST_HEAD,
        addr: facts.peer_addr.clone(),
    };
    file.set_heads(&[addr]);
    let password = secret_text();
    let first = Command::InitCluster(InitCluster {
        cluster,
        name,
        head_name,
        head_key: key.public_hash(),
        head_facts: facts.clone(),
        admin: ADMIN.into(),
        admin_password: api::secret::hash_password(&password)?,
        timings,
    });
    let replies = first_entries(config, &dir, &file, first, further).await?;
    dir.save(&file)?;
    Ok(NewCluster {
        cluster,
        admin: ADMIN.into(),
        password,
        ca: ca.fingerprint(),
        replies,
    })
}

async fn first_entries(
    config: &Config,
    dir: &DataDir,
    file: &NodeFile,
    first: Command,
    further: Vec<Command>,
) -> Result<Vec<Reply>, AgentError> {
    let identity = dir.identity(file)?;
    let endpoint = Arc::new(net::Endpoint::bind(config.node.peer_listen, &identity)?);
    let raft = raft::Handle::start(raft_config(config, dir, FIRST_HEAD), endpoint).await?;
    raft.initialise(file.head_addrs()[0].addr.clone()).await?;
    let mut replies = Vec::new();
    for (at, command) in std::iter::once(first).chain(further).enumerate() {
        let reply = raft.propose(command).await?.reply;
        if let Reply::Rejected(why) = &reply {
            return Err(AgentError::Refused { why: words(why) });
        }
        if at > 0 {
            replies.push(reply);
        }
    }
    raft.shutdown().await?;
    Ok(replies)
}

/// The log's settings of a node.
pub fn raft_config(config: &Config, dir: &DataDir, node: NodeId) -> raft::Config {
    raft::Config {
        node,
        dir: dir.log(),
        heartbeat: Duration::from_millis(config.head.heartbeat_ms),
        election_min: Duration::from_millis(config.head.election_min_ms),
        election_max: Duration::from_millis(config.head.election_max_ms),
        snapshot_every: config.head.snapshot_every,
        keep_logs: config.head.keep_logs,
        ..raft::Config::default()
    }
}

/// Joins the cluster that the token names.
///
/// # Errors
/// [`AgentError`]; asking again with the same token is safe as long as the data directory is kept.
pub async fn join(config: &Config, token: &str) -> Result<NodeFile, AgentError> {
    let token = JoinText::decode(token)?;
    let dir = DataDir(config.node.data_dir.clone());
    if dir.is_taken() {
        return Err(AgentError::Taken { path: dir.0 });
    }
    dir.create()?;
    let key = kept_key(&dir)?;
    let call = JoinCall {
        token: token.id.clone(),
        secret: token.secret.clone(),
        name: node_name(&config.node),
        request_pem: key.csr_pem()?,
        names: certificate_names(&config.node),
        facts: facts_of(config, token.role),
    };
    let mut last = AgentError::BadJoinToken {
        why: "it names no head",
    };
    for addr in &token.heads {
        match ask(addr, &token.ca, &call).await {
            Ok(JoinAnswer::Welcome(welcome)) => {
                return settle_in(&dir, &key, call.name, &welcome);
            }
            Ok(JoinAnswer::Refused(why)) => return Err(AgentError::Refused { why }),
            Ok(JoinAnswer::TryAgain(why)) => last = AgentError::Refused { why },
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The key survives a failed try, so that the token, once used, still admits this machine.
fn kept_key(dir: &DataDir) -> Result<NodeKey, AgentError> {
    if dir.key().exists() {
        return Ok(NodeKey::from_pem(&identity::read(&dir.key())?)?);
    }
    let key = NodeKey::generate()?;
    identity::write(&dir.key(), key.pem().as_bytes(), 0o600)?;
    Ok(key)
}

async fn ask(addr: &str, ca: &[u8; 32], call: &JoinCall) -> Result<JoinAnswer, AgentError> {
    let asked = async {
        let connection = net::join::dial(addr, *ca).await?;
        let mut stream = connection.open().await?;
        stream.sender.send(call).await?;
        stream.sender.finish()?;
        let answer = stream.receiver.receive::<JoinAnswer>().await?;
        connection.close("done");
        Ok::<_, net::NetError>(answer)
    };
    let nothing = || AgentError::Refused {
        why: format!("{addr} did not answer"),
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, asked)
        .await
        .map_err(|_| nothing())??;
    answer.ok_or_else(nothing)
}

fn settle_in(
    dir: &DataDir,
    key: &NodeKey,
    name: String,
    welcome: &Welcome,
) -> Result<NodeFile, AgentError> {
    let ca_key = welcome.ca_key_pem.as_deref();
    write_keys(
        dir,
        &welcome.certificate_pem,
        &key.pem(),
        &welcome.ca_pem,
        ca_key,
    )?;
    let mut file = NodeFile::new(welcome.cluster, welcome.node, name, welcome.head);
    file.set_heads(&welcome.heads);
    dir.save(&file)?;
    Ok(file)
}

fn write_keys(
    dir: &DataDir,
    certificate: &str,
    key: &str,
    ca: &str,
    ca_key: Option<&str>,
) -> Result<(), AgentError> {
    identity::write(&dir.certificate(), certificate.as_bytes(), 0o644)?;
    identity::write(&dir.key(), key.as_bytes(), 0o600)?;
    identity::write(&dir.ca(), ca.as_bytes(), 0o644)?;
    if let Some(ca_key) = ca_key {
        identity::write(&dir.ca_key(), ca_key.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// The head's side: answers one call on the join channel.
pub async fn admit(connection: net::Connection, log: Arc<dyn Log>, ca: Arc<Ca>) {
    let served = async {
        let mut stream = connection.accept().await?;
        if let Some(call) = stream.receiver.hear::<JoinCall>().await? {
            let answer = answer(&call, &*log, &ca).await;
            stream.sender.send(&answer).await?;
            stream.sender.finish()?;
        }
        connection.closed().await;
        Ok::<_, net::NetError>(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(ANSWER_WITHIN, served).await {
        tracing::debug!(%error, "a join call ended early");
    }
    connection.close("join over");
}

async fn answer(call: &JoinCall, log: &dyn Log, ca: &Ca) -> JoinAnswer {
    let key_hash = match net::tls::request_key_hash(&call.request_pem) {
        Ok(hash) => hash,
        Err(error) => return JoinAnswer::Refused(format!("certificate request: {error}")),
    };
    let redeem = Command::RedeemJoinToken(RedeemJoinToken {
        id: TokenId(call.token.clone()),
        hash: Sha256::digest(call.secret.as_bytes()).into(),
        key_hash,
        name: call.name.clone(),
        facts: call.facts.clone(),
    });
    match log.propose(redeem).await {
        Err(error) => JoinAnswer::TryAgain(error.to_string()),
        Ok(applied) => match applied.reply {
            Reply::Joined(node) => welcome(call, node, log, ca).await,
            Reply::Rejected(why) => JoinAnswer::Refused(words(&why)),
            Reply::Done
            | Reply::Submitted { .. }
            | Reply::Cancelled(_)
            | Reply::Planned { .. }
            | Reply::Expired(_) => JoinAnswer::TryAgain("an unexpected answer".into()),
        },
    }
}

async fn welcome(call: &JoinCall, node: NodeId, log: &dyn Log, ca: &Ca) -> JoinAnswer {
    // The admission may have been applied at the leader only; it is here after the barrier.
    if let Err(error) = log.barrier().await {
        return JoinAnswer::TryAgain(error.to_string());
    }
    let state = log.read();
    let Some(known) = state.node(node) else {
        return JoinAnswer::TryAgain("the node is not known here yet".into());
    };
    let head = known.role == NodeRole::Head;
    let signed = ca.sign(
        &call.request_pem,
        node,
        known.role,
        &call.names,
        CERTIFICATE_DAYS,
    );
    match signed {
        Err(error) => JoinAnswer::Refused(format!("certificate request: {error}")),
        Ok(certificate_pem) => JoinAnswer::Welcome(Welcome {
            cluster: state.meta().cluster,
            node,
            head,
            certificate_pem,
            ca_pem: ca.cert_pem(),
            ca_key_pem: head.then(|| ca.key_pem()),
            heads: crate::leader::head_addresses(&state),
        }),
    }
}

/// What a node says of itself before it has a runtime.
fn facts(config: &Config) -> NodeFacts {
    facts_of(config, NodeRole::Head)
}

/// What a node of this role says of itself before it has a runtime.
pub fn facts_of(config: &Config, role: NodeRole) -> NodeFacts {
    let host = advertised_host(&config.node);
    let addr = |port: u16| {
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    };
    let head = role == NodeRole::Head;
    NodeFacts {
        version: env!("CARGO_PKG_VERSION").into(),
        peer_addr: if head {
            addr(config.node.peer_listen.port())
        } else {
            String::new()
        },
        api_addr: if head {
            addr(config.node.api_listen.port())
        } else {
            String::new()
        },
        ..NodeFacts::default()
    }
}

fn advertised_host(node: &NodeConfig) -> String {
    if !node.advertise.is_empty() {
        return node.advertise.clone();
    }
    let ip = node.peer_listen.ip();
    if ip.is_unspecified() {
        host_name()
    } else {
        ip.to_string()
    }
}

fn certificate_names(node: &NodeConfig) -> Vec<String> {
    let mut names = vec![
        advertised_host(node),
        "localhost".into(),
        "127.0.0.1".into(),
    ];
    let listen: IpAddr = node.api_listen.ip();
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(node.names.iter().cloned());
    names.push(host_name());
    names.sort();
    names.dedup();
    names
}

fn node_name(node: &NodeConfig) -> String {
    if node.name.is_empty() {
        host_name()
    } else {
        node.name.clone()
    }
}

fn host_name() -> String {
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".into())
}

/// Bytes from the system's generator; without it no key could be made either.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    assert!(
        filled.is_ok(),
        "the system has no random numbers: {filled:?}"
    );
    bytes
}

/// 25 letters and digits that cannot be mistaken for each other, in groups: 125 bits.
fn secret_text() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut text = String::new();
    for (at, byte) in random::<25>().into_iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    text
}

fn words(why: &Rejection) -> String {
    match why {
        Rejection::BadToken => {
            "the join token has expired, was used, or is not of this cluster".into()
        }
        Rejection::NotFound { what } => format!("there is no {what}"),
        Rejection::Conflict { what } | Rejection::WrongTime { what } => what.clone(),
        Rejection::Limit { name, limit } => format!("the limit of {name}, {limit}, is reached"),
        Rejection::Forbidden { what } => format!("not allowed: {what}"),
        Rejection::Invalid { field, message } => format!("{field}: {message}"),
    }
}
