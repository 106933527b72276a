//! Nothing but tests: see `tests/messages.rs`.
