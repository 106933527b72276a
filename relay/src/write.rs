//! From a partition's sources to its log: what came while one write was on its way is the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;

use crate::lock;
use crate::log::{Log, Reclaimed};
use crate::metrics::Metrics;
use crate::record::{Position, Record};

/// KiB of events that a partition may have on their way.
const ROOM: u32 = 4096;

/// What the sources of a partition share.
#[derive(Clone)]
pub struct Shared {
    events: mpsc::Sender<Record>,
    room: Arc<Semaphore>,
    positions: Arc<Mutex<HashMap<String, Position>>>,
}

impl Shared {
    pub fn new(events: mpsc::Sender<Record>, positions: HashMap<String, Position>) -> Self {
        let room = Arc::new(Semaphore::new(ROOM as usize));
        Self { events, room, positions: Arc::new(Mutex::new(positions)) }
    }

    pub fn position(&self, name: &str) -> Option<Position> {
        lock(&self.positions).get(name).cloned()
    }

    /// Waits for room; its source is not polled meanwhile. `None`: nobody writes any more.
    pub async fn send(
        &self,
        name: &str,
        id: String,
        mut record: Record,
        is_again: bool,
    ) -> Option<()> {
        let size = u32::try_from(record.size() / 1024 + 1).map_or(ROOM, |size| size.min(ROOM));
        record.room = Some(self.room.clone().acquire_many_owned(size).await.ok()?);
        let place = self.events.reserve().await.ok()?;
        // Nothing is awaited from here on: a task that is aborted did both, or neither.
        let mut positions = lock(&self.positions);
        // An event may have been faster than its source's last position, which was to be written again.
        if !is_again || positions.get(name).is_some_and(|at| at.id == id) {
            place.send(record);
            positions.insert(name.to_owned(), Position { id, stored: SystemTime::now() });
        }
        Some(())
    }
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
    mut received: mpsc::Receiver<Record>,
    metrics: &Metrics,
) -> Written {
    let (mut records, mut costs) = (Vec::new(), Costs::default());
    loop {
        let count = costs.count(received.len().clamp(1, log.batch));
        if received.recv_many(&mut records, count).await == 0 {
            return Written::All;
        }
        while !records.is_empty() {
            match write(log, &records, &mut costs, metrics).await {
                Ok(count) => drop(records.drain(..count)),
                Err(written) => return written,
            }
        }
    }
}

/// Writes these records, or the first of them, and says how many.
async fn write(
    log: &mut Log,
    records: &[Record],
    costs: &mut Costs,
    metrics: &Metrics,
) -> Result<usize, Written> {
    let mut count = costs.count(records.len());
    let mut failures = 0;
    loop {
        let start = Instant::now();
        let appended = log.append(&records[..count]).await;
        let took = start.elapsed();
        let Err(error) = appended else {
            costs.note(count, took);
            break;
        };
        failures += 1;
        metrics.failures.inc();
        warn!(%error, events = count, "a write failed: reading the log for its result");
        match reclaim(log, &records[..count]).await {
            Reclaimed::Stored => {
                // One event is quick: what it lost is its acknowledgement. A batch may take longer than that.
                if count > 1 {
                    costs.note(count, took);
                }
                break;
            }
            // A server may refuse batches, or batches of this size: one event always passes.
            Reclaimed::Missing => {
                costs.note_refusal(count);
                count = 1;
                sleep(pause(failures)).await;
            }
            Reclaimed::Lost => {
                warn!("another worker has the log");
                return Err(Written::Lost);
            }
            Reclaimed::Rewound => return Err(Written::Rewound),
        }
    }
    metrics.events.inc_by(count as u64);
    Ok(count)
}

/// What a batch counts as that was refused: longer than any takes.
const REFUSED: Duration = Duration::from_secs(3600);

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

    /// It is tried again some forty thousand events later.
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
