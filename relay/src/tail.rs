//! The newest events of a partition, in memory: read once for all clients of a process, encoded once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use fetch_event_source::Event;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::generation::{begin_generation, generation, generation_of};
use crate::metrics::Metrics;
use crate::names::{Names, decode};
use crate::write::TYPE;

/// What a source may have in memory besides its newest event.
const RING_BYTES: usize = 256 << 10;

/// The newest events of one source.
pub struct Channel {
    pub newest: watch::Sender<u64>,
    ring: RwLock<Ring>,
}

struct Ring {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// All events after this one are here.
    after: u64,
}

impl Channel {
    fn new(after: u64) -> Arc<Self> {
        let ring = RwLock::new(Ring { events: VecDeque::new(), bytes: 0, after });
        Arc::new(Self { newest: watch::Sender::new(after), ring })
    }

    fn push(&self, sequence: u64, event: Bytes, keep: usize) {
        let mut ring: RwLockWriteGuard<'_, Ring> =
            self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += event.len();
        ring.events.push_back((sequence, event));
        while ring.events.len() > keep || ring.bytes > RING_BYTES {
            let Some((sequence, event)) = ring.events.pop_front() else { break };
            ring.bytes -= event.len();
            ring.after = sequence;
        }
        drop(ring);
        self.newest.send_replace(sequence);
    }

    /// What comes after `seen`, up to `limit` bytes, and at least one event: the last sequence, and the
    /// bytes. `None`: memory does not reach back so far.
    pub fn after(&self, seen: u64, limit: usize) -> Option<(u64, Vec<Bytes>)> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if seen < ring.after {
            return None;
        }
        let from = ring.events.partition_point(|(sequence, _)| *sequence <= seen);
        let (mut last, mut bytes, mut found) = (seen, 0, Vec::new());
        for (sequence, event) in ring.events.range(from..) {
            bytes += event.len();
            if bytes > limit && !found.is_empty() {
                break;
            }
            last = *sequence;
            found.push(event.clone());
        }
        Some((last, found))
    }
}

/// The newest events of a partition, by source.
pub struct Tail {
    pub generation: String,
    /// The log's last sequence when this was made: a client without an ID begins here.
    pub start: u64,
    /// All events after this one are in the channels.
    after: u64,
    pub read: watch::Sender<u64>,
    /// The log is another one now.
    pub over: CancellationToken,
    channels: Mutex<HashMap<String, Arc<Channel>>>,
    keep: usize,
}

impl Tail {
    pub fn new(generation: String, last: u64, keep: usize) -> Self {
        // A little of the past: clients of a process that died come here, and are not far behind.
        let after = last.saturating_sub(8 * keep as u64);
        let (read, over) = (watch::Sender::new(after), CancellationToken::new());
        Self { generation, start: last, after, read, over, channels: Mutex::default(), keep }
    }

    pub fn channel(&self, source: &str) -> Arc<Channel> {
        let mut channels: MutexGuard<'_, HashMap<String, Arc<Channel>>> =
            self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(source) {
            return channel.clone();
        }
        let channel = Channel::new(self.after);
        channels.insert(source.to_owned(), channel.clone());
        channel
    }

    pub fn push(&self, source: &str, sequence: u64, headers: &HeaderMap, data: &[u8]) {
        let event = self.encode(sequence, headers, data);
        self.channel(source).push(sequence, event, self.keep);
    }

    pub fn id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.generation)
    }

    /// An event of the log as it is sent to clients.
    pub fn encode(&self, sequence: u64, headers: &HeaderMap, data: &[u8]) -> Bytes {
        let event_type =
            headers.get(TYPE).map_or("message".to_owned(), |kind| decode(kind.as_str()));
        let event = Event::new(String::from_utf8_lossy(data)).with_type(event_type);
        event.with_last_event_id(self.id(sequence)).to_string().into()
    }
}

/// What a machine that serves shares among its clients.
pub struct Server {
    pub jetstream: Context,
    pub config: Store,
    pub sources: Store,
    pub names: Names,
    pub keep: usize,
    pub metrics: Metrics,
    /// Counts the connections to NATS.
    pub connected: watch::Receiver<u64>,
    pub stop: CancellationToken,
    pub tails: tokio::sync::Mutex<HashMap<u32, Arc<Tail>>>,
}

impl Server {
    pub async fn stream(&self, partition: u32) -> Result<Stream<()>> {
        Ok(self.jetstream.get_stream_no_info(self.names.stream(partition)).await?)
    }

    /// One reader for each partition that somebody listens to.
    pub async fn tail(self: Arc<Self>, partition: u32) -> Result<Arc<Tail>> {
        let mut tails = self.tails.lock().await;
        if let Some(tail) = tails.get(&partition).filter(|tail| !tail.over.is_cancelled()) {
            return Ok(tail.clone());
        }
        let current = generation(&self.config, partition).await?;
        let state = self.stream(partition).await?.get_info().await?.state;
        ensure!(current == generation(&self.config, partition).await?, "the log has just changed");
        let tail = Arc::new(Tail::new(current, state.last_sequence, self.keep));
        tails.insert(partition, tail.clone());
        let (server, reading) = (self.clone(), tail.clone());
        tokio::spawn(async move {
            while let Err(error) = server.read(partition, &reading).await {
                info!(partition, error = format!("{error:#}"), "reading the log again");
                sleep(Duration::from_millis(fastrand::u64(100..300))).await;
            }
            warn!(partition, "the log is another one now: its clients must begin anew");
            reading.over.cancel();
        });
        Ok(tail)
    }

    /// Until the log has another generation.
    async fn read(&self, partition: u32, tail: &Tail) -> Result<()> {
        let mut connected = self.connected.clone();
        connected.mark_unchanged();
        let stream = self.stream(partition).await?;
        let read = *tail.read.borrow();
        if stream.get_info().await?.state.last_sequence < read {
            self.metrics.rewinds.inc();
            begin_generation(&self.config, partition, &tail.generation).await?;
            return Ok(());
        }
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: read + 1 },
            filter_subject: format!("{}.{partition}.>", self.names.name),
            ..Default::default()
        };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        loop {
            let message = tokio::select! {
                message = messages.next() => message.context("the log ended")??,
                // It may have lost its end, which a consumer does not notice.
                _ = connected.changed() => bail!("connected to NATS anew"),
            };
            let sequence = message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence;
            let headers = message.headers.as_ref();
            if sequence > tail.start && generation_of(headers) != Some(&tail.generation) {
                return Ok(());
            }
            if let (Some(("event", source)), Some(headers)) =
                (self.names.parse(&message.subject), headers)
            {
                tail.push(source, sequence, headers, &message.payload);
            }
            tail.read.send_replace(sequence);
        }
    }
}
