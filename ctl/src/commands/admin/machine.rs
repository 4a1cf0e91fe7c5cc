//! `admin head` and `admin node`: which machines keep the log, and which take jobs.

use api_types::node::{DrainRequest, HeadIntent, HeadRequest, Node, NodeList, NodeRole};
use reqwest::Method;

use crate::args::admin::{Head, Node as NodeArgs};
use crate::client::{Request, escaped};
use crate::commands::nodes;
use crate::error::Failure;
use crate::output::cells;
use crate::session::Session;

/// `goctl admin head …`.
///
/// # Errors
/// What the server says.
pub async fn head(session: &Session, args: Head) -> Result<(), Failure> {
    let (name, intent, said) = match args {
        Head::List => {
            let list: NodeList = session.client()?.ask(&Request::get("/nodes")).await?;
            let heads = list
                .items
                .into_iter()
                .filter(|node| node.role == NodeRole::Head);
            return nodes::print(session, &heads.collect::<Vec<_>>());
        }
        Head::Promote { head } => (head, HeadIntent::Voter, "will vote once it has the log"),
        Head::Demote { head } => (head, HeadIntent::Learner, "will learn, and not vote"),
        Head::Remove { head, yes } => {
            let name = cells::safe(&head);
            session.confirm(&format!("{name} will leave the quorum."), yes)?;
            (head, HeadIntent::None, "will leave the quorum")
        }
    };
    let request = Request::new(Method::PUT, format!("/heads/{}", escaped(&name)));
    let request = request.body(&HeadRequest { intent })?;
    let node: Node = session.client()?.ask(&request).await?;
    session
        .output
        .one(&node, |_| format!("{} {said}\n", cells::safe(&node.name)))?;
    if !session.output.is_document() {
        session.output.say("  see: goctl admin raft status");
    }
    Ok(())
}

/// `goctl admin node …`.
///
/// # Errors
/// What the server says.
pub async fn node(session: &Session, args: NodeArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let path = |name: &str| format!("/nodes/{}", escaped(name));
    let drain = |name: &str| format!("{}/drain", path(name));
    let (request, said) = match args {
        NodeArgs::Drain { node, reason } => {
            // To drain twice for the same reason is to drain once.
            let request =
                Request::new(Method::POST, drain(&node)).body(&DrainRequest { reason })?;
            (request.repeatable(), "takes no new jobs")
        }
        NodeArgs::Undrain { node } => (
            Request::new(Method::DELETE, drain(&node)),
            "takes jobs again",
        ),
        NodeArgs::Remove { node, yes } => {
            let name = cells::safe(&node);
            session.confirm(&format!("{name} will be cut off for ever."), yes)?;
            client
                .tell(&Request::new(Method::DELETE, path(&node)))
                .await?;
            return session.output.data(&format!("{name} is removed\n"));
        }
    };
    let node: Node = client.ask(&request).await?;
    session
        .output
        .one(&node, |_| match (node.drain.is_some(), node.jobs) {
            (true, jobs) if jobs > 0 => {
                format!(
                    "{} {said}; {jobs} still run there\n",
                    cells::safe(&node.name)
                )
            }
            (true | false, _) => format!("{} {said}\n", cells::safe(&node.name)),
        })
}
