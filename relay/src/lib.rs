//! Many machines follow event streams into one log of NATS JetStream, and any of them serves it.
//!
//! `nats` is the bottom, then `agreement`, `names`, `generation`, `record`, `log`, `write`, `sources`, `source`,
//! `partition`, `heartbeat`, `fleet`. `tail` and `serve` read what they write.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod agreement;
pub mod connects;
pub mod fleet;
pub mod generation;
pub mod heartbeat;
pub mod log;
pub mod metrics;
pub mod names;
pub mod nats;
pub mod partition;
pub mod record;
pub mod serve;
pub mod source;
pub mod sources;
pub mod tail;
pub mod write;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
