//! `admin raft`: where the replicated log stands, and who leads.
//!
//! Only the leader knows how far the others are, so it is asked, whoever answered first.

use api_types::cluster::ClusterInfo;
use api_types::node::HeadIntent;
use api_types::raft::{Member, RaftStatus, TransferRequest};
use reqwest::Method;

use crate::args::admin::Raft;
use crate::client::{Client, Request};
use crate::error::{Failure, Kind};
use crate::output::table::{Column, Layout, Rank};
use crate::output::{View, cells};
use crate::session::Session;

/// `goctl admin raft …`.
///
/// # Errors
/// What the server says, or that nobody leads.
pub async fn run(session: &Session, args: Raft) -> Result<(), Failure> {
    match args {
        Raft::Status { local } => {
            let status = status(session.client()?, local).await?;
            print(session, &status)
        }
        Raft::Transfer { to } => transfer(session, to).await,
    }
}

/// How the log stands, as the leader sees it if it can be asked.
async fn status(client: &Client, local: bool) -> Result<RaftStatus, Failure> {
    let request = Request::get("/raft");
    let first: RaftStatus = client.ask(&request).await?;
    if local || first.leader.is_none() || first.leader == Some(first.node) {
        return Ok(first);
    }
    let Some(url) = leader_url(client).await? else {
        return Ok(first);
    };
    match client.ask_at::<RaftStatus>(&url, &request).await {
        Ok(second) => Ok(second),
        Err(failure) => {
            crate::output::note(&format!("the leader does not answer: {}", failure.message));
            Ok(first)
        }
    }
}

async fn leader_url(client: &Client) -> Result<Option<String>, Failure> {
    let info: ClusterInfo = client.ask(&Request::get("/cluster")).await?;
    Ok(info
        .heads
        .into_iter()
        .find(|head| head.leader)
        .map(|head| head.url))
}

async fn transfer(session: &Session, to: Option<String>) -> Result<(), Failure> {
    let client = session.client()?;
    let url = leader_url(client).await?.ok_or_else(|| {
        Failure::new(Kind::Unreachable, "nobody leads").hint("goctl admin raft status")
    })?;
    let request = Request::new(Method::POST, "/raft/transfer").body(&TransferRequest { to })?;
    let status: RaftStatus = client.ask_at(&url, &request).await?;
    let leader = status
        .leader
        .map_or_else(|| "nobody yet".into(), |id| name_of(&status, id));
    session.output.one(&status, |_| format!("{leader} leads\n"))
}

fn name_of(status: &RaftStatus, id: u64) -> String {
    let member = status.members.iter().find(|member| member.node == id);
    let name = member
        .map(|member| member.name.as_str())
        .filter(|name| !name.is_empty());
    name.map_or_else(|| format!("node {id}"), cells::safe)
}

fn print(session: &Session, status: &RaftStatus) -> Result<(), Failure> {
    let output = &session.output;
    let rows: Vec<Row> = status
        .members
        .iter()
        .map(|member| Row::of(member, status))
        .collect();
    if output.format == crate::output::Format::Csv || output.format == crate::output::Format::Name {
        return output.rows(&rows, &columns(), !output.no_headers);
    }
    let layout = Layout {
        names: &output.columns,
        wide: output.format == crate::output::Format::Wide,
        head: !output.no_headers,
        width: output.width,
        view: output.view,
    };
    let table = layout.table(&rows, &columns())?;
    output.one(status, |_| format!("{}\n{table}", head(status)))
}

/// What holds for the whole log.
fn head(status: &RaftStatus) -> String {
    let leader = status
        .leader
        .map_or_else(|| "nobody".into(), |id| name_of(status, id));
    let snapshot = status
        .snapshot
        .map_or_else(|| "none".into(), |index| index.to_string());
    let quorum = status.quorum_ack_age_ms.map_or_else(String::new, |age| {
        format!(", a quorum answered {age} ms ago")
    });
    format!(
        "term {}, {leader} leads{quorum}\n\
         log {}, committed {}, applied {}, snapshot {snapshot}   (as {} sees it)\n",
        status.term,
        status.last_log,
        status.committed,
        status.applied,
        cells::safe(&status.name),
    )
}

/// A head in the table.
struct Row {
    name: String,
    id: u64,
    part: &'static str,
    wanted: &'static str,
    matched: Option<u64>,
    lag: Option<u64>,
    addr: String,
}

impl Row {
    fn of(member: &Member, status: &RaftStatus) -> Row {
        Row {
            name: cells::safe(&member.name),
            id: member.node,
            part: match (status.leader == Some(member.node), member.voter) {
                (true, _) => "leader",
                (false, true) => "voter",
                (false, false) => "learner",
            },
            wanted: match member.intent {
                HeadIntent::Voter => "voter",
                HeadIntent::Learner => "learner",
                HeadIntent::None => "out",
            },
            matched: member.matched,
            lag: member.lag,
            addr: cells::safe(&member.addr),
        }
    }
}

fn columns() -> [Column<Row>; 7] {
    fn number(value: Option<u64>) -> String {
        value.map_or_else(|| "-".into(), |value| value.to_string())
    }
    let lag: fn(&Row, &View) -> String = |row, _| number(row.lag);
    [
        Column::left("head", Rank::Always, |row, _| row.name.clone()),
        Column::right("id", Rank::Useful, |row, _| row.id.to_string()),
        Column::left("part", Rank::Always, |row, _| row.part.into()),
        Column::left("wanted", Rank::Nice, |row, _| row.wanted.into()),
        Column::right("has", Rank::Useful, |row, _| number(row.matched)),
        Column::right("lag", Rank::Always, lag),
        Column::left("address", Rank::Nice, |row, _| row.addr.clone()),
    ]
}
