//! When a worker may connect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fetch_event_source::BoxError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Not too many connects at once: in a second, and to one host.
pub struct Connects {
    interval: Duration,
    next: Mutex<Instant>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Connects {
    pub fn new(per_second: u32, per_host: usize) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let per_host = per_host.max(1);
        Self { interval, next: Mutex::new(Instant::now()), per_host, hosts: Mutex::default() }
    }

    /// Waits for its turn, which lasts until the permit is dropped.
    pub async fn turn(&self, host: &str) -> Result<OwnedSemaphorePermit, BoxError> {
        let new = || Arc::new(Semaphore::new(self.per_host));
        let host = self
            .hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(host.to_owned())
            .or_insert_with(new)
            .clone();
        let permit = host.acquire_owned().await?;
        let slot = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = (*next).max(Instant::now());
            *next = slot + self.interval;
            slot
        };
        sleep_until(slot).await;
        Ok(permit)
    }
}
