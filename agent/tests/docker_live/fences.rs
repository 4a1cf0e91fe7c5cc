//! One container for each attempt: fences, repeated calls, and taking up after a restart.

use agent::runtime::{Runtime, RuntimeError, Seen, Stage};
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, argv, assignment, docker, script, socket};

#[tokio::test]
async fn every_step_may_be_repeated() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let order = assignment(&place, script("echo once"));
    assert_eq!(bench.stage(&place).await, None);
    for _ in 0..2 {
        bench.runtime.prepare(&order, &place).await.unwrap();
    }
    assert_eq!(bench.stage(&place).await, Some(Stage::Created));
    let started = bench.runtime.start(&place).await.unwrap();
    assert!(started.at.0 > 0 && !started.container.is_empty());
    assert!(started.image_digest.starts_with("sha256:"), "{started:?}");
    timeout(PATIENCE, bench.runtime.wait(&place))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        bench.runtime.start(&place).await.unwrap(),
        started,
        "it has run: not again"
    );
    bench.runtime.prepare(&order, &place).await.unwrap();
    for _ in 0..2 {
        bench.runtime.capture(&place).await.unwrap();
    }
    assert_eq!(crate::bench::text(&place.stdout()), "once\n");
    for _ in 0..2 {
        bench.runtime.remove(&place).await.unwrap();
    }
    assert_eq!(bench.stage(&place).await, None);
    assert!(matches!(
        bench.runtime.wait(&place).await,
        Err(RuntimeError::Gone)
    ));
    assert!(matches!(
        bench.runtime.start(&place).await,
        Err(RuntimeError::Gone)
    ));
}

#[tokio::test]
async fn an_older_fence_gives_way_and_a_newer_one_stays() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.place(1, 10), bench.place(1, 20));
    bench
        .launch(&older, script("echo older\nsleep 600"))
        .await
        .unwrap();
    bench
        .runtime
        .prepare(&assignment(&newer, script("echo newer")), &newer)
        .await
        .unwrap();
    assert_eq!(bench.stage(&older).await, None, "the older one is gone");
    assert_eq!(bench.stage(&newer).await, Some(Stage::Created));

    let refused = bench
        .runtime
        .prepare(&assignment(&older, script("echo")), &older)
        .await;
    assert!(
        matches!(refused, Err(RuntimeError::Refused { .. })),
        "{refused:?}"
    );
    bench.runtime.remove(&older).await.unwrap();
    assert_eq!(
        bench.stage(&newer).await,
        Some(Stage::Created),
        "not the older one's to remove"
    );

    bench.runtime.start(&newer).await.unwrap();
    timeout(PATIENCE, bench.runtime.wait(&newer))
        .await
        .unwrap()
        .unwrap();
    bench.runtime.capture(&newer).await.unwrap();
    assert_eq!(crate::bench::text(&newer.stdout()), "newer\n");
}

#[tokio::test]
async fn a_foreign_container_of_the_same_name_is_left_alone() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let name = bench.runtime.container_name(&place);
    let image = crate::bench::IMAGE;
    crate::bench::run(docker(socket()).args(["create", "--name", &name, image, "true"]));
    let refused = bench
        .runtime
        .prepare(&assignment(&place, script("echo")), &place)
        .await;
    bench.runtime.remove(&place).await.unwrap();
    let left = crate::bench::run(docker(socket()).args(["rm", &name]));
    assert!(
        matches!(refused, Err(RuntimeError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(left.trim(), name, "it was still there");
}

#[tokio::test]
async fn a_restarted_agent_finds_its_own_and_no_other() {
    let mut bench = Bench::new().await;
    let (created, running, ended) = (bench.place(1, 11), bench.place(2, 12), bench.place(3, 13));
    let order = assignment(&created, script("echo"));
    bench.runtime.prepare(&order, &created).await.unwrap();
    bench
        .launch(&running, argv(&["sleep", "600"]))
        .await
        .unwrap();
    bench.run(&ended, script("exit 4")).await;

    let mut neighbour = bench.config.clone();
    neighbour.node = model::NodeId(99);
    let neighbour = agent::runtime::docker::DockerRuntime::connect(neighbour)
        .await
        .unwrap();
    assert_eq!(
        neighbour.list().await.unwrap(),
        [],
        "another node of the same cluster"
    );
    let stranger = Bench::new().await;
    assert_eq!(
        stranger.runtime.list().await.unwrap(),
        [],
        "another cluster"
    );

    bench.restart().await;
    let mut seen = bench.runtime.list().await.unwrap();
    seen.sort_by_key(|seen| seen.attempt);
    let [first, second, third] = seen.as_slice() else {
        panic!("not three: {seen:?}")
    };
    let held = |seen: &Seen| (seen.attempt, seen.fence);
    assert_eq!(held(first), (created.attempt, created.fence));
    assert_eq!(first.stage, Stage::Created);
    assert_eq!(held(second), (running.attempt, running.fence));
    assert!(matches!(second.stage, Stage::Running(_)), "{second:?}");
    assert_eq!(held(third), (ended.attempt, ended.fence));
    let Stage::Exited { exit, .. } = &third.stage else {
        panic!("not ended: {third:?}")
    };
    assert_eq!(exit.code, Some(4));
}
