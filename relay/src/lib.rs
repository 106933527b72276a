//! Many machines follow event streams into one log of NATS JetStream, and any of them serves it.
//!
//! `names` is the bottom, then `generation`, `log`, `write`, `sources`, `source`, `partition`, `fleet`.
//! `tail` and `serve` read what they write.

pub mod connects;
pub mod fleet;
pub mod generation;
pub mod log;
pub mod metrics;
pub mod names;
pub mod partition;
pub mod serve;
pub mod source;
pub mod sources;
pub mod tail;
pub mod write;
