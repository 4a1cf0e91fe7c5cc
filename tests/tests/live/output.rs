//! What jobs write arrives byte for byte, however it ends and however much it is.

use anyhow::ensure;
use tests::bench::{Bench, Case, Program};

/// Scripts, and what their standard output and standard error hold.
const WRITTEN: [(&str, &[u8], &[u8]); 5] = [
    ("true", b"", b""),
    ("echo out; echo err >&2", b"out\n", b"err\n"),
    ("printf 'no newline'", b"no newline", b""),
    (r"printf '\000\001\377\r\n'", b"\x00\x01\xff\r\n", b""),
    (
        "printf '%s|' \"$GO_CPUS\" \"$GO_MEMORY\"",
        b"0.2|67108864|",
        b"",
    ),
];

fn every_byte(bench: &Bench) -> anyhow::Result<()> {
    for (script, stdout, stderr) in WRITTEN {
        let id = bench.submit(&Case {
            args: &[],
            program: Program::Script(script),
        })?;
        bench.ended(id)?;
        let found = bench.logs(id, &[])?;
        ensure!(
            found == stdout,
            "{script}: {:?}",
            String::from_utf8_lossy(&found)
        );
        let found = bench.logs(id, &["--err"])?;
        ensure!(
            found == stderr,
            "{script}: {:?}",
            String::from_utf8_lossy(&found)
        );
    }
    Ok(())
}

/// Followed while it is written, the output is whole and ends with the job.
fn followed(bench: &Bench) -> anyhow::Result<()> {
    let script = "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); sleep 0.02; done";
    let id = bench.submit(&Case {
        args: &[],
        program: Program::Script(script),
    })?;
    let found = bench.logs(id, &["-f"])?;
    let expected: String = (0..50).map(|i| format!("line {i}\n")).collect();
    ensure!(
        found == expected.as_bytes(),
        "{}",
        String::from_utf8_lossy(&found)
    );
    ensure!(bench.ended(id)?["state"] == "succeeded");
    Ok(())
}

/// How many lines are many: an engine's log is read line by line, twice, so fewer will do there.
/// `LINES` in the environment asks for more.
fn lines(default: usize) -> anyhow::Result<usize> {
    match std::env::var("LINES") {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(default),
    }
}

/// Many megabytes: long lines, each with its number in front.
fn much(bench: &Bench, lines: usize) -> anyhow::Result<()> {
    let script = format!(
        "awk 'BEGIN {{ s = sprintf(\"%1000s\", \"\"); gsub(/ /, \"x\", s); \
         for (i = 0; i < {lines}; i++) printf \"%08d%s\\n\", i, s }}'"
    );
    let id = bench.submit(&Case {
        args: &["--mem", "128M"],
        program: Program::Script(&script),
    })?;
    let job = bench.ended(id)?;
    ensure!(job["state"] == "succeeded", "{job:#}");
    let found = bench.logs(id, &[])?;
    let mut count = 0;
    for (number, line) in found.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let expected = format!("{number:08}{}\n", "x".repeat(1000));
        ensure!(
            line == expected.as_bytes(),
            "line {number}: {}",
            String::from_utf8_lossy(line)
        );
        count += 1;
    }
    ensure!(count == lines, "{count} lines");
    Ok(())
}

#[test]
fn docker_output_is_whole() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    every_byte(&bench)?;
    followed(&bench)?;
    much(&bench, lines(40_000)?)
}

#[test]
fn process_output_is_whole() -> anyhow::Result<()> {
    let bench = Bench::process()?;
    every_byte(&bench)?;
    followed(&bench)?;
    much(&bench, lines(100_000)?)
}
