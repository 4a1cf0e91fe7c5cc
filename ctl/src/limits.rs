//! Every bound of the client, named once.

use std::time::Duration;

/// How long a request is tried, over all heads, unless `--timeout` says otherwise.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(30);
/// How long one head may take to accept a connection.
pub const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long one answer may be silent. Streams are kept alive by the server more often than this.
pub const READ_WAIT: Duration = Duration::from_secs(70);
/// How long the upload of a file is tried, unless `--timeout` says otherwise.
pub const UPLOAD_PATIENCE: Duration = Duration::from_secs(24 * 3_600);
/// Versions of a file that are begun, each because the one before broke off, until it is given up.
pub const VERSIONS_MAX: usize = 5;
/// How often a download says how far it is.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Files of one directory that are listed; a page more is read at once.
pub const FILES_LISTED_MAX: usize = 20_000;
/// The first pause after every head has failed once; doubled each round.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest pause between two rounds over the heads.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Rounds over the heads in which none of them accepts a connection before we give up.
pub const DEAD_ROUNDS_MAX: u32 = 3;
/// Rounds over the heads, whatever they answer.
pub const ROUNDS_MAX: u32 = 1_000;
/// Seconds that one long poll asks the server to wait.
pub const LONG_POLL_SECONDS: u32 = 30;
/// The first and the longest pause between two looks at a job that waits for a node.
pub const LOOK_FIRST: Duration = Duration::from_millis(100);
/// See [`LOOK_FIRST`].
pub const LOOK_MAX: Duration = Duration::from_secs(2);
/// Within this time a second interrupt means more than the first.
pub const SECOND_INTERRUPT: Duration = Duration::from_secs(2);

/// Bytes of an error's body that are read.
pub const PROBLEM_BYTES_MAX: usize = 64 << 10;
/// Bytes of one line of an event stream.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a script, as the cluster accepts it.
pub const SCRIPT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a job file: a script and what is around it.
pub const JOB_FILE_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a public key, as the cluster accepts it.
pub const KEY_BYTES_MAX: u64 = 16 << 10;
/// Bytes of a file with rules about images.
pub const IMAGE_RULES_BYTES_MAX: u64 = 1 << 20;
/// Bytes at the head of a script that are searched for directives.
pub const DIRECTIVE_BYTES_MAX: usize = 32 << 10;
/// Bytes of a configuration or certificate file.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Jobs that one page asks for.
pub const PAGE_JOBS: u32 = 500;
/// Bytes of a secret.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Jobs listed unless `--limit` says otherwise.
pub const LIST_DEFAULT: usize = 50;
/// Jobs that one selection may name.
pub const SELECT_MAX: usize = 10_000;
/// Projects of a list whose bounds are asked for, a request each.
pub const PROJECTS_ASKED_MAX: usize = 200;
/// Such requests at the same time.
pub const ASK_AT_ONCE: usize = 8;
/// Jobs that `wait` watches at the same time.
pub const WAIT_AT_ONCE: usize = 8;

/// How long `wait` and streams put up with a cluster that does not answer.
pub const OUTAGE_MAX: Duration = Duration::from_secs(600);
/// How much longer than [`REQUEST_PATIENCE`] a long poll is tried.
pub const LONG_POLL_PATIENCE: Duration = Duration::from_secs(60);
/// Log entries that `events` looks back unless told from where.
pub const EVENTS_BACK: u64 = 1_000;
/// Events that are collected for one document.
pub const EVENTS_COLLECTED_MAX: usize = 100_000;
/// Ended jobs that `last` looks through.
pub const LAST_LOOK: u32 = 500;
/// The exit code of a failure of ours where other codes are the job's own.
pub const EXIT_NOT_THE_JOB: u8 = 125;
/// The exit code of `wait` when one of several jobs did not succeed.
pub const EXIT_SOME_FAILED: u8 = 10;
