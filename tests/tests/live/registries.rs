//! Images behind a login: fetched with the owner's own, and nobody else's because they lie here.

use anyhow::ensure;
use tests::bench::{Bench, Case, Program};
use tests::registry::Registry;

use crate::secrets::{canary, keep};

/// `ada:open sesame`.
const BASIC: &str = "YWRhOm9wZW4gc2VzYW1l";

/// The image has no program, so a job that gets it ends as one whose program is not there.
const NO_PROGRAM: &str = "cannot_start";

#[test]
fn an_image_behind_a_login_is_for_those_only_who_have_one() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    let registry = Registry::start(BASIC, &canary("image-"))?;
    let (image, id) = (registry.image(), registry.image_id());
    let state_of = |args: &[&str]| -> anyhow::Result<(String, String)> {
        let program = Program::Argv(&["/bin/nothing"]);
        let job = bench.ended(bench.submit(&Case { args, program })?)?;
        let word = |field: &str| job[field].as_str().unwrap_or_default().to_owned();
        Ok((word("state"), word("message")))
    };
    let without = state_of(&["--image", &image])?;
    ensure!(without.0 == "image_unavailable", "{without:?}");
    ensure!(registry.given() == 0);

    bench
        .cluster
        .goctl(&["admin", "project", "set", "lab", "--everybody"])?;
    let host = registry.host();
    let lab = ["lab", "--project", "lab", "--login", "ada", "--registry"];
    let login: Vec<&str> = lab.into_iter().chain([host.as_str()]).collect();
    keep(&bench, &login, "wrong")?;
    let wrong = state_of(&["--image", &image, "--project", "lab"])?;
    ensure!(wrong.0 == "image_unavailable", "{wrong:?}");
    keep(&bench, &login, "open sesame\n")?;
    let right = state_of(&["--image", &image, "--project", "lab"])?;
    ensure!(right.0 == NO_PROGRAM, "{right:?}");
    ensure!(registry.given() > 0);

    // It lies on the node now. Outside the project there is no login.
    for args in [
        &["--image", &image] as &[&str],
        &["--image", &id],
        &["--image", &id["sha256:".len()..]],
        &["--image", &image, "--pull", "never"],
        &["--image", &image, "--pull", "never", "--project", "lab"],
    ] {
        let refused = state_of(args)?;
        ensure!(refused.0 == "image_unavailable", "{args:?}: {refused:?}");
        ensure!(!refused.1.contains("sesame"), "{refused:?}");
    }
    let again = state_of(&["--image", &image, "--project", "lab"])?;
    ensure!(again.0 == NO_PROGRAM, "{again:?}");
    ensure!(registry.turned_away() > 0);
    Ok(())
}
