//! A head whose disk fills up: it says so, refuses what adds work, forgets nothing, settles what it
//! had taken on, and goes on by itself when there is room.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tests::cluster::until;
use tests::user::User;

use crate::desk::Desk;

/// The disk, and how much of it the head keeps for itself, in mebibytes.
const DISK_MIB: usize = 512;
const RESERVE_MIB: usize = 64;

/// A small disk at a directory; gone with the test.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> anyhow::Result<Disk> {
        std::fs::create_dir_all(&at)?;
        let size = format!("size={DISK_MIB}m");
        let (name, kind) = (Some("tmpfs"), Some("tmpfs"));
        mount(name, &at, kind, MsFlags::empty(), Some(size.as_str()))
            .context("mount a small disk: run this test as root")?;
        Ok(Disk(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// `goctl` as the administrator of the desk's cluster, logged in.
struct Admin(User);

impl Admin {
    /// Logs in as `goagent init` said it.
    fn login(said: &str) -> anyhow::Result<Admin> {
        let word = |after: &str| {
            let rest = said.split(after).nth(1)?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        let password = word("one-time password").context("a password")?;
        let server = word("goctl login ").context("an address")?;
        let ca = word("--ca-sha256").context("a digest")?;
        let user = User::new()?;
        let login = [
            "login",
            &server,
            "--ca-sha256",
            &ca,
            "-u",
            "admin",
            "--password-stdin",
        ];
        let output = user.answer(&login, &format!("{password}\nquite-long-enough\n"))?;
        ensure!(output.status.success(), "{output:?}");
        Ok(Admin(user))
    }

    /// Submits a job; its number, or what goctl said.
    fn submit(&self) -> anyhow::Result<Result<u64, String>> {
        let args = [
            "submit",
            "-q",
            "--timeout",
            "20s",
            "--cpu",
            "0.1",
            "--mem",
            "8M",
            "--",
            "true",
        ];
        let output = self.0.answer(&args, "")?;
        if output.status.success() {
            return Ok(Ok(String::from_utf8(output.stdout)?.trim().parse()?));
        }
        Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn succeeded(&self, job: u64) -> anyhow::Result<bool> {
        let output = self
            .0
            .answer(&["show", &job.to_string(), "-o", "json"], "")?;
        let job: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(job["state"] == "succeeded")
    }
}

/// Fills the disk until so many mebibytes are left.
fn fill(disk: &Path, left_mib: usize) -> anyhow::Result<PathBuf> {
    let stat = nix::sys::statvfs::statvfs(disk)?;
    let free = stat.blocks_available() * stat.fragment_size();
    let bytes = usize::try_from(free)?.saturating_sub(left_mib << 20);
    let ballast = disk.join("ballast");
    match std::fs::write(&ballast, vec![0; bytes]) {
        // Whoever else writes there was faster.
        Err(error) if error.kind() == ErrorKind::StorageFull => {}
        written => written?,
    }
    Ok(ballast)
}

#[test]
fn a_full_disk_refuses_new_jobs_and_loses_none() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.configure(&format!(
        "[runtime]\nkind = \"fake\"\ncpus = 8.0\n[head]\nreserve_mib = {RESERVE_MIB}\n"
    ))?;
    let disk = Disk::mount(desk.data())?;
    let said = desk.goagent(&["init"], &[])?;
    ensure!(said.success, "{said:?}");
    let mut serving = desk.serve()?;
    let user = Admin::login(&said.stdout)?;
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.push(user.submit()?.map_err(anyhow::Error::msg)?);
    }

    let ballast = fill(&disk.0, RESERVE_MIB / 2)?;
    let refusal = until("new jobs are refused", || Ok(user.submit()?.err()))?;
    for word in ["DISK_FULL", "nearly full", "make room"] {
        ensure!(refusal.contains(word), "no `{word}` in: {refusal}");
    }
    for job in &kept {
        until("what was taken on is settled", || {
            Ok(user.succeeded(*job)?.then_some(()))
        })?;
    }
    ensure!(
        serving.child.try_wait()?.is_none(),
        "it ended: {}",
        serving.log()
    );

    // To the last byte: whatever the head then does, it comes back with everything.
    std::fs::remove_file(&ballast)?;
    let ballast = fill(&disk.0, 0)?;
    let _ = user.submit()?;
    std::fs::remove_file(&ballast)?;
    let accepted = until("there is room again", || {
        if serving.child.try_wait()?.is_some() {
            serving = desk.serve()?;
        }
        Ok(user.submit()?.ok())
    });
    let accepted = accepted.with_context(|| serving.log())?;
    kept.push(accepted);
    for job in &kept {
        until("every acknowledged job ends", || {
            Ok(user.succeeded(*job)?.then_some(()))
        })?;
    }
    ensure!(!serving.log().contains("panicked"), "{}", serving.log());
    Ok(())
}
