//! `nodes`: the machines of the cluster.

use api_types::node::{Amount, HeadIntent, Node, NodeHealth, NodeList, NodeRole};

use crate::args::look::Nodes;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::output::table::{Column, Rank};
use crate::output::{View, cells, fields};
use crate::session::Session;

/// `goctl nodes`.
///
/// # Errors
/// When there is no machine of that name.
pub async fn nodes(session: &Session, args: &Nodes) -> Result<(), Failure> {
    let client = session.client()?;
    if args.nodes.is_empty() {
        let list: NodeList = client.ask(&Request::get("/nodes")).await?;
        return print(session, &list.items);
    }
    let mut found = Vec::new();
    for name in &args.nodes {
        found.push(
            client
                .ask::<Node>(&Request::get(format!("/nodes/{}", escaped(name))))
                .await?,
        );
    }
    match &found[..] {
        [only] => session.output.one(only, |view| page(only, view)),
        several => print(session, several),
    }
}

/// Prints machines as a list.
///
/// # Errors
/// When nobody reads, or a column is unknown.
pub fn print(session: &Session, nodes: &[Node]) -> Result<(), Failure> {
    session.output.list(nodes, &columns())
}

fn columns() -> Vec<Column<Node>> {
    vec![
        Column::left("node", Rank::Always, |node, _| cells::safe(&node.name)),
        Column::right("id", Rank::Wide, |node, _| node.id.to_string()),
        Column::left("state", Rank::Always, state),
        Column::left("role", Rank::Useful, |node, _| role(node)),
        Column::right("cpu", Rank::Useful, |node, _| {
            used(node, |amount| cells::cpus(amount.cpu))
        }),
        Column::right("mem", Rank::Useful, |node, _| {
            used(node, |amount| cells::size(amount.memory_bytes))
        }),
        Column::right("jobs", Rank::Nice, |node, _| node.jobs.to_string()),
        Column::left("runtime", Rank::Nice, |node, _| {
            if node.capacity.is_some() {
                cells::safe(&node.runtime)
            } else {
                "-".into()
            }
        }),
        Column::left("version", Rank::Wide, |node, _| cells::safe(&node.version)),
        Column::left("address", Rank::Wide, |node, _| {
            cells::safe(&node.peer_addr)
        }),
        Column::left("api", Rank::Wide, |node, _| cells::safe(&node.api_addr)),
        Column::left("since", Rank::Wide, |node, view| {
            cells::moment(&node.health_since, view)
        }),
        Column::left("trouble", Rank::Nice, |node, _| {
            node.trouble
                .as_deref()
                .map_or_else(String::new, cells::safe)
        }),
        Column::left("drained", Rank::Nice, |node, _| {
            node.drain.as_deref().map_or_else(String::new, cells::safe)
        }),
    ]
}

/// What jobs hold of what there is.
fn used(node: &Node, part: fn(&Amount) -> String) -> String {
    match &node.capacity {
        Some(capacity) => format!("{}/{}", part(&node.held), part(capacity)),
        None => "-".into(),
    }
}

fn state(node: &Node, view: &View) -> String {
    let word = match (node.health, &node.drain) {
        (NodeHealth::Up, Some(_)) => "DRAINED",
        (NodeHealth::Up, None) => "UP",
        (NodeHealth::Joined, _) => "JOINED",
        (NodeHealth::Suspect, _) => "SUSPECT",
        (NodeHealth::Lost, _) => "LOST",
        (NodeHealth::Unwell, _) => "UNWELL",
    };
    if !view.colour {
        return word.into();
    }
    let code = match (node.health, &node.drain) {
        (NodeHealth::Up, None) => "32",
        (NodeHealth::Up | NodeHealth::Joined | NodeHealth::Suspect, _) => "33",
        (NodeHealth::Lost | NodeHealth::Unwell, _) => "31",
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}

/// What a machine is in the quorum: the leader bears a star.
fn role(node: &Node) -> String {
    let role = match (node.role, node.intent) {
        (NodeRole::Agent, _) => "agent",
        (NodeRole::Head, HeadIntent::Voter) => "head",
        (NodeRole::Head, HeadIntent::Learner) => "head (learns)",
        (NodeRole::Head, HeadIntent::None) => "head (out)",
    };
    format!("{role}{}", if node.leader { "*" } else { "" })
}

fn page(node: &Node, view: &View) -> String {
    let offers = node.capacity.as_ref().map(|_| {
        let cpu = used(node, |amount| cells::cpus(amount.cpu));
        let memory = used(node, |amount| cells::size(amount.memory_bytes));
        format!(
            "{cpu} cpu, {memory} memory held, {} jobs, {}",
            node.jobs, node.runtime
        )
    });
    let some = |text: &str| (!text.is_empty()).then(|| cells::safe(text));
    let health = format!(
        "{}, {}",
        state(node, view),
        cells::moment(&node.health_since, view)
    );
    fields::page(&[
        (
            "node",
            Some(format!("{}  {}", node.id, cells::safe(&node.name))),
        ),
        ("state", Some(health)),
        ("trouble", node.trouble.as_deref().map(cells::safe)),
        ("drained", node.drain.as_deref().map(cells::safe)),
        ("role", Some(role(node))),
        ("jobs", offers.or(Some("runs none".into()))),
        ("version", some(&node.version)),
        ("address", some(&node.peer_addr)),
        ("api", some(&node.api_addr)),
        ("joined", Some(cells::moment(&node.joined_at, view))),
    ])
}
