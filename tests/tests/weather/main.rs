//! Real processes under weather: heads and agents are killed, stopped and cut off while clients
//! submit without pause; afterwards every promise is looked at, one by one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod readers;
mod site;
mod town;

mod kills;
mod overload;
mod partitions;
mod pauses;
mod quiet;
mod upgrade;
mod wind;
