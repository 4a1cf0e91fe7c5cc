//! `context` and `config`: the clusters that goctl knows, and the files that say so.

use serde::Serialize;

use crate::args::account::{Config as ConfigArgs, Context as ContextArgs};
use crate::client::tls;
use crate::config::{Config, Context, read_text};
use crate::error::{Failure, Kind};
use crate::limits::CONFIG_BYTES_MAX;
use crate::output::table::{Column, Rank};
use crate::output::{Format, cells};
use crate::session::Session;

/// `goctl context …`. It speaks to nobody.
///
/// # Errors
/// When there is no such context, or the files cannot be read or written.
pub fn context(session: &Session, args: ContextArgs) -> Result<(), Failure> {
    let files = session.files()?;
    let mut config = files.read_config()?;
    let mut credentials = files.read_credentials()?;
    match args {
        ContextArgs::List => return list(session, &config),
        ContextArgs::Current => {
            let name = session.context_name(&config)?.ok_or_else(none)?;
            return session.output.data(&format!("{name}\n"));
        }
        ContextArgs::Use { name } => {
            find(&config, &name)?;
            session.output.say(&format!("using \"{name}\""));
            config.current = Some(name);
        }
        ContextArgs::Add {
            name,
            heads,
            ca_file,
        } => {
            free(&config, &name)?;
            let ca = ca_file
                .map(|path| read_text(&path, CONFIG_BYTES_MAX))
                .transpose()?;
            let ca_sha256 = ca.as_deref().map(tls::fingerprint).transpose()?;
            let context = Context {
                heads,
                ca,
                ca_sha256,
                ..Context::default()
            };
            config.context.insert(name.clone(), context);
            config.current.get_or_insert(name.clone());
            session.output.say(&format!("added \"{name}\""));
        }
        ContextArgs::Rename { name, new } => {
            free(&config, &new)?;
            let context = find(&config, &name)?.clone();
            config.context.remove(&name);
            config.context.insert(new.clone(), context);
            if let Some(credential) = credentials.remove(&name) {
                credentials.insert(new.clone(), credential);
            }
            if config.current.as_ref() == Some(&name) {
                config.current = Some(new.clone());
            }
            session.output.say(&format!("\"{name}\" is now \"{new}\""));
        }
        ContextArgs::Remove { name } => {
            find(&config, &name)?;
            config.context.remove(&name);
            credentials.remove(&name);
            config.current.take_if(|current| *current == name);
            session.output.say(&format!("forgot \"{name}\""));
        }
    }
    files.write_credentials(&credentials)?;
    files.write_config(&config)
}

fn none() -> Failure {
    Failure::new(Kind::NotFound, "no context is in use")
        .field("context")
        .hint("goctl login https://HOST:PORT, or goctl context use NAME")
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a Context, Failure> {
    config.context.get(name).ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("there is no context `{name}`"))
            .field("context")
            .hint("goctl context list")
    })
}

fn free(config: &Config, name: &str) -> Result<(), Failure> {
    if !config.context.contains_key(name) {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Conflict,
        format!("there is a context `{name}` already"),
    )
    .field("context")
    .hint(format!(
        "choose another name, or goctl context remove {name}"
    )))
}

/// A context in a list.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    current: bool,
    heads: &'a [String],
    user: Option<&'a str>,
    ca_sha256: Option<&'a str>,
}

fn list(session: &Session, config: &Config) -> Result<(), Failure> {
    let current = session.context_name(config)?;
    let row = |(name, context): (&'_ String, &'_ Context)| (name.clone(), context.clone());
    let known: Vec<(String, Context)> = config.context.iter().map(row).collect();
    let rows: Vec<Row<'_>> = known
        .iter()
        .map(|(name, context)| Row {
            name,
            current: current.as_ref() == Some(name),
            heads: &context.heads,
            user: context.user.as_deref(),
            ca_sha256: context.ca_sha256.as_deref(),
        })
        .collect();
    let columns = [
        Column::left("context", Rank::Always, |row: &Row<'_>, _| {
            cells::safe(row.name)
        }),
        Column::left("current", Rank::Useful, |row, _| {
            if row.current {
                "*".into()
            } else {
                String::new()
            }
        }),
        Column::left("user", Rank::Useful, |row, _| {
            row.user.map_or_else(|| "-".into(), cells::safe)
        }),
        Column::left("ca", Rank::Wide, |row, _| {
            row.ca_sha256.unwrap_or("-").to_owned()
        }),
        Column::left("heads", Rank::Always, |row, _| {
            cells::safe(&row.heads.join(" "))
        }),
    ];
    session.output.list(&rows, &columns)
}

/// `goctl config …`. It speaks to nobody.
///
/// # Errors
/// When the file cannot be read.
pub fn config(session: &Session, args: &ConfigArgs) -> Result<(), Failure> {
    let files = session.files()?;
    match args {
        ConfigArgs::Path => session
            .output
            .data(&format!("{}\n", files.config.display())),
        ConfigArgs::Show => {
            let config = files.read_config()?;
            let text =
                toml::to_string_pretty(&config).map_err(|e| Failure::failed(e.to_string()))?;
            match session.output.format {
                Format::Json | Format::Jsonl | Format::Yaml => {
                    session.output.one(&config, |_| String::new())
                }
                Format::Table | Format::Wide | Format::Csv | Format::Name => {
                    session.output.data(&text)
                }
            }
        }
    }
}
