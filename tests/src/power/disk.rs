//! An ext4 file system on a loop file. The kernel gives the loop device back when it is unmounted.
//!
//! Needs root, mkfs.ext4, mount and loop devices.

#![allow(unsafe_code, reason = "one ioctl without a safe wrapper")]

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;

use crate::cluster::until;

/// `EXT4_IOC_SHUTDOWN`, which is `_IOR('X', 125, u32)` (Linux, fs/ext4/ext4.h).
const SHUTDOWN: u64 = 0x8004_587d;
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing that waits is written, as when the power fails.
static NO_FLUSH: u32 = 2;
/// The file that takes the room away.
const BALLAST: &str = "ballast";
/// What is written instead of set aside, so that it is filled to the last block.
const MARGIN: u64 = 2 << 20;
const BLOCK: usize = 64 << 10;

/// A file system of its own.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// Makes one of so many mebibytes: its file is `at` with the ending `ext4`.
    ///
    /// # Errors
    /// If this machine cannot.
    pub fn make(at: PathBuf, mib: u64) -> anyhow::Result<Disk> {
        let image = at.with_extension("ext4");
        File::create_new(&image)?.set_len(mib << 20)?;
        let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0", "-N", "4096", "-E", options])
            .arg(&image))?;
        std::fs::create_dir(&at)?;
        let disk = Disk { image, at };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Takes everything away that is not synced, at once. Whoever still has it open gets EIO.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn cut(&self) -> anyhow::Result<()> {
        let root = File::open(&self.at)?;
        // SAFETY: the kernel reads four bytes, and `NO_FLUSH` outlives the call.
        let done = unsafe { nix::libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const NO_FLUSH) };
        Errno::result(done).with_context(|| format!("cut {}", self.at.display()))?;
        Ok(())
    }

    /// Mounts it again, as a machine does when the power is back: the journal is replayed. Nobody
    /// may have it open any more.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn remount(&self) -> anyhow::Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// The same after the file system has been checked, which must find nothing wrong.
    ///
    /// # Errors
    /// If it is not as it should be.
    pub fn check(&self) -> anyhow::Result<()> {
        self.remount()?;
        self.unmount()?;
        run(Command::new("e2fsck").args(["-f", "-n"]).arg(&self.image))?;
        self.mount()
    }

    /// Fills it until so many bytes are left.
    ///
    /// # Errors
    /// If less than that is left already.
    pub fn fill(&self, left: u64) -> anyhow::Result<()> {
        let size = self.free()?.checked_sub(left).context("less is left")?;
        let mut file = File::create(self.at.join(BALLAST))?;
        // Some blocks are needed to say where the others are.
        let at_once = size.saturating_sub(MARGIN);
        fallocate(&file, FallocateFlags::empty(), 0, i64::try_from(at_once)?)?;
        file.seek(SeekFrom::End(0))?;
        while self.free()? > left {
            match file.write_all(&[1; BLOCK]) {
                Ok(()) => file.sync_data()?,
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what fills it away.
    ///
    /// # Errors
    /// If there is nothing to take away.
    pub fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.at.join(BALLAST))?)
    }

    /// Bytes that are left.
    ///
    /// # Errors
    /// If it is not mounted.
    pub fn free(&self) -> anyhow::Result<u64> {
        let stat = statvfs(&self.at)?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }

    fn mount(&self) -> anyhow::Result<()> {
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop"])
            .arg(&self.image)
            .arg(&self.at))
    }

    fn unmount(&self) -> anyhow::Result<()> {
        // The last process that had it open may not be quite gone.
        until("it can be unmounted", || {
            match umount2(&self.at, MntFlags::empty()) {
                Ok(()) => Ok(Some(())),
                Err(Errno::EBUSY) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?}: see packaging/setup.sh"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}; run this as root",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
