//! Many machines follow event streams into one log of NATS JetStream, and any of them serves it.
//!
//! `names` is the bottom, then `log`, `write`, `source`, `partition`, `fleet`; `tail` and `serve` read what they write.

pub mod fleet;
pub mod log;
pub mod metrics;
pub mod names;
pub mod partition;
pub mod serve;
pub mod source;
pub mod tail;
pub mod write;
