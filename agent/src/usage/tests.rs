//! Readings of recorded trees of both versions, and of a live group where this machine has one.

use std::path::Path;

use super::*;

fn tree(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn split(dir: &Path) -> CgroupPaths {
    CgroupPaths {
        unified: false,
        cpu: dir.join("cpuacct"),
        memory: dir.join("memory"),
        processes: dir.join("pids"),
        io: Some(dir.join("blkio")),
    }
}

#[test]
fn version_1_is_read_from_one_directory_per_controller() {
    let dir = tempfile::tempdir().unwrap();
    let io = "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\n9:0 Read 1\nTotal 12289\n";
    tree(
        dir.path(),
        &[
            ("cpuacct/cpuacct.usage", "1234567890\n"),
            ("memory/memory.usage_in_bytes", "2097152\n"),
            ("memory/memory.max_usage_in_bytes", "4194304\n"),
            (
                "memory/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
            ("pids/pids.current", "5\n"),
            ("pids/pids.peak", "9\n"),
            ("blkio/blkio.throttle.io_service_bytes_recursive", io),
        ],
    );
    let expected = Usage {
        cpu_micros: 1_234_567,
        memory: Bytes(2_097_152),
        memory_peak: Bytes(4_194_304),
        processes: 5,
        processes_peak: 9,
        io_read: Bytes(4097),
        io_written: Bytes(8192),
    };
    assert_eq!(split(dir.path()).read().unwrap(), expected);
    assert_eq!(split(dir.path()).oom_kills().unwrap(), 3);
}

#[test]
fn version_2_is_read_from_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let io = "8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n259:0 rbytes=11 wbytes=2\n";
    tree(
        dir.path(),
        &[
            (
                "cpu.stat",
                "usage_usec 777\nuser_usec 700\nsystem_usec 77\n",
            ),
            ("memory.current", "1048576\n"),
            ("memory.peak", "3145728\n"),
            (
                "memory.events",
                "low 0\nhigh 0\nmax 8\noom 2\noom_kill 1\noom_group_kill 0\n",
            ),
            ("pids.current", "2\n"),
            ("io.stat", io),
        ],
    );
    let expected = Usage {
        cpu_micros: 777,
        memory: Bytes(1 << 20),
        memory_peak: Bytes(3 << 20),
        processes: 2,
        processes_peak: 2,
        io_read: Bytes(111),
        io_written: Bytes(22),
    };
    let paths = CgroupPaths::unified(dir.path());
    assert_eq!(paths.read().unwrap(), expected);
    assert_eq!(paths.oom_kills().unwrap(), 1);
}

#[test]
fn a_kernel_without_peaks_gives_the_present_value() {
    let dir = tempfile::tempdir().unwrap();
    tree(
        dir.path(),
        &[
            ("cpu.stat", "usage_usec 1\n"),
            ("memory.current", "4096\n"),
            ("pids.current", "3\n"),
        ],
    );
    let read = CgroupPaths::unified(dir.path()).read().unwrap();
    assert_eq!((read.memory_peak, read.processes_peak), (Bytes(4096), 3));
}

#[test]
fn a_group_that_is_gone_is_an_error_and_no_row_of_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let gone = |paths: CgroupPaths| {
        assert!(
            matches!(paths.read(), Err(UsageError::Gone { .. })),
            "{paths:?}"
        );
        assert!(
            matches!(paths.oom_kills(), Err(UsageError::Gone { .. })),
            "{paths:?}"
        );
    };
    gone(split(&dir.path().join("no")));
    gone(CgroupPaths::unified(&dir.path().join("no")));
    assert!(matches!(
        CgroupPaths::of_pid(u32::MAX),
        Err(UsageError::Gone { .. })
    ));
}

#[test]
fn a_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    tree(
        dir.path(),
        &[
            ("cpu.stat", "nonsense\n"),
            ("memory.current", "1"),
            ("pids.current", "1"),
        ],
    );
    let error = CgroupPaths::unified(dir.path())
        .read()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cpu.stat") && error.contains("usage_usec"),
        "{error}"
    );
}

#[test]
fn merging_keeps_the_highest_peaks_and_the_latest_values() {
    let at = |memory, processes| Usage {
        cpu_micros: memory,
        memory: Bytes(memory),
        memory_peak: Bytes(memory),
        processes,
        processes_peak: processes,
        ..Usage::default()
    };
    let merged = [at(5, 2), at(9, 1), at(3, 7)]
        .into_iter()
        .fold(Usage::default(), merge);
    assert_eq!((merged.memory, merged.memory_peak), (Bytes(3), Bytes(9)));
    assert_eq!((merged.processes, merged.processes_peak), (7, 7));
    assert_eq!(merged.cpu_micros, 9, "processor time never runs backwards");
}

#[test]
fn this_very_process_can_be_read() {
    let paths = CgroupPaths::of_pid(std::process::id()).unwrap();
    assert!(paths.memory.is_dir(), "{paths:?}");
    // The root group has no `pids.current`, so only what every group has is looked at.
    assert!(paths.read_cpu().unwrap() > 0, "{paths:?}");
}
