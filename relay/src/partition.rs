//! A partition that this worker holds: its sources are followed, and what they say goes to its log.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use async_nats::jetstream::kv::Store;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::generation::changed;
use crate::log::Log;
use crate::nats::log_failure;
use crate::source::Holder;
use crate::sources::Source;
use crate::write::{Shared, Written, write_all};

/// Events that wait for a log which takes one at a time. All of them are written before it is released.
const DEPTH: usize = 32;

impl Holder {
    /// Until `stop`, or until another worker has the partition; then its key is given back. Neither a heartbeat
    /// nor another partition waits for a log that takes nothing.
    pub async fn hold(self, leases: Store, partition: u32, revision: u64, stop: CancellationToken) {
        let lease = self.names.agreed.lease;
        let overdue = async {
            stop.cancelled().await;
            sleep(lease).await;
        };
        tokio::select! {
            () = self.hold_log(partition, &stop) => {}
            () = overdue => warn!(partition, "not all was written in time: it is asked for again"),
        }
        let deleted = leases.delete_expect_revision(format!("p.{partition}"), Some(revision));
        let given_back = timeout(lease, deleted).await.is_ok_and(|deleted| deleted.is_ok());
        info!(partition, given_back, "released");
    }

    /// Until `stop`, and all that was received is in the log; or until another worker has the partition.
    async fn hold_log(&self, partition: u32, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.clone().hold_once(partition, stop.clone()).await {
                Ok(Written::All | Written::Lost) => return,
                Ok(Written::Rewound) => {
                    self.metrics.rewinds.inc();
                    warn!(partition, "the log lost its end: its sources go on from there");
                }
                Err(error) => {
                    log_failure(&format!("partition {partition} is not taken yet"), &error);
                }
            }
            sleep(Duration::from_millis(fastrand::u64(250..1000))).await;
        }
    }

    async fn hold_once(self, partition: u32, stop: CancellationToken) -> Result<Written> {
        self.names.open(&self.jetstream, partition).await?;
        let (mut log, positions) = Log::take(
            &self.jetstream,
            &self.names,
            &self.config,
            partition,
            &self.worker,
            self.batch,
        )
        .await?;
        info!(partition, sources = positions.len(), fence = log.fence, "taken");
        let (events, received) = mpsc::channel(log.batch.max(DEPTH));
        let shared = Shared::new(events, positions);
        let generation = log.generation.clone();
        let changed = changed(&self.config, partition, &generation);
        let metrics = self.metrics.clone();
        let writing = write_all(&mut log, received, &metrics);
        let following = self.clone().follow_all(partition, shared, stop);
        tokio::pin!(writing, following);
        // The sources are dropped with their future: nothing of them is read any more.
        tokio::select! {
            written = &mut writing => Ok(written),
            () = changed => Ok(Written::Rewound),
            () = &mut following => Ok(writing.await),
        }
    }

    /// One task for each source of the partition, as the bucket has them, until `stop`.
    async fn follow_all(mut self, partition: u32, shared: Shared, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut following: HashMap<String, (Source, AbortHandle)> = HashMap::new();
        loop {
            let wanted = self.sources.borrow_and_update().clone();
            let is_other = |name: &String, at: &mut (Source, _)| wanted.get(name) != Some(&at.0);
            for (_, (_, task)) in following.extract_if(is_other) {
                // A source never has two connections of one worker.
                task.abort();
                while !task.is_finished() {
                    tasks.join_next().await;
                }
            }
            for (name, source) in wanted.iter() {
                if self.names.partition_of(name) == partition && !following.contains_key(name) {
                    let task = self.clone().follow(name.clone(), source.clone(), shared.clone());
                    following.insert(name.clone(), (source.clone(), tasks.spawn(task)));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.sources.changed() => if changed.is_err() { return },
            }
        }
    }
}
