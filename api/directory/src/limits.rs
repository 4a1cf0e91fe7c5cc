//! Every bound of the questions and of the answers, named once.

use std::time::Duration;

/// Bytes of a login.
pub const LOGIN_BYTES_MAX: usize = 64;
/// Bytes of a password; a longer one is nobody's.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Groups of one person; somebody in more is refused, for some would be missing unseen.
pub const GROUPS_MAX: usize = 1_024;
/// Bytes of a group's name; a group with a longer one gives its number only.
pub const ROLE_BYTES_MAX: usize = 256;
/// Bytes of a home directory or of a mail address.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// The smallest user id that is accepted unless the settings say otherwise: below are the
/// system's own.
pub const UID_MIN: u32 = 1_000;
/// The same of group ids. Below are groups like `shadow`, `disk` and `docker`, which give power
/// over a machine.
pub const GID_MIN: u32 = 1_000;

/// Milliseconds that a time-out may be set to.
pub const TIMEOUT_MS_MAX: u64 = 120_000;
/// The default time-out of one question, all servers and steps together.
pub const TIMEOUT_MS: u64 = 10_000;
/// The default time-out of one step: to connect, to bind, to search.
pub const STEP_TIMEOUT_MS: u64 = 4_000;
/// The default lifetime of what was found.
pub const LIFETIME_MS: u64 = 60_000;
/// Milliseconds that the lifetime may be set to: so long somebody who has left is still found.
pub const LIFETIME_MS_MAX: u64 = 3_600_000;
/// People remembered at the same time.
pub const REMEMBERED_MAX: usize = 10_000;

/// Questions that one directory is asked at the same time; others wait within their time-out.
pub const QUESTIONS_MAX: usize = 32;

/// Servers of one LDAP directory.
pub const SERVERS_MAX: usize = 8;
/// Bytes of all messages that answer one search.
pub const SEARCH_BYTES_MAX: usize = 4 << 20;
/// Messages that answer one search: the entries, and as many references elsewhere.
pub const MESSAGES_MAX: usize = 2 * GROUPS_MAX + 2;
/// Bytes of the answer to a bind, or to StartTLS, which comes in the clear.
pub const OUTCOME_BYTES_MAX: usize = 16 << 10;
/// Bytes of a filter, of a base, or of a name in the settings.
pub const SETTING_BYTES_MAX: usize = 4 << 10;
/// How deep a filter may be nested.
pub const FILTER_DEPTH_MAX: usize = 16;
/// Bytes of what a server says to explain itself that are kept.
pub const SAID_BYTES_MAX: usize = 200;

/// Arguments of a program that is asked, itself included.
pub const ARGV_MAX: usize = 64;
/// Bytes of a program's answer.
pub const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Bytes of what a program writes to its standard error that are logged.
pub const STDERR_BYTES_MAX: usize = 4 << 10;
/// Bytes of it that are looked through: a password that begins in what is logged ends in these.
pub const COMPLAINT_BYTES_MAX: usize = STDERR_BYTES_MAX + 6 * PASSWORD_BYTES_MAX;
/// How long the pipes of a program that was ended may stay open.
pub const PIPES_MAX: Duration = Duration::from_secs(1);
