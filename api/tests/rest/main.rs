//! The REST API over an in-memory log that applies commands for real.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod support;

mod access;
mod directories;
mod events;
mod files;
mod jobs;
mod login;
mod logs;
mod matrix;
mod metrics;
mod mistakes;
mod openapi;
mod outages;
mod pages;
mod people;
mod properties;
mod routes;
mod server;
