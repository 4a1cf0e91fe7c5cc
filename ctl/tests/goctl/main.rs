//! The real `goctl`, as a process: alone, and against heads that are played by threads.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod about;
mod config;
mod events;
mod failover;
mod files;
mod interrupts;
mod jobs;
mod login;
mod mistakes;
mod output;
mod people;
mod played;
mod projects;
mod refusals;
mod rules;
mod secrets;
mod support;
mod trust;
mod usage;
