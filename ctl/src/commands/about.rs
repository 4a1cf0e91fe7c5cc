//! `completions`, `man` and `version`: goctl about itself.

use std::path::Path;

use api_types::cluster::ClusterInfo;
use serde::Serialize;

use crate::args;
use crate::client::Request;
use crate::error::Failure;
use crate::output::{cells, write_out};
use crate::session::Session;

/// `goctl completions SHELL`.
///
/// # Errors
/// When nobody reads.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "goctl", &mut text);
    write_out(&text)
}

/// `goctl man DIR`.
///
/// # Errors
/// When the directory cannot be written to.
pub fn man(session: &Session, dir: &Path) -> Result<(), Failure> {
    let wrong =
        |error: std::io::Error| Failure::failed(format!("{}: {error}", dir.display())).field("DIR");
    std::fs::create_dir_all(dir).map_err(wrong)?;
    clap_mangen::generate_to(args::command().disable_help_subcommand(true), dir).map_err(wrong)?;
    session
        .output
        .say(&format!("wrote the manual pages to {}", dir.display()));
    Ok(())
}

/// The versions on both sides.
#[derive(Serialize)]
struct Versions {
    goctl: &'static str,
    api: &'static str,
    cluster: Option<Cluster>,
}

#[derive(Serialize)]
struct Cluster {
    name: String,
    goagent: String,
    api: String,
}

/// `goctl version`. That no cluster is known or answers is no failure.
///
/// # Errors
/// When nobody reads.
pub async fn version(session: &Session) -> Result<(), Failure> {
    let asked = match session.client() {
        Ok(client) => client.ask::<ClusterInfo>(&Request::get("/cluster")).await,
        Err(failure) => Err(failure),
    };
    let unknown = asked.as_ref().err().map(|failure| failure.message.clone());
    let versions = Versions {
        goctl: env!("CARGO_PKG_VERSION"),
        api: api_types::VERSION,
        cluster: asked.ok().map(|info| Cluster {
            name: info.name,
            goagent: info.version,
            api: info.api_version,
        }),
    };
    session.output.one(&versions, |_| {
        let own = format!("goctl    {} (API {})\n", versions.goctl, versions.api);
        let other = match &versions.cluster {
            Some(cluster) => cells::safe(&format!(
                "cluster  {} (API {}), \"{}\"",
                cluster.goagent, cluster.api, cluster.name
            )),
            None => format!("cluster  not known: {}", unknown.unwrap_or_default()),
        };
        format!("{own}{other}\n")
    })
}
