//! What a job can see and do, as the job itself sees it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;

use agent::runtime::{Runtime, RuntimeError};
use model::account::UnixIds;
use model::assignment::Mount;

use crate::bench::{Bench, PATIENCE, assignment, script, text};

/// Prints what the job is, one `name=value` a line, on either version of control groups.
const PROBE: &str = r#"
echo uid=$(id -u) ; echo gid=$(id -g)
wanted='^(CapEff|CapBnd|CapPrm|CapInh|CapAmb|NoNewPrivs|Seccomp):'
grep -E "$wanted" /proc/self/status | tr -d '\t ' | tr : =
g=/sys/fs/cgroup
if [ -d $g/memory ]; then
  memory=$(cat $g/memory/memory.limit_in_bytes)
  echo memory=$memory ; echo swap=$(($(cat $g/memory/memory.memsw.limit_in_bytes) - memory))
  echo pids=$(cat $g/pids/pids.max)
  echo cpu=$(($(cat $g/cpu/cpu.cfs_quota_us) * 1000 / $(cat $g/cpu/cpu.cfs_period_us)))
else
  echo memory=$(cat $g/memory.max) ; echo swap=$(cat $g/memory.swap.max)
  echo pids=$(cat $g/pids.max)
  set -- $(cat $g/cpu.max) ; echo cpu=$(($1 * 1000 / $2))
fi
echo net=$(ls /sys/class/net | tr '\n' ' ')
echo pwd=$PWD ; echo init=$(cat /proc/1/comm)
touch made && echo writable=yes
"#;

#[tokio::test]
async fn a_job_has_its_limits_and_no_privilege() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    give(&place.work(), 1234, 5678);
    let mut spec = script(PROBE);
    spec.resources.cpu = model::MilliCpus(500);
    let mut order = assignment(&place, spec);
    order.ids = Some(ids(1234, 5678));
    let said = probe(&bench, &place, &order).await;
    for (name, value) in [
        ("uid", "1234"),
        ("gid", "5678"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("memory", "67108864"),
        ("swap", "0"),
        ("pids", "4096"),
        ("cpu", "500"),
        ("net", "lo"),
        ("pwd", "/mnt/go-docker"),
        ("init", "docker-init"),
        ("writable", "yes"),
    ] {
        assert_eq!(
            said.get(name).map(String::as_str),
            Some(value),
            "{name} of {said:?}"
        );
    }
    let made = std::fs::metadata(place.work().join("made")).unwrap();
    assert_eq!(
        (made.uid(), made.gid()),
        (1234, 5678),
        "what it makes is its own on the node"
    );
}

#[tokio::test]
async fn a_job_of_nobody_runs_as_nobody() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let said = probe(
        &bench,
        &place,
        &assignment(&place, script("echo uid=$(id -u):$(id -g)")),
    )
    .await;
    assert_eq!(said["uid"], "65534:65534");
}

#[tokio::test]
async fn volumes_appear_as_writable_as_they_are() {
    let bench = Bench::new().await;
    let volume = tempfile::tempdir().unwrap();
    std::fs::write(volume.path().join("in"), "data\n").unwrap();
    give(volume.path(), 65534, 65534);
    let place = bench.place(1, 10);
    let mut order = assignment(
        &place,
        script(
            "cat /ro/in
        touch /rw/out
        touch /ro/no 2>/dev/null || echo refused
        echo $GODOCKER_HOME",
        ),
    );
    let mount = |mount_path: &str, writable| Mount {
        host_path: volume.path().to_string_lossy().into_owned(),
        sub_path: String::new(),
        mount_path: mount_path.into(),
        writable,
    };
    order.mounts = vec![
        mount("/ro", false),
        mount("/rw", true),
        mount("/mnt/home", false),
    ];
    finish(&bench, &place, &order).await;
    assert_eq!(text(&place.stdout()), "data\nrefused\n/mnt/home\n");
    assert!(volume.path().join("out").exists());
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_refused_and_not_made() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let absent = bench.attempts.path().join("absent");
    let mut order = assignment(&place, script("true"));
    let host_path = absent.to_string_lossy().into_owned();
    order.mounts = vec![Mount {
        host_path,
        sub_path: String::new(),
        mount_path: "/data".into(),
        writable: true,
    }];
    match bench.runtime.prepare(&order, &place).await {
        Err(RuntimeError::Refused { why }) => assert!(why.contains("does not exist"), "{why}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert!(!absent.exists());
}

/// The last reading is after the end: nothing that ran between two readings is missed.
#[tokio::test]
async fn usage_is_complete_after_the_end_and_gone_after_the_removal() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let work = "dd if=/dev/zero of=/dev/null bs=40M count=40 2>/dev/null";
    bench.run(&place, script(work)).await;
    let used = bench.runtime.usage(&place).await.unwrap();
    if bench.runtime.facts().cgroup_driver == "cgroupfs" {
        assert!(used.memory_peak.0 > 40 << 20, "{used:?}");
        assert!(used.memory_peak.0 <= 64 << 20, "{used:?}");
        assert!(used.cpu_micros > 10_000, "{used:?}");
    }
    bench.runtime.remove(&place).await.unwrap();
    let root = format!("godocker-{}", &bench.config.cluster.to_string()[..8]);
    let left: Vec<_> = walk_groups(&root, &place.name());
    assert_eq!(
        left,
        Vec::<std::path::PathBuf>::new(),
        "control groups stay behind"
    );
}

fn walk_groups(root: &str, name: &str) -> Vec<std::path::PathBuf> {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let groups = hierarchies.map(|one| one.path().join(root).join(name));
    groups.filter(|group| group.exists()).collect()
}

fn give(path: &std::path::Path, uid: u32, gid: u32) {
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
}

async fn finish(
    bench: &Bench,
    place: &agent::runtime::Place,
    order: &model::assignment::Assignment,
) {
    bench.runtime.prepare(order, place).await.unwrap();
    bench.runtime.start(place).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, bench.runtime.wait(place))
        .await
        .unwrap()
        .unwrap();
    bench.runtime.capture(place).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}", text(&place.stderr()));
}

async fn probe(
    bench: &Bench,
    place: &agent::runtime::Place,
    order: &model::assignment::Assignment,
) -> HashMap<String, String> {
    finish(bench, place, order).await;
    let said = text(&place.stdout());
    let pairs = said.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn ids(uid: u32, gid: u32) -> UnixIds {
    UnixIds {
        uid,
        gid,
        groups: vec![4321],
    }
}
