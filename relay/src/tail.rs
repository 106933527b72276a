//! The newest events of a partition, in memory: read once for all clients of a process, encoded once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use fetch_event_source::Event;
use futures_util::StreamExt;
use tokio::sync::{OnceCell, watch};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::generation::{OWNER, begin_generation, changed, generation_of, read_generation};
use crate::lock;
use crate::log::if_there;
use crate::metrics::Metrics;
use crate::names::{Names, decode};
use crate::record::TYPE;

/// What a source may have in memory besides its newest event.
const RING_BYTES: usize = 256 << 10;

/// The newest events of one source.
pub struct Ring {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// All events after this one are here.
    after: u64,
}

pub enum Next {
    Event(u64, Bytes),
    /// It is not there yet.
    Later,
    /// Memory does not reach back so far.
    InLog,
}

impl Ring {
    fn push(&mut self, sequence: u64, event: Bytes, keep: usize) {
        self.bytes += event.len();
        self.events.push_back((sequence, event));
        while self.events.len() > keep || self.bytes > RING_BYTES {
            let Some((sequence, event)) = self.events.pop_front() else { break };
            self.bytes -= event.len();
            self.after = sequence;
        }
    }

    pub fn next(&self, seen: u64) -> Next {
        if seen < self.after {
            return Next::InLog;
        }
        let index = self.events.partition_point(|(sequence, _)| *sequence <= seen);
        let next = self.events.get(index).cloned();
        next.map_or(Next::Later, |(sequence, event)| Next::Event(sequence, event))
    }
}

/// The newest events of a partition, by source.
pub struct Tail {
    pub generation: String,
    /// The log's last sequence when this was made: a client without an ID begins here.
    pub start: u64,
    /// All events after this one, and up to `read`, are in the rings.
    after: u64,
    read: AtomicU64,
    /// The log is another one now.
    pub over: CancellationToken,
    rings: Mutex<HashMap<String, watch::Sender<Ring>>>,
}

impl Tail {
    fn new(generation: String, start: u64, keep: usize) -> Self {
        // A little of the past: clients of a process that died come here, and are not far behind.
        let after = start.saturating_sub(8 * keep as u64);
        let (read, over, rings) = (after.into(), CancellationToken::new(), Mutex::default());
        Self { generation, start, after, read, over, rings }
    }

    /// How far the log has been read.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    fn ring(&self, source: &str) -> watch::Sender<Ring> {
        let (events, bytes, after) = (VecDeque::new(), 0, self.after);
        let new = || watch::Sender::new(Ring { events, bytes, after });
        lock(&self.rings).entry(source.to_owned()).or_insert_with(new).clone()
    }

    pub fn listen(&self, source: &str) -> watch::Receiver<Ring> {
        self.ring(source).subscribe()
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
    pub stop: CancellationToken,
    pub tails: Mutex<HashMap<u32, Arc<OnceCell<Arc<Tail>>>>>,
}

impl Server {
    pub async fn stream(&self, partition: u32) -> Result<Stream<()>> {
        Ok(self.jetstream.get_stream_no_info(self.names.stream(partition)).await?)
    }

    /// One reader for each partition that somebody listens to.
    pub async fn tail(self: Arc<Self>, partition: u32) -> Result<Arc<Tail>> {
        let tail = lock(&self.tails).entry(partition).or_default().clone();
        tail.get_or_try_init(|| self.start_tail(partition)).await.cloned()
    }

    async fn start_tail(self: &Arc<Self>, partition: u32) -> Result<Arc<Tail>> {
        let found = self.stream(partition).await?.get_info().await?;
        let current = read_generation(&self.config, partition, &found).await?;
        let tail = Arc::new(Tail::new(current, found.state.last_sequence, self.keep));
        let (server, reading) = (self.clone(), tail.clone());
        tokio::spawn(async move {
            let mut last = None;
            while let Err(error) = server.read(partition, &reading, &mut last).await {
                info!(partition, error = format!("{error:#}"), "reading the log again");
                sleep(Duration::from_millis(fastrand::u64(100..300))).await;
            }
            warn!(partition, "the log is another one now: its clients must begin anew");
            lock(&server.tails).remove(&partition);
            reading.over.cancel();
        });
        Ok(tail)
    }

    /// Until the log has another generation. `last`: who wrote the message that was read last.
    async fn read(&self, partition: u32, tail: &Tail, last: &mut Option<String>) -> Result<()> {
        let connects = || self.jetstream.client().statistics().connects.load(Ordering::Relaxed);
        let connected = connects();
        let stream = self.stream(partition).await?;
        let mut is_other = stream.get_info().await?.state.last_sequence < tail.read();
        if let Some(last) = last.as_deref()
            && let Some(found) = if_there(stream.get_raw_message(tail.read()).await)?
        {
            // It lost its end, and another worker has written on from there.
            is_other |= owner_of(&found.headers) != Some(last);
        }
        if is_other {
            self.metrics.rewinds.inc();
            begin_generation(&self.config, partition, &tail.generation).await?;
            return Ok(());
        }
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: tail.read() + 1 },
            filter_subject: self.names.subjects(partition),
            ..Default::default()
        };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        let mut looks = interval(Duration::from_secs(1));
        let changed = changed(&self.config, partition, &tail.generation);
        tokio::pin!(changed);
        loop {
            let message = tokio::select! {
                () = &mut changed => return Ok(()),
                message = messages.next() => message.context("the log ended")??,
                // It may have lost its end, which a consumer does not notice.
                _ = looks.tick() => {
                    ensure!(connects() == connected, "connected to NATS anew");
                    continue;
                }
            };
            let sequence = message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence;
            let headers = message.headers.as_ref();
            if sequence <= tail.read() {
                return Ok(()); // it was deleted and made anew
            }
            if sequence > tail.start && generation_of(headers) != Some(&tail.generation) {
                return Ok(());
            }
            if let (Some(("event", source)), Some(headers)) =
                (self.names.parse(&message.subject), headers)
            {
                let event = tail.encode(sequence, headers, &message.payload);
                tail.ring(source).send_modify(|ring| ring.push(sequence, event, self.keep));
            }
            *last = headers.and_then(owner_of).map(str::to_owned);
            tail.read.store(sequence, Ordering::Release);
        }
    }
}

fn owner_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(OWNER).map(|owner| owner.as_str())
}
