//! `admin rules`: what jobs may have.

use std::path::Path;

use api_types::job_request::Network;
use api_types::settings::{OverQuota, RootVolumes, Rules, Settings};
use reqwest::Method;

use crate::args::admin::rules::{Rules as RulesArgs, RulesSet};
use crate::client::{Client, Request};
use crate::commands::{grant, quota};
use crate::error::Failure;
use crate::limits::IMAGE_RULES_BYTES_MAX;
use crate::output::{cells, fields};
use crate::parse::change::Change;
use crate::parse::images;
use crate::session::Session;
use crate::text;

/// `goctl admin rules …`.
///
/// # Errors
/// When nothing is named, a file holds no rules, or what the server says.
pub async fn run(session: &Session, args: RulesArgs) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        RulesArgs::Show => print(session, &get(client).await?),
        RulesArgs::Set(wanted) => {
            if *wanted == RulesSet::default() {
                return Err(Failure::usage("no rule is named")
                    .field("--user-cpu")
                    .hint("give one, for example --user-running 10; goctl help admin rules set"));
            }
            let rules = changed(*wanted, get(client).await?);
            print(session, &put(client, rules).await?)
        }
        RulesArgs::Images { file: None, clear } => {
            let mut rules = get(client).await?;
            if clear {
                rules.images.clear();
                rules = put(client, rules).await?;
            }
            print_images(session, &rules)
        }
        RulesArgs::Images {
            file: Some(path), ..
        } => {
            let images = read(&path)?;
            let rules = Rules {
                images,
                ..get(client).await?
            };
            print_images(session, &put(client, rules).await?)
        }
    }
}

async fn get(client: &Client) -> Result<Rules, Failure> {
    let settings: Settings = client.ask(&Request::get("/settings")).await?;
    told(settings)
}

/// Sets the rules and nothing else.
async fn put(client: &Client, rules: Rules) -> Result<Rules, Failure> {
    let body = Settings {
        timings: None,
        rules: Some(rules),
    };
    let request = Request::new(Method::PUT, "/settings").body(&body)?;
    let settings: Settings = client.ask(&request).await?;
    told(settings)
}

fn told(settings: Settings) -> Result<Rules, Failure> {
    // To go on without them would set all of them back.
    settings.rules.ok_or_else(|| {
        Failure::failed("the cluster does not tell its rules")
            .hint("is it as new as goctl? compare `goctl version`")
    })
}

fn changed(wanted: RulesSet, known: Rules) -> Rules {
    Rules {
        user_quota: quota::changed(&wanted.user.into(), &known.user_quota),
        window_days: wanted.window_days.or(known.window_days),
        over_quota: wanted.over_quota.unwrap_or(known.over_quota),
        network: wanted.network.unwrap_or(known.network),
        bridge: grant::changed(wanted.bridge.into(), known.bridge),
        root: grant::changed(wanted.root.into(), known.root),
        root_volumes: wanted.root_volumes.unwrap_or(known.root_volumes),
        images: known.images,
        output_max_bytes: Change::over(wanted.output_max, known.output_max_bytes),
        disk_max_bytes: Change::over(wanted.disk_max, known.disk_max_bytes),
        publish: grant::changed(wanted.publish.into(), known.publish),
    }
}

/// The rules about images of a file; at least one.
fn read(path: &Path) -> Result<Vec<api_types::settings::ImageRule>, Failure> {
    let hint = "write a line for each rule: allow PATTERN or deny PATTERN";
    let mut stdin = std::io::stdin().lock();
    let text = text::whole(path, IMAGE_RULES_BYTES_MAX, hint, &mut stdin);
    let text = text.map_err(|failure| failure.field("--file"))?;
    let origin = text::origin(path);
    let rules = images::read(&text).map_err(|(line, wrong)| {
        Failure::usage(format!("{origin}:{line}: {wrong}"))
            .field("--file")
            .hint("goctl help admin rules images")
    })?;
    if rules.is_empty() {
        return Err(Failure::usage(format!("{origin}: no rule in it"))
            .field("--file")
            .hint("to allow every image, give --clear in place of --file"));
    }
    Ok(rules)
}

fn print_images(session: &Session, rules: &Rules) -> Result<(), Failure> {
    session
        .output
        .one(&rules.images, |_| images::write(&rules.images))?;
    if rules.images.is_empty() {
        session.output.say("no rules: every image may be used");
    }
    Ok(())
}

fn print(session: &Session, rules: &Rules) -> Result<(), Failure> {
    session.output.one(rules, |_| page(rules))
}

fn page(rules: &Rules) -> String {
    let images = match rules.images.len() {
        0 => "every one may be used".to_owned(),
        count => format!("{count} rules: goctl admin rules images"),
    };
    let days = rules.window_days;
    let over_quota = match rules.over_quota {
        OverQuota::Wait => "wait: such a job waits",
        OverQuota::End => "end: such a job is over",
    };
    let network = match rules.network {
        Network::None => "none",
        Network::Bridge => "bridge",
    };
    let root_volumes = match rules.root_volumes {
        RootVolumes::ReadOnly => "read-only",
        RootVolumes::Refused => "refused",
    };
    let output = rules.output_max_bytes.map(cells::size);
    let disk = rules.disk_max_bytes.map(cells::size);
    fields::page(&[
        ("user bounds", Some(quota::short(&rules.user_quota, None))),
        (
            "window",
            days.map(|days| format!("{days} days, today included")),
        ),
        ("over-quota", Some(over_quota.into())),
        ("network", Some(network.into())),
        ("bridge", Some(grant::words(&rules.bridge))),
        ("root", Some(grant::words(&rules.root))),
        ("root-volumes", Some(root_volumes.into())),
        ("images", Some(images)),
        ("output-max", Some(output.unwrap_or_else(|| "-".into()))),
        ("disk-max", Some(disk.unwrap_or_else(|| "-".into()))),
        ("publish", Some(grant::words(&rules.publish))),
    ])
}
