//! When a worker may connect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fetch_event_source::BoxError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::lock;

/// Not too many connects at once: in a second, and to one host.
pub struct Connects {
    turns: tokio::sync::Mutex<Interval>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Connects {
    pub fn new(per_second: u32, per_host: usize) -> Self {
        let mut turns = interval(Duration::from_secs(1) / per_second.max(1));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { turns: turns.into(), per_host: per_host.max(1), hosts: Mutex::default() }
    }

    /// Waits for its turn, which lasts until the permit is dropped.
    pub async fn turn(&self, host: &str) -> Result<OwnedSemaphorePermit, BoxError> {
        let new = || Arc::new(Semaphore::new(self.per_host));
        let host = lock(&self.hosts).entry(host.to_owned()).or_insert_with(new).clone();
        let permit = host.acquire_owned().await?;
        self.turns.lock().await.tick().await;
        Ok(permit)
    }
}
