//! Every bound of the replicated state, named once.
//!
//! The rooms around refuse earlier where they can; these are the bounds that `apply` and
//! `validate` enforce whoever speaks.

use crate::unit::{Bytes, MilliCpus, Millis};

/// Live jobs (pending, placed, running) in the whole cluster.
pub const LIVE_JOBS_MAX: usize = 2_000_000;
/// Jobs in one submission.
pub const SUBMIT_BATCH_MAX: usize = 10_000;
/// Placements in one plan.
pub const PLAN_MAX: usize = 4_096;
/// Reports in one status entry.
pub const REPORTS_MAX: usize = 4_096;
/// Jobs named by one cancel.
pub const CANCEL_MAX: usize = 10_000;
/// Nodes, heads included.
pub const NODES_MAX: usize = 10_000;
/// User accounts.
pub const USERS_MAX: usize = 100_000;
/// Bearer tokens of one user.
pub const TOKENS_PER_USER_MAX: usize = 100;
/// Join tokens that have not expired.
pub const JOIN_TOKENS_MAX: usize = 1_000;
/// Named volumes.
pub const VOLUMES_MAX: usize = 1_000;
/// Attempts of one task, the first included, before a lost node ends it.
pub const ATTEMPTS_MAX: u32 = 6;
/// The first wait before a task is tried again after its node failed it; doubled each time.
pub const REQUEUE_WAIT: Millis = Millis::seconds(1);
/// Remembered idempotency keys.
pub const SUBMIT_KEYS_MAX: usize = 2_000_000;
/// How long an idempotency key is remembered.
pub const SUBMIT_KEY_LIFE: Millis = Millis::seconds(24 * 3600);
/// Expired records removed by one entry.
pub const EXPIRE_BATCH_MAX: usize = 10_000;

/// Bytes of a job's script.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// Arguments of a job's program.
pub const ARGV_MAX: usize = 1_024;
/// Bytes of one argument or one environment value.
pub const WORD_BYTES_MAX: usize = 128 << 10;
/// Environment variables of a job.
pub const ENV_MAX: usize = 1_024;
/// Bytes of a name (job, tag, node, user, volume, environment variable).
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of an image reference.
pub const IMAGE_BYTES_MAX: usize = 512;
/// Tags of a job.
pub const TAGS_MAX: usize = 64;
/// Volumes a job may ask for.
pub const JOB_VOLUMES_MAX: usize = 32;
/// Bytes of an address that a node says it listens on.
pub const ADDR_BYTES_MAX: usize = 300;
/// Bytes of a free text (reason, message).
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// The smallest share of a processor that a job may ask for.
pub const CPU_MIN: MilliCpus = MilliCpus(10);
/// The largest share of a processor that a job may ask for.
pub const CPU_MAX: MilliCpus = MilliCpus(1_000_000);
/// The smallest memory that a job may ask for; container engines refuse less.
pub const MEMORY_MIN: Bytes = Bytes::mebi(6);
/// The largest memory that a job may ask for.
pub const MEMORY_MAX: Bytes = Bytes(1 << 50);
/// The longest wall-time limit.
pub const WALL_LIMIT_MAX: Millis = Millis::seconds(366 * 24 * 3600);
/// The longest silence that may be tolerated, and the longest lease and margin.
pub const TIMING_MAX: Millis = Millis::seconds(24 * 3600);
/// The longest time between TERM and KILL.
pub const GRACE_MAX: Millis = Millis::seconds(3600);

/// Projects.
pub const PROJECTS_MAX: usize = 10_000;
/// Members and managers of one project.
pub const MEMBERS_MAX: usize = 10_000;
/// The highest priority.
pub const PRIORITY_MAX: u8 = 100;
/// Queues.
pub const QUEUES_MAX: usize = 1_000;
/// Users and projects named in one list of who may use something.
pub const GRANTED_MAX: usize = 10_000;
/// Days that a window of efforts may look back.
pub const WINDOW_DAYS_MAX: u32 = 366;
/// Rules about images.
pub const IMAGE_RULES_MAX: usize = 1_000;
/// Directories of users.
pub const DIRECTORIES_MAX: usize = 16;
/// Bytes of a directory's settings and sealed password.
pub const DIRECTORY_BYTES_MAX: usize = 64 << 10;
/// The longest time for which a directory's word is believed.
pub const DIRECTORY_LIFE_MAX: Millis = Millis::seconds(7 * 24 * 3600);
/// Secondary groups of a user.
pub const GROUPS_MAX: usize = 1_024;
/// Bytes of a path.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Public keys of one user.
pub const SSH_KEYS_PER_USER_MAX: usize = 100;
/// Bytes of a public key.
pub const SSH_KEY_BYTES_MAX: usize = 16 << 10;
/// Secrets in the whole cluster.
pub const SECRETS_MAX: usize = 100_000;
/// Secrets of one user or project.
pub const SECRETS_PER_OWNER_MAX: usize = 100;
/// Bytes of a secret.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// Bytes that sealing adds to a secret, at most.
pub const SEALED_MORE_MAX: usize = 64;
/// Secrets that a job may ask for.
pub const JOB_SECRETS_MAX: usize = 32;
/// Deeds in one note of the audit log.
pub const DEEDS_MAX: usize = 1_000;
/// Refusals in one note of the audit log.
pub const REFUSALS_MAX: usize = 1_000;
/// The least output that a job may be bounded to.
pub const OUTPUT_LEAST: Bytes = Bytes(4 << 10);
/// The least that a job's directory may be bounded to.
pub const DISK_LEAST: Bytes = Bytes::mebi(1);
/// Ports that a job may publish.
pub const JOB_PORTS_MAX: usize = 16;
/// Users and projects of which a node says what it keeps of them; it names the largest.
pub const STORED_HOLDERS_MAX: usize = 10_000;
/// What one node keeps of one user or project, as far as it is counted: sums over
/// [`NODES_MAX`] nodes stay below 2^63.
pub const STORED_BYTES_MAX: Bytes = Bytes(1 << 49);
