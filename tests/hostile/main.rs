//! Input that was made to do harm: it is counted what a thread allocates for it.

#![cfg(feature = "client")]

#[path = "../client/mod.rs"]
mod client;
#[path = "../support/mod.rs"]
mod support;

mod body;
mod data;
mod response;
