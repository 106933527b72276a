//! Only tests: see `tests/messages.rs`.
