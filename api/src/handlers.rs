//! One file per kind of thing; each handler reads, checks, converts, proposes, and answers.
//!
//! What holds for several of them: changes answer only after a quorum has them and this head has
//! applied them; reads answer from what this head knows unless they say otherwise.

pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod directories;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod join_tokens;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod projects;
pub(crate) mod queues;
pub(crate) mod raft;
pub(crate) mod secrets;
pub(crate) mod settings;
pub(crate) mod submit;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod volumes;

use axum::http::{HeaderName, HeaderValue};
use model::node::Node;
use model::{NodeId, State};

use crate::app::Seen;
use crate::problem::Refused;

/// Headers that say how fresh an answer is.
pub(crate) fn freshness(seen: &Seen) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![(
        HeaderName::from_static("godocker-index"),
        HeaderValue::from(seen.index.0),
    )];
    if seen.stale {
        let stale = HeaderName::from_static("godocker-stale");
        headers.push((stale, HeaderValue::from_static("true")));
    }
    headers
}

/// A node by its name or number.
pub(crate) fn find_node<'a>(state: &'a State, text: &str) -> Result<&'a Node, Refused> {
    let numbered = || text.parse().ok().and_then(|id| state.node(NodeId(id)));
    let shown: String = text.chars().take(40).collect();
    let known = state.node_named(text).or_else(numbered);
    known.ok_or_else(|| Refused::not_found(format!("node {shown}")))
}
