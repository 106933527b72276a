//! One source: from its server to the channel of its partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use fetch_event_source::reqwest::Url;
use fetch_event_source::{
    BoxError, Error, Event, EventSource, EventTooLarge, Failure, RetryPolicy, Signal,
    default_client,
};
use futures_util::StreamExt;
use http::HeaderValue;
use prometheus_client::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::log::Position;
use crate::partition::Holder;
use crate::write::{OVERHEAD, Received, Record};

/// What the policy calls final, a fleet tries again after this: somebody may have mended it.
const FINAL: Duration = Duration::from_secs(60);
/// For connecting and waiting for the response's head. The queue of `Connects` does not count.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// KiB of events that a partition may have on their way.
const ROOM: u32 = 4096;

/// A source, as it stands in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub url: String,
    /// Where to begin if the log has nothing of it.
    #[serde(default)]
    pub last_event_id: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl Source {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), last_event_id: String::new(), headers: BTreeMap::new() }
    }

    pub fn check(&self) -> Result<()> {
        let url = Url::parse(&self.url).with_context(|| format!("{:?} is no URL", self.url))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "{:?} is not http or https", self.url);
        Ok(())
    }
}

pub type Sources = watch::Receiver<Arc<BTreeMap<String, Source>>>;

/// The sources as they stand in the bucket, and as they change.
pub fn watch_sources(bucket: Store) -> Sources {
    let (sender, receiver) = watch::channel(Arc::default());
    tokio::spawn(async move {
        loop {
            if let Err(error) = read_sources(&bucket, &sender).await {
                warn!(error = format!("{error:#}"), "the sources cannot be read: trying again");
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    receiver
}

async fn read_sources(
    bucket: &Store,
    sender: &watch::Sender<Arc<BTreeMap<String, Source>>>,
) -> Result<()> {
    let mut entries = bucket.watch_with_history(">").await?.ready_chunks(1000);
    while let Some(entries) = entries.next().await {
        let mut sources = BTreeMap::clone(&sender.borrow());
        for entry in entries {
            let Entry { key, value, operation, .. } = entry?;
            match serde_json::from_slice::<Source>(&value) {
                Ok(source) if operation == Operation::Put => sources.insert(key, source),
                Err(error) if operation == Operation::Put => {
                    warn!(source = key, %error, "not a source: left out");
                    sources.remove(&key)
                }
                _ => sources.remove(&key),
            };
        }
        sender.send_replace(Arc::new(sources));
    }
    Ok(())
}

/// What the sources of a partition share.
#[derive(Clone)]
pub struct Shared {
    events: mpsc::Sender<Received>,
    room: Arc<Semaphore>,
    positions: Arc<Mutex<HashMap<String, Position>>>,
}

impl Shared {
    pub fn new(events: mpsc::Sender<Received>, positions: HashMap<String, Position>) -> Self {
        let room = Arc::new(Semaphore::new(ROOM as usize));
        Self { events, room, positions: Arc::new(Mutex::new(positions)) }
    }

    fn position(&self, name: &str) -> Option<Position> {
        lock(&self.positions).get(name).cloned()
    }

    /// Waits for room; its source is not polled meanwhile. `None`: nobody writes any more.
    async fn send(&self, name: &str, id: &str, record: Record) -> Option<()> {
        let size = u32::try_from(record.size() / 1024 + 1).map_or(ROOM, |size| size.min(ROOM));
        let room = self.room.clone().acquire_many_owned(size).await.ok()?;
        let place = self.events.reserve().await.ok()?;
        // Nothing is awaited between the two: a task that is aborted did both, or neither.
        place.send(Received { record, room });
        let position = Position { id: id.to_owned(), stored: SystemTime::now() };
        lock(&self.positions).insert(name.to_owned(), position);
        Some(())
    }
}

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
    async fn turn(&self, host: &str) -> Result<OwnedSemaphorePermit, BoxError> {
        let new = || Arc::new(Semaphore::new(self.per_host));
        let host = lock(&self.hosts).entry(host.to_owned()).or_insert_with(new).clone();
        let permit = host.acquire_owned().await?;
        let slot = {
            let mut next = lock(&self.next);
            let slot = (*next).max(Instant::now());
            *next = slot + self.interval;
            slot
        };
        sleep_until(slot).await;
        Ok(permit)
    }
}

impl Holder {
    pub async fn follow(self, name: String, source: Source, shared: Shared) {
        self.metrics.sources.inc();
        let _followed = Followed(self.metrics.sources.clone());
        loop {
            let at = shared.position(&name).map_or(source.last_event_id.clone(), |at| at.id);
            match self.follow_from(&name, &source, &at, &shared).await {
                Ok(()) => return info!(source = name, "over: the server asks not to come again"),
                Err(error) => match too_large(&error) {
                    Some((id, limit)) => {
                        self.metrics.too_large.inc();
                        warn!(source = name, limit, "an event over the limit is left out");
                        let record = Record::too_large(&self.names, &name, id, limit);
                        if shared.send(&name, id, record).await.is_none() {
                            return;
                        }
                    }
                    None => {
                        warn!(source = name, %error, "cannot be followed: trying again in a minute");
                        sleep(FINAL).await;
                    }
                },
            }
        }
    }

    async fn follow_from(
        &self,
        name: &str,
        source: &Source,
        at: &str,
        shared: &Shared,
    ) -> Result<(), Error> {
        let limit = self.jetstream.client().server_info().max_payload;
        let mut signals = self.connect(name, source, at, limit)?.signals();
        let refresh = self.keeping.max_age / 2;
        loop {
            // A quiet source's position must not age out of the log.
            let age =
                shared.position(name).and_then(|at| at.stored.elapsed().ok()).unwrap_or_default();
            let due = Instant::now() + refresh.saturating_sub(age);
            let (id, record) = tokio::select! {
                signal = signals.next() => match signal {
                    None => return Ok(()),
                    Some(Ok(Signal::Event(event))) => self.record(name, event, limit),
                    Some(Ok(Signal::LastEventId(id))) => (id.clone(), Record::mark(&self.names, name, &id)),
                    Some(Ok(Signal::UnsendableId(_))) => {
                        warn!(source = name, "an ID that no header can carry: events may be missing or come twice");
                        continue;
                    }
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error),
                },
                () = sleep_until(due), if !refresh.is_zero() && shared.position(name).is_some() => {
                    let id = shared.position(name).map_or(String::new(), |at| at.id);
                    (id.clone(), Record::mark(&self.names, name, &id))
                }
            };
            if shared.send(name, &id, record).await.is_none() {
                return std::future::pending().await; // the log is gone, and this task with it
            }
        }
    }

    fn record(&self, name: &str, event: Event, limit: usize) -> (String, Record) {
        if !event.has_own_id() {
            self.metrics.events_without_id.inc();
        }
        let (event_type, id) = (event.event_type().to_owned(), event.last_event_id().to_owned());
        let record = Record::event(&self.names, name, &event_type, &id, event.into_data().into());
        if record.size() <= limit {
            return (id, record);
        }
        self.metrics.too_large.inc();
        warn!(source = name, limit, "an event over the limit of NATS is left out");
        let record = Record::too_large(&self.names, name, &id, limit);
        (id, record)
    }

    fn connect(
        &self,
        name: &str,
        source: &Source,
        at: &str,
        limit: usize,
    ) -> Result<EventSource<'static>, Error> {
        let client = default_client()?;
        let mut request = client.get(&source.url);
        for (name, value) in &source.headers {
            request = request.header(name, value);
        }
        let (connects, told) = (self.connects.clone(), name.to_owned());
        let mut events = EventSource::new(request)
            .name(name)
            .retry(RetryPolicy::persistent().max_delay(Duration::from_secs(10)))
            .idle_timeout(self.idle_timeout)
            .max_event_size(self.max_event_size.min(limit.saturating_sub(OVERHEAD)))
            .fetch(move |request| {
                let (client, connects) = (client.clone(), connects.clone());
                async move {
                    let host = request.url().host_str().unwrap_or_default().to_owned();
                    let _turn = connects.turn(&host).await?;
                    Ok(timeout(RESPONSE_TIMEOUT, client.execute(request)).await??)
                }
            })
            .on_error(move |failure: Failure| match failure.next_delay() {
                None if too_large(failure.error()).is_none() => {
                    let error = failure.error();
                    warn!(source = told, %error, "refused: asking again in a minute");
                    failure.retry_after(FINAL)
                }
                _ => failure.follow_policy(),
            });
        if HeaderValue::from_bytes(at.as_bytes()).is_ok() {
            events = events.last_event_id(at);
        } else {
            warn!(
                source = name,
                "its position is an ID that no header can carry: it begins where its server likes"
            );
        }
        Ok(events)
    }
}

/// Counts a source as followed while it lives.
struct Followed(Gauge);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The ID by which an event that is too large can be passed over, and the limit.
fn too_large(error: &Error) -> Option<(&str, usize)> {
    let error = error.downcast_ref::<EventTooLarge>()?;
    Some((error.last_event_id().filter(|id| !id.is_empty())?, error.limit()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
