//! The trial of the engine, and what becomes of an attempt that was given up before it started.

use agent::runtime::{Runtime, Stage};

use crate::bench::{Bench, argv, assignment, docker, run, script, socket};

#[tokio::test]
async fn a_trial_goes_well_and_leaves_nothing() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        bench.runtime.probe().await.unwrap();
    }
    let name = format!("name=gd-{}-trial", &bench.config.cluster.to_string()[..8]);
    let left = run(docker(socket()).args(["ps", "--all", "--quiet", "--filter", &name]));
    assert_eq!(left, "");
    assert_eq!(bench.runtime.list().await.unwrap(), []);
}

#[tokio::test]
async fn only_what_was_never_started_is_discarded() {
    let bench = Bench::new().await;
    let prepared = bench.place(1, 10);
    let order = assignment(&prepared, script("echo never"));
    bench.runtime.prepare(&order, &prepared).await.unwrap();
    for there in [true, false] {
        assert_eq!(bench.runtime.discard(&prepared).await.unwrap(), there);
        assert_eq!(bench.stage(&prepared).await, None);
    }
    let running = bench.place(2, 10);
    let endless = argv(&["sleep", "600"]);
    bench.launch(&running, endless).await.unwrap();
    assert!(!bench.runtime.discard(&running).await.unwrap());
    assert!(matches!(
        bench.stage(&running).await,
        Some(Stage::Running(_))
    ));
    let ended = bench.place(3, 10);
    bench.run(&ended, script("exit 4")).await;
    assert!(!bench.runtime.discard(&ended).await.unwrap());
    assert!(matches!(
        bench.stage(&ended).await,
        Some(Stage::Exited { .. })
    ));
}
