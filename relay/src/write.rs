//! From a partition's sources to its log: what came while one write was on its way is the next.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;

use crate::log::{Log, Reclaimed};
use crate::metrics::Metrics;
use crate::names::{Names, encode};

/// How far a source has come in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub id: String,
    pub stored: SystemTime,
}

pub const ID: &str = "Sse-Id";
pub const TYPE: &str = "Sse-Event";
pub const RECEIVED: &str = "Sse-Received";

/// The type of an event that stands for one which was too large.
pub const TOO_LARGE: &str = "relay.too_large";

/// A message of the log.
pub struct Record {
    pub subject: String,
    /// As it stands in the header.
    pub id: String,
    /// Of an event its type, as it stands in the header, and the milliseconds since 1970 when it came.
    event: Option<(String, u128)>,
    pub data: Bytes,
}

impl Record {
    pub fn event(names: &Names, source: &str, event_type: &str, id: &str, data: Bytes) -> Self {
        let received =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        let event = Some((encode(event_type), received));
        Self { subject: names.subject("event", source), id: encode(id), event, data }
    }

    /// Says how far a source has come where no event of it does.
    pub fn mark(names: &Names, source: &str, id: &str) -> Self {
        let subject = names.subject("mark", source);
        Self { subject, id: encode(id), event: None, data: Bytes::new() }
    }

    /// Stands for an event that NATS would not take.
    pub fn too_large(names: &Names, source: &str, id: &str, limit: usize) -> Self {
        let data = format!("an event of more than {limit} bytes was left out");
        Self::event(names, source, TOO_LARGE, id, data.into())
    }

    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, self.id.as_str());
        if let Some((event_type, received)) = &self.event {
            headers.insert(TYPE, event_type.as_str());
            headers.insert(RECEIVED, received.to_string());
        }
        headers
    }

    fn header_size(&self) -> usize {
        OVERHEAD + self.id.len() + self.event.as_ref().map_or(0, |(event_type, _)| event_type.len())
    }

    /// Its size to NATS, and a little more.
    pub fn size(&self) -> usize {
        self.header_size() + self.data.len()
    }

    /// Whether a server takes it that takes so many bytes at once. Of headers it counts the bytes in 16 bits.
    pub fn fits(&self, limit: usize) -> bool {
        self.size() <= limit && self.header_size() <= usize::from(u16::MAX)
    }
}

/// Room for names of headers, and for the headers of the log.
pub const OVERHEAD: usize = 1024;

/// Bytes of the longest ID that is written. With it a record fits, although it may be three times as long
/// there. No common server takes it back in a header if it is longer.
pub fn longest_id(limit: usize) -> usize {
    (16 << 10).min(limit / 8)
}

/// A record on its way, with its share of the partition's memory.
pub struct Received {
    pub record: Record,
    pub room: OwnedSemaphorePermit,
}

#[derive(Debug, PartialEq)]
pub enum Written {
    /// All that was received is in the log, and nothing more comes.
    All,
    /// Another worker has the log.
    Lost,
    /// The log holds less than it acknowledged: the sources must go on from where it ends.
    Rewound,
}

/// Writes until the senders are gone, or the log is.
pub async fn write_all(
    log: &mut Log,
    mut received: mpsc::Receiver<Received>,
    metrics: &Metrics,
) -> Written {
    let (mut records, mut room) = (VecDeque::new(), VecDeque::new());
    let mut costs = Costs::default();
    loop {
        while records.len() < log.batch {
            let waits = records.is_empty();
            let next = if waits { received.recv().await } else { received.try_recv().ok() };
            let Some(Received { record, room: share }) = next else { break };
            records.push_back(record);
            room.push_back(share);
        }
        if records.is_empty() {
            return Written::All;
        }
        let mut count = costs.count(records.len());
        let start = Instant::now();
        let mut failures = 0;
        loop {
            let writing = &records.make_contiguous()[..count];
            let Err(error) = log.append(writing).await else { break };
            let refused = error.kind() == PublishErrorKind::WrongLastSequence;
            failures += 1;
            metrics.failures.inc();
            warn!(%error, events = count, "a write failed: reading the log for its result");
            match reclaim(log, writing).await {
                Reclaimed::Stored => break,
                // A server may refuse batches, or batches of this size: one event always passes.
                Reclaimed::Missing => {
                    costs.note_refusal(count);
                    count = 1;
                    sleep(pause(failures)).await;
                }
                Reclaimed::Lost => {
                    metrics.refused.inc_by(u64::from(refused));
                    warn!(refused, "another worker has the log");
                    return Written::Lost;
                }
                Reclaimed::Rewound => return Written::Rewound,
            }
        }
        if failures == 0 {
            costs.note(count, start.elapsed());
        }
        metrics.events.inc_by(count as u64);
        records.drain(..count);
        room.drain(..count);
    }
}

/// What a batch counts as that was refused: longer than any takes.
const REFUSED: Duration = Duration::from_secs(10);

/// What writes take. NATS stages a batch before it stores it, and on a single server it does so on its disk:
/// that is as long as some hundred writes of one event, or shorter than two of them if NATS is far.
#[derive(Default)]
struct Costs {
    single: Duration,
    batch: Duration,
}

impl Costs {
    /// How many of those that wait are written at once: all, if that is quicker than one after the other.
    fn count(&self, waiting: usize) -> usize {
        if self.single * waiting as u32 > self.batch { waiting } else { 1 }
    }

    /// It is tried again some ten thousand events later.
    fn note_refusal(&mut self, count: usize) {
        if count > 1 {
            self.batch = REFUSED;
        }
    }

    fn note(&mut self, count: usize, took: Duration) {
        if count > 1 {
            self.batch = took;
        } else {
            self.single = (self.single * 7 + took) / 8;
            // It may have been slow for once: it is tried again.
            self.batch -= self.batch / 4096;
        }
    }
}

/// Until NATS answers. The sources wait meanwhile: nothing is taken from them.
async fn reclaim(log: &mut Log, records: &[Record]) -> Reclaimed {
    loop {
        match log.reclaim(records).await {
            Ok(reclaimed) => return reclaimed,
            Err(error) => warn!(%error, "the log cannot be asked yet"),
        }
        sleep(Duration::from_millis(fastrand::u64(100..500))).await;
    }
}

/// A log that takes nothing, though it is ours, must not be filled with fences.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(5 << failures.min(9))
}
