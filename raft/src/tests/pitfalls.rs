//! One test for each pitfall that other stores of openraft fell into, by number:
//!
//! | | pitfall | where |
//! |---|---|---|
//! | S1 | a vote is given before it is synced: two votes in one term | `durability` |
//! | S2 | an append is acknowledged before it is synced | `durability` |
//! | S3 | votes and entries reach the disk in another order | `durability` |
//! | S4 | a file is truncated before it is written again | `files` |
//! | S5 | what a snapshot says and what it holds are read at two moments | `snapshots` |
//! | S6 | the purge point is not kept | `opening` |
//! | S7 | an unreadable record is skipped at start | `opening` |
//! | S8 | a record's form changes without its version | `files` |
//! | S9 | a snapshot is installed unchecked, or by halves | `snapshots` |
//! | S10 | a hole in the log | `opening` |
//! | S11 | a sync that is tried again after it failed succeeds | `durability` |
//! | S12 | the lost end of the log passes for never written | `opening` |
//! | S13 | a wiped head comes back under its old id | `heads` |
//! | S14 | counters are guessed from the rows that are left | `snapshots` |
//! | S15 | a snapshot is one message, or the log is gone when it has arrived | `heads` |
//! | S16 | a change of leader changes what is believed | `heads` |

mod durability;
mod files;
mod heads;
mod opening;
mod snapshots;
