//! Pull policies, with a registry that nobody runs.

use std::time::{Duration, Instant};

use agent::runtime::{Runtime, RuntimeError};
use model::spec::{JobSpec, PullPolicy};

use crate::bench::{Bench, assignment, docker, run, script, socket};

/// A registry at a port where nobody listens.
const NOWHERE: &str = "127.0.0.1:1/nobody/nothing:1";

async fn prepared(bench: &Bench, job: u64, image: &str, pull: PullPolicy) -> Option<String> {
    let place = bench.place(job, 10);
    let spec = JobSpec {
        image: image.into(),
        pull,
        ..script("true")
    };
    match bench
        .runtime
        .prepare(&assignment(&place, spec), &place)
        .await
    {
        Ok(()) => None,
        Err(RuntimeError::Image { image: named, why }) => {
            assert_eq!(named, image);
            Some(why)
        }
        Err(other) => panic!("expected an image error, got {other:?}"),
    }
}

#[tokio::test]
async fn an_image_that_is_here_is_fetched_only_if_always() {
    let bench = Bench::new().await;
    run(docker(socket()).args(["tag", crate::bench::IMAGE, NOWHERE]));
    let missing = prepared(&bench, 1, NOWHERE, PullPolicy::Missing).await;
    let never = prepared(&bench, 2, NOWHERE, PullPolicy::Never).await;
    let always = prepared(&bench, 3, NOWHERE, PullPolicy::Always).await;
    run(docker(socket()).args(["rmi", "--force", NOWHERE]));
    assert_eq!(missing, None);
    assert_eq!(never, None);
    assert!(always.unwrap().contains("connection refused"));
}

#[tokio::test]
async fn an_image_that_is_not_here_is_unavailable_with_the_reason() {
    let bench = Bench::new().await;
    let absent = "127.0.0.1:1/nobody/absent:1";
    let missing = prepared(&bench, 1, absent, PullPolicy::Missing)
        .await
        .unwrap();
    assert!(missing.contains("connection refused"), "{missing}");
    let never = prepared(&bench, 2, absent, PullPolicy::Never)
        .await
        .unwrap();
    assert!(never.contains("never"), "{never}");
}

/// A registry that cannot be reached is tried several times, with pauses: attempts that share one
/// pull take as long as one of them alone; one after the other they would take eight times that.
#[tokio::test]
async fn attempts_of_one_image_share_its_pull() {
    let bench = Bench::new().await;
    let absent = "127.0.0.1:1/nobody/shared:1";
    let begun = Instant::now();
    let eight = (0..8).map(|job| prepared(&bench, job + 1, absent, PullPolicy::Missing));
    let failed = futures_util::future::join_all(eight).await;
    assert!(failed.iter().all(Option::is_some));
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
}
