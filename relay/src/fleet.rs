//! Which worker has which partition: a key for each worker, which it renews, and one for each partition,
//! which names its worker and is taken by compare-and-set.
//!
//! A worker is dead when its key was not seen to change for the length of a lease, by the clock of the worker
//! that looks. No correctness rests on that: where two believe that they have a partition, its log shuts one
//! of them out.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use async_nats::jetstream::stream::Info;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::heartbeat::{HERE, LEAVING, beat};
use crate::nats::info;
use crate::source::Holder;

/// A worker that is dead for so many leases is forgotten.
const FORGOTTEN: u32 = 10;
/// How long what can be taken is left alone at most, so that not all ask at once.
const SOON: Duration = Duration::from_millis(125);

/// A key, as it was seen last.
struct Seen {
    /// `None`: deleted. Its next value must still name the revision.
    value: Option<Bytes>,
    revision: u64,
    at: Instant,
}

/// A partition from when it was taken until its task has given it back, or lost it.
struct Held {
    revision: u64,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

pub struct Fleet {
    leases: Store,
    holder: Holder,
    lease: Duration,
    seen: HashMap<String, Seen>,
    held: HashMap<u32, Held>,
    /// Since when we have not heard our own heartbeat: what we know of others is old.
    out_of_touch: Option<Instant>,
}

impl Fleet {
    pub fn new(leases: Store, holder: Holder) -> Self {
        let (lease, out_of_touch) = (holder.names.agreed.lease, Some(Instant::now()));
        Self { leases, holder, lease, seen: HashMap::new(), held: HashMap::new(), out_of_touch }
    }

    /// Until `stop`, and each partition is given back. `false`: the leases are gone, and with them all that NATS
    /// had of this relay.
    pub async fn run(mut self, stop: CancellationToken) -> bool {
        let (leases, lease, key) = (self.leases.clone(), self.lease, self.own_key());
        tokio::select! {
            is_over = self.take_part(&stop) => if !is_over { return false },
            () = beat(&leases, &key, lease, &stop) => {}
        }
        // Last: while it is there, nobody takes a partition whose events are still being written.
        timeout(lease / 2, leases.delete(key)).await.ok();
        true
    }

    fn own_key(&self) -> String {
        format!("w.{}", self.holder.worker)
    }

    async fn take_part(&mut self, stop: &CancellationToken) -> bool {
        let created = self.leases.stream.cached_info().created;
        while !stop.is_cancelled() {
            if let Err(error) = self.watch(stop).await {
                warn!(error = format!("{error:#}"), "the leases cannot be watched");
                sleep(self.lease / 8).await;
                let is_ours = |found: Info| found.created == created;
                if info(&self.leases.stream).await.is_ok_and(|found| !found.is_some_and(is_ours)) {
                    self.held.drain().for_each(|(_, held)| held.task.abort());
                    return false;
                }
            }
        }
        self.held.values().for_each(|held| held.stop.cancel());
        join_all(self.held.drain().map(|(_, held)| held.task)).await;
        true
    }

    async fn watch(&mut self, stop: &CancellationToken) -> Result<()> {
        let mut entries = self.leases.watch_with_history(">").await?;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(next) => {
                    self.share().await;
                    if self.out_of_touch.is_some_and(|since| since.elapsed() > self.lease) {
                        self.out_of_touch = Some(Instant::now());
                        bail!("nothing was heard for a lease");
                    }
                    next = Instant::now() + self.lease.mul_f64((3.0 + 2.0 * fastrand::f64()) / 16.0);
                }
                entry = entries.next() => {
                    if self.see(entry.context("the watch ended")??) {
                        next = next.min(Instant::now() + SOON.mul_f64(fastrand::f64()));
                    }
                }
            }
        }
    }

    /// Whether there may be something to take.
    fn see(&mut self, entry: Entry) -> bool {
        let value = Some(entry.value).filter(|_| entry.operation == Operation::Put);
        let was_given_back = value.as_ref().is_none_or(|value| value == LEAVING);
        let is_back = self.out_of_touch.is_some() && entry.key == self.own_key();
        let seen = Seen { value, revision: entry.revision, at: Instant::now() };
        self.seen.insert(entry.key, seen);
        was_given_back || is_back
    }

    fn is_alive(&self, worker: &str) -> bool {
        let key = self.seen.get(&format!("w.{worker}"));
        key.is_some_and(|seen| seen.value.is_some() && seen.at.elapsed() < self.lease)
    }

    /// Drops what is ours no longer, gives back what is more than our share, takes what nobody has.
    async fn share(&mut self) {
        self.drop_lost();
        if !self.is_in_touch() {
            return;
        }
        self.forget_one().await;
        let is_here = |(key, seen): &(&String, &Seen)| {
            let is_here = seen.value.as_deref() == Some(HERE.as_bytes());
            is_here && key.starts_with("w.") && seen.at.elapsed() < self.lease
        };
        let here = self.seen.iter().filter(is_here).count();
        let share = (self.holder.names.partitions() as usize).div_ceil(here.max(1));
        let kept: Vec<&Held> =
            self.held.values().filter(|held| !held.stop.is_cancelled()).collect();
        kept.iter().skip(share).for_each(|held| held.stop.cancel());
        let mut free = self.free();
        fastrand::shuffle(&mut free);
        let rest = free.split_off(free.len().min(share.saturating_sub(kept.len())));
        let taken = free.into_iter().map(|(partition, revision)| self.take(partition, revision));
        let left = rest.into_iter().map(|(partition, revision)| self.leave(partition, revision));
        let (taken, _) = join(join_all(taken), join_all(left)).await;
        self.held.extend(taken.into_iter().flatten());
        self.holder.metrics.partitions.set(self.held.len() as i64);
    }

    /// Nobody else removes the key of a worker that died, and each worker has a new one.
    async fn forget_one(&mut self) {
        let forgotten = self.lease * FORGOTTEN;
        let is_old =
            |(key, seen): &(&String, &Seen)| key.starts_with("w.") && seen.at.elapsed() > forgotten;
        let Some(key) = self.seen.iter().find(is_old).map(|(key, _)| key.clone()) else { return };
        let Some(seen) = self.seen.remove(&key) else { return };
        // Not what came after this: it may be back.
        let subject = format!("{}{key}", self.leases.prefix);
        let purged = self.leases.stream.purge().filter(subject).sequence(seen.revision + 1);
        let purged = timeout(self.lease / 2, purged).await;
        debug!(key, ?purged, "forgotten");
    }

    fn drop_lost(&mut self) {
        self.held.retain(|_, held| !held.task.is_finished());
        let worker = self.holder.worker.as_bytes();
        for (partition, held) in self.held.iter().filter(|(_, held)| !held.stop.is_cancelled()) {
            let seen = self.seen.get(&format!("p.{partition}"));
            let seen = seen.filter(|seen| seen.revision >= held.revision);
            if seen.is_some_and(|seen| seen.value.as_deref() != Some(worker)) {
                info!(partition, "another worker has it now");
                held.stop.cancel(); // what is on its way to the log is refused there
            }
        }
        self.holder.metrics.partitions.set(self.held.len() as i64);
    }

    /// Whether we hear our own heartbeat. If not, others take our partitions: let go of them.
    fn is_in_touch(&mut self) -> bool {
        if !self.is_alive(&self.holder.worker) {
            if self.out_of_touch.is_none() {
                let partitions = self.held.len();
                warn!(partitions, "out of touch with NATS: letting go of everything");
                self.out_of_touch = Some(Instant::now());
            }
            self.held.values().for_each(|held| held.stop.cancel());
            return false;
        }
        if self.out_of_touch.take().is_some() {
            let now = Instant::now();
            self.seen.values_mut().for_each(|seen| seen.at = now);
        }
        true
    }

    /// The partitions that no living worker has, with the revision that their key must still have.
    fn free(&self) -> Vec<(u32, u64)> {
        let free = |partition: u32| {
            let Some(lease) = self.seen.get(&format!("p.{partition}")) else {
                return Some((partition, 0));
            };
            let owner = lease.value.as_deref().map(String::from_utf8_lossy);
            let is_held =
                owner.is_some_and(|owner| *owner != self.holder.worker && self.is_alive(&owner));
            (!is_held).then_some((partition, lease.revision))
        };
        let all = 0..self.holder.names.partitions();
        all.filter(|partition| !self.held.contains_key(partition)).filter_map(free).collect()
    }

    /// What names this worker, but is not held: of one before it under this name, or not given back in time. It
    /// would seem held as long as this one lives.
    async fn leave(&self, partition: u32, revision: u64) {
        let key = format!("p.{partition}");
        let named = self.seen.get(&key).and_then(|seen| seen.value.as_deref());
        if named == Some(self.holder.worker.as_bytes()) {
            let deleted = self.leases.delete_expect_revision(key, Some(revision));
            let deleted = timeout(self.lease / 2, deleted).await;
            debug!(partition, ?deleted, "left to others");
        }
    }

    async fn take(&self, partition: u32, revision: u64) -> Option<(u32, Held)> {
        let worker = self.holder.worker.clone().into();
        let taken = self.leases.update(format!("p.{partition}"), worker, revision);
        let Ok(Ok(revision)) = timeout(self.lease / 2, taken).await else { return None };
        let stop = CancellationToken::new();
        let holder = self.holder.clone();
        let holding = holder.hold(self.leases.clone(), partition, revision, stop.clone());
        Some((partition, Held { revision, stop, task: tokio::spawn(holding) }))
    }
}
