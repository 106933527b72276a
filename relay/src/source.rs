//! One source: from its server to the channel of its partition.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use fetch_event_source::{
    Error, Event, EventSource, EventTooLarge, Failure, RetryPolicy, Signal, default_client,
};
use http::HeaderValue;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::connects::Connects;
use crate::log::Position;
use crate::metrics::Metrics;
use crate::names::{Keeping, Names};
use crate::sources::{Source, Sources};
use crate::write::{OVERHEAD, Received, Record};

/// What the policy calls final, a fleet tries again after this: somebody may have mended it.
const FINAL: Duration = Duration::from_secs(60);
/// For connecting and waiting for the response's head. The queue of `Connects` does not count.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// KiB of events that a partition may have on their way.
const ROOM: u32 = 4096;

/// What a worker needs to hold partitions.
#[derive(Clone)]
pub struct Holder {
    pub jetstream: Context,
    pub config: Store,
    pub names: Names,
    pub keeping: Keeping,
    pub worker: String,
    pub batch: usize,
    pub idle_timeout: Duration,
    pub max_event_size: usize,
    pub connects: Arc<Connects>,
    pub sources: Sources,
    pub metrics: Metrics,
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
