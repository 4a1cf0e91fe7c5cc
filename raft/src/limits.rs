//! Every bound of this room, named once.

use std::time::Duration;

/// Commands that may wait for their outcome at the same time on one head, at the most.
pub(crate) const PROPOSALS_MAX: usize = 8_192;
/// Commands that may wait at the same time on a head, however slow it is.
pub(crate) const PROPOSALS_MIN: usize = 256;
/// How long the last of those that wait should wait; far below [`OUTCOME_WAIT`].
pub(crate) const PROPOSAL_GOAL: Duration = Duration::from_secs(1);
/// Proposals that go to the log as one write.
pub(crate) const TOGETHER_MAX: usize = 1_024;
/// How long proposals wait for the write before theirs, so that more of them go together.
pub(crate) const TOGETHER_WAIT: Duration = Duration::from_millis(5);
/// Bytes of one encoded command; far below a frame of the Raft channel.
pub(crate) const COMMAND_BYTES_MAX: usize = 16 << 20;
/// Bytes of encoded commands that may wait at the same time on one head.
pub(crate) const PROPOSED_BYTES_MAX: usize = 64 << 20;
/// Bytes of entries that replication sends in one message, except that one entry always goes.
pub(crate) const APPEND_BYTES_MAX: usize = 2 << 20;
/// Entries that replication sends in one message.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 1_024;
/// Bytes of entries that are handed to the state machine at once, except that one always goes.
pub(crate) const APPLY_BYTES_MAX: usize = 8 << 20;
/// Entries that are applied with one write to the tables.
pub(crate) const APPLY_ENTRIES_MAX: usize = 1_024;

/// Writes to the log that may wait for the disk.
pub(crate) const LOG_JOBS_MAX: usize = 1_024;
/// Writes to the log that share one fsync.
pub(crate) const LOG_GROUP_MAX: usize = 512;
/// Times that entries are read from disk when the log is cut meanwhile.
pub(crate) const LOG_READS_MAX: usize = 8;
/// Bytes of recent entries kept in memory beyond those that are not on disk yet.
pub(crate) const CACHE_BYTES_MAX: usize = 16 << 20;
/// Recent entries kept in memory beyond those that are not on disk yet.
pub(crate) const CACHE_ENTRIES_MAX: usize = 16_384;
/// How far behind its file the acknowledged mark may be on disk.
pub(crate) const MARK_SYNC_EVERY: Duration = Duration::from_millis(100);
/// How long a purge waits for the tables to be durable.
pub(crate) const PURGE_WAIT: Duration = Duration::from_secs(120);

/// Log entries' worth of events that are kept.
pub(crate) const EVENTS_KEEP: u64 = 200_000;
/// Events are cut off at most every this many entries.
pub(crate) const EVENTS_CUT_EVERY: u64 = 1_024;
/// Events answered at once.
pub(crate) const EVENTS_PAGE_MAX: usize = 10_000;
/// Ended jobs answered at once.
pub(crate) const ENDED_PAGE_MAX: usize = 1_000;
/// Steps along the lists of ended jobs that may lead to no row of a page; about a microsecond each.
pub(crate) const ENDED_STEPS_MAX: usize = 10_000;

/// Bytes of one chunk of a snapshot.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// Files of one snapshot.
pub(crate) const SNAPSHOT_FILES_MAX: usize = 65_536;
/// How long a whole snapshot may take to be sent and installed.
pub(crate) const SNAPSHOT_MAX: Duration = Duration::from_secs(3_600);
/// How long a snapshot's stream may stand still, loading at the other end included.
pub(crate) const SNAPSHOT_STALL: Duration = Duration::from_secs(120);

/// Streams of one peer served at the same time.
pub(crate) const SERVED_MAX: usize = 512;
/// How long a call to a peer may take before it is tried again.
pub(crate) const DIAL_MAX: Duration = Duration::from_millis(1_500);
/// How often a head looks whether it has a connection to every other one.
pub(crate) const KEEP_EVERY: Duration = Duration::from_millis(500);
/// How long a stream of appended entries may be without an answer that is due.
pub(crate) const APPEND_STALL: Duration = Duration::from_secs(2);

/// Times the longest election after which a leader that no quorum answers gives up.
pub(crate) const UNHEARD_ELECTIONS: u32 = 2;
/// How long a command waits for a leader before it is refused.
pub(crate) const LEADER_WAIT: Duration = Duration::from_secs(3);
/// How long an accepted command may take before its outcome is called unknown.
pub(crate) const OUTCOME_WAIT: Duration = Duration::from_secs(10);
/// How long a question to a peer may wait for a stream of its own.
pub(crate) const STREAM_WAIT: Duration = Duration::from_secs(3);
/// How long a refused command waits before it is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// How long a barrier may take.
pub(crate) const BARRIER_WAIT: Duration = Duration::from_secs(3);
/// How long one question of a barrier to the leader may take.
pub(crate) const READ_INDEX_WAIT: Duration = Duration::from_secs(1);
/// How long a new member may take to catch up before the step is given up for now.
pub(crate) const CATCH_UP_WAIT: Duration = Duration::from_secs(60);
/// Entries that a member may be behind and still count as caught up.
pub(crate) const CATCH_UP_LAG: u64 = 64;
/// How long handing over leadership may take.
pub(crate) const TRANSFER_WAIT: Duration = Duration::from_secs(2);
/// Steps of one membership change.
pub(crate) const MEMBER_STEPS_MAX: usize = 64;

/// Lines of the audit log in one page.
pub(crate) const AUDIT_PAGE_MAX: usize = 1_000;
/// Accounting lines of one page.
pub(crate) const LEDGER_PAGE_MAX: usize = 10_000;
/// Lines of the audit log that are looked at for one page.
pub(crate) const AUDIT_SCAN_MAX: usize = 20_000;
