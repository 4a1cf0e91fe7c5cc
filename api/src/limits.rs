//! Every bound of the REST API, named once.
//!
//! What is refused here is refused with the bound's name and value; the bounds of the replicated
//! state itself are in `model::limits` and hold whoever speaks.

use std::time::Duration;

/// Connections that may be open at the same time; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// How long a TLS handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle before one.
pub const HEAD_WAIT: Duration = Duration::from_secs(75);
/// How long a new connection may take until its first request is whole.
pub const FIRST_REQUEST_WAIT: Duration = Duration::from_secs(30);
/// How often a quiet HTTP/2 connection is asked whether it is still there.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long an asked HTTP/2 connection may take to answer.
pub const PING_WAIT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer before its connection is closed.
pub const STALLED_WAIT: Duration = Duration::from_secs(120);
/// Requests under way on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 128;
/// Bytes of all headers together.
pub const HEADERS_BYTES_MAX: usize = 16 << 10;
/// Bytes of a request's head that are read at all.
pub const HEAD_BUFFER_BYTES: usize = 64 << 10;
/// Bytes of path and query.
pub const URI_BYTES_MAX: usize = 8 << 10;
/// How long requests under way may go on when the head stops.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// Bytes of a body.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of the body of a batch.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Kibibytes of bodies that are being read, all requests together.
pub const BODIES_KIB_MAX: usize = 64 << 10;
/// How long a body may take.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// Bytes of a refused body that are taken in and thrown away, so that its sender sees why.
pub const REMAINDER_BYTES_MAX: usize = BATCH_BYTES_MAX;
/// How long that may take.
pub const REMAINDER_WAIT: Duration = Duration::from_secs(5);
/// Bytes of a file that is put into the directory of a job.
pub const UPLOAD_BYTES_MAX: u64 = 16 << 30;
/// Bytes of one job as the log keeps it.
pub const SPEC_BYTES_MAX: usize = 2 << 20;
/// Bytes of all jobs of one submission as the log keeps them.
pub const SUBMISSION_BYTES_MAX: usize = 8 << 20;
/// Problems that one answer lists.
pub const PROBLEMS_MAX: usize = 50;
/// Characters of what a client sent that an answer repeats.
pub const ECHO_CHARS_MAX: usize = 200;

/// Bytes of the body of a request that needs no token.
pub const STRANGER_BYTES_MAX: usize = 16 << 10;
/// Requests without a token under way at the same time; they take no room from the others.
pub const STRANGERS_MAX: usize = 128;
/// Short requests under way at the same time.
pub const QUICK_MAX: usize = 512;
/// Long polls and streams under way at the same time.
pub const LASTING_MAX: usize = 2_048;
/// The same for one user.
pub const LASTING_PER_USER_MAX: usize = 256;

/// How long a change may take until its outcome is called unknown.
pub const PROPOSE_WAIT: Duration = Duration::from_secs(20);
/// How long a quorum may take to confirm that an answer is complete.
pub const BARRIER_WAIT: Duration = Duration::from_secs(3);
/// How long this head may take to apply an entry that it has proposed.
pub const APPLY_WAIT: Duration = Duration::from_secs(3);
/// How long a node may take to begin an answer.
pub const NODE_WAIT: Duration = Duration::from_secs(10);
/// How long the quorum may take to say that this head is ready.
pub const READY_WAIT: Duration = Duration::from_secs(1);

/// The longest wait of one long poll, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 60;
/// The wait of a long poll that does not say, in seconds.
pub const WAIT_SECONDS_DEFAULT: u32 = 30;
/// How often a quiet stream says that it is alive.
pub const STREAM_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// News that come within this after others are told together: with many streams open it is the
/// reading that costs.
pub const EVENTS_GATHER: Duration = Duration::from_millis(100);
/// Log entries' worth of events that are read at once.
pub const EVENT_BATCH: usize = 256;
/// Events that a stream holds ready; the others are read again when these have been taken.
pub const EVENTS_READY_MAX: usize = 512;

/// Rows of one page.
pub const PAGE_MAX: u32 = 1_000;
/// Rows of a page that does not say.
pub const PAGE_DEFAULT: u32 = 50;
/// Live jobs that are looked at for one page.
pub const SCAN_MAX: usize = 50_000;
/// Pending jobs of one page that are told why they wait.
pub const EXPLAIN_MAX: usize = 100;
/// Bytes of a cursor.
pub const CURSOR_BYTES_MAX: usize = 256;

/// Passwords that are verified at the same time; each takes 19 MiB.
pub const HASHES_MAX: usize = 2;
/// Requests that may wait for a verification.
pub const HASHES_WAITING_MAX: usize = 64;
/// Failed logins of one user from one address before the next has to wait.
pub const FAILURES_FREE: u32 = 5;
/// The first wait after that; doubled with each further failure.
pub const FAILURE_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
pub const FAILURE_WAIT_MAX: Duration = Duration::from_secs(300);
/// Pairs of user and address whose failures are remembered.
pub const FAILURES_KEPT: usize = 10_000;
/// Bytes of a password, at least.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes of a password, at most.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Unknown bearer tokens that a quorum is asked about at the same time.
pub const TOKEN_LOOKUPS_MAX: usize = 16;

/// Seconds that the token of a login lives.
pub const LOGIN_SECONDS: u64 = 7 * 86_400;
/// Seconds that a token lives that does not say.
pub const TOKEN_SECONDS_DEFAULT: u64 = 30 * 86_400;
/// Seconds that a token lives at least.
pub const TOKEN_SECONDS_MIN: u64 = 60;
/// Seconds that a token lives at most.
pub const TOKEN_SECONDS_MAX: u64 = 366 * 86_400;
/// Seconds that a join token lives that does not say.
pub const JOIN_SECONDS_DEFAULT: u64 = 3_600;
/// Seconds that a join token lives at most.
pub const JOIN_SECONDS_MAX: u64 = 7 * 86_400;

/// Kinds of refusals that are kept until they are noted in the audit log.
pub(crate) const REFUSALS_KEPT: usize = 500;
/// Kinds of changes of files that are kept until they are noted there.
pub(crate) const DEEDS_KEPT: usize = 500;
/// How often what is to be noted is noted.
pub(crate) const NOTES_EVERY: Duration = Duration::from_secs(1);
/// For how long changes of files of the same kind are counted and noted as one, behind the first.
pub(crate) const DEEDS_TOGETHER: Duration = Duration::from_secs(60);

/// Queues that have figures of their own in the metrics; those of all others are added up.
pub(crate) const QUEUES_MEASURED: usize = 100;
