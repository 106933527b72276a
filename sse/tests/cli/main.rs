//! The program as its users run it: what it sends, prints and ends with.

mod ends;
mod generate;
mod hostile;
mod interrupt;
mod output;
mod program;
mod reconnect;
mod request;
#[path = "../../../tests/support/mod.rs"]
mod support;
