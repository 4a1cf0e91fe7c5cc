//! Names of the HTTP headers that mean something beyond HTTP itself.

/// Chosen by the client, sent with submissions: the same key again gives the same jobs again.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The id under which the server logged a request; in every answer.
pub const REQUEST_ID: &str = "X-Request-Id";

/// The log index up to which an answer is complete.
pub const INDEX: &str = "GoDocker-Index";

/// `true` when an answer may be behind, because no quorum could confirm it.
pub const STALE: &str = "GoDocker-Stale";

/// The offset, in bytes of the stream, of the first byte of an answered log.
pub const LOG_OFFSET: &str = "GoDocker-Log-Offset";

/// The attempt, as `12_0#1`, that an answered log comes from.
pub const LOG_ATTEMPT: &str = "GoDocker-Log-Attempt";

/// The attempt, as `12_0#1`, whose file is answered.
pub const FILE_ATTEMPT: &str = "GoDocker-Attempt";
