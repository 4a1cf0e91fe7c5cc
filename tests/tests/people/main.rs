//! Who people are, and what is known of them, in a whole cluster.
#![allow(clippy::unwrap_used, reason = "tests")]

mod ldap;

#[allow(dead_code, reason = "shared with the directory's own tests")]
#[path = "../../../api/directory/tests/ldap/authority.rs"]
mod authority;
#[path = "../../../api/directory/tests/ldap/corpus.rs"]
mod corpus;
#[allow(dead_code, reason = "shared with the directory's own tests")]
#[path = "../../../api/directory/tests/ldap/slapd.rs"]
mod slapd;
