//! What can keep the API from serving at all. What is wrong with one request is a
//! [`crate::problem::Refused`].

/// Why the API does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The listening socket or the server failed.
    #[error("serve HTTPS")]
    Serve(#[from] std::io::Error),
    /// A password could not be hashed.
    #[error("hash a password: {0}")]
    Hash(String),
}
