//! One source: from its server to the channel of its partition.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use fetch_event_source::{
    Error, Event, EventSource, EventTooLarge, Failure, RetryPolicy, Signal, default_client,
};
use http::HeaderValue;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::connects::Connects;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::record::{OVERHEAD, Record, longest_id};
use crate::sources::{Source, Sources};
use crate::write::Shared;

/// What the policy calls final, a fleet tries again after this: somebody may have mended it.
const FINAL: Duration = Duration::from_secs(60);
/// For connecting and waiting for the response's head. The queue of `Connects` does not count.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// What a worker needs to hold partitions.
#[derive(Clone)]
pub struct Holder {
    pub jetstream: Context,
    pub config: Store,
    pub names: Names,
    pub worker: String,
    pub batch: usize,
    pub idle_timeout: Duration,
    pub max_event_size: usize,
    pub connects: Arc<Connects>,
    pub sources: Sources,
    pub metrics: Metrics,
}

/// A source that is followed.
struct Followed {
    holder: Holder,
    name: String,
    source: Source,
    shared: Shared,
    /// What NATS takes at once.
    limit: usize,
}

impl Holder {
    pub async fn follow(self, name: String, source: Source, shared: Shared) {
        self.metrics.sources.inc();
        let limit = self.jetstream.client().server_info().max_payload;
        let followed = Followed { holder: self, name, source, shared, limit };
        tokio::join!(followed.run(), followed.keep_position());
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.holder.metrics.sources.dec();
    }
}

impl Followed {
    /// Where it goes on.
    fn at(&self) -> String {
        self.shared.position(&self.name).map_or(String::new(), |at| at.id)
    }

    /// Until its server asks not to come again.
    async fn run(&self) {
        loop {
            match self.run_once().await {
                Ok(()) => {
                    return info!(source = self.name, "over: the server asks not to come again");
                }
                Err(error) => match too_large(&error, self.limit) {
                    Some((id, limit)) => {
                        self.send(id, |id| self.left_out(id, limit), false).await;
                        // Its server may send it again.
                        sleep(Duration::from_secs(1)).await;
                    }
                    None => {
                        warn!(source = self.name, %error, "cannot be followed: trying again in a minute");
                        sleep(FINAL).await;
                    }
                },
            }
        }
    }

    async fn run_once(&self) -> Result<(), Error> {
        let mut signals = self.connect()?.signals();
        while let Some(signal) = signals.next().await {
            match signal? {
                Signal::Event(event) => {
                    if !event.has_own_id() {
                        self.holder.metrics.events_without_id.inc();
                    }
                    let id = event.last_event_id().to_owned();
                    self.send(&id, |id| self.record(event, id), false).await;
                }
                Signal::LastEventId(id) => self.send(&id, |id| self.mark(id), false).await,
                Signal::UnsendableId(_) => warn!(
                    source = self.name,
                    "an ID that no header can carry: events may be missing or come twice"
                ),
                _ => {}
            }
        }
        Ok(())
    }

    /// A quiet source's position must not age out of the log, and that of one which is over neither.
    async fn keep_position(&self) {
        let refresh = self.holder.names.agreed.max_age / 2;
        while !refresh.is_zero() {
            let position = self.shared.position(&self.name);
            let age = position.as_ref().and_then(|at| at.stored.elapsed().ok()).unwrap_or_default();
            if let Some(at) = position.filter(|_| age >= refresh) {
                self.send(&at.id, |id| self.mark(id), true).await;
            }
            sleep(refresh.saturating_sub(age).max(refresh / 8)).await;
        }
    }

    /// The only way to the log. What NATS would not take must not come there: it would hold up the whole
    /// partition for ever. `is_again`: only if its position is still this one.
    async fn send(&self, id: &str, record: impl FnOnce(&str) -> Record, is_again: bool) {
        let longest = longest_id(self.limit);
        let mut id = id.to_owned();
        if id.len() > longest {
            warn!(source = self.name, longest, "an ID that is too long: events may come twice");
            id = Some(self.at()).filter(|id| id.len() <= longest).unwrap_or_default();
        }
        let mut record = record(&id);
        if !record.fits(self.limit) {
            record = self.left_out(&id, self.limit);
        }
        if self.shared.send(&self.name, id, record, is_again).await.is_none() {
            pending().await // the log is gone, and this task with it
        }
    }

    fn record(&self, event: Event, id: &str) -> Record {
        let event_type = event.event_type().to_owned();
        let data = event.into_data().into();
        Record::event(&self.holder.names, &self.name, &event_type, id, data)
    }

    fn mark(&self, id: &str) -> Record {
        Record::mark(&self.holder.names, &self.name, id)
    }

    fn left_out(&self, id: &str, limit: usize) -> Record {
        self.holder.metrics.too_large.inc();
        warn!(source = self.name, limit, "an event over the limit is left out");
        Record::too_large(&self.holder.names, &self.name, id, limit)
    }

    fn connect(&self) -> Result<EventSource<'static>, Error> {
        let client = default_client()?;
        let mut request = client.get(&self.source.url);
        for (name, value) in &self.source.headers {
            request = request.header(name, value);
        }
        let (connects, told) = (self.holder.connects.clone(), self.name.clone());
        let limit = self.limit;
        let mut events = EventSource::new(request)
            .name(&self.name)
            .retry(RetryPolicy::persistent().max_delay(Duration::from_secs(10)))
            .idle_timeout(self.holder.idle_timeout)
            .max_event_size(self.holder.max_event_size.min(limit.saturating_sub(OVERHEAD)))
            .fetch(move |request| {
                let (client, connects) = (client.clone(), connects.clone());
                async move {
                    let host = request.url().host_str().unwrap_or_default().to_owned();
                    let _turn = connects.turn(&host).await?;
                    Ok(timeout(RESPONSE_TIMEOUT, client.execute(request)).await??)
                }
            })
            .on_error(move |failure: Failure| match failure.next_delay() {
                None if too_large(failure.error(), limit).is_none() => {
                    let error = failure.error();
                    warn!(source = told, %error, "refused: asking again in a minute");
                    failure.retry_after(FINAL)
                }
                _ => failure.follow_policy(),
            });
        let at = self.at();
        if HeaderValue::from_bytes(at.as_bytes()).is_ok() {
            events = events.last_event_id(at);
        } else {
            let source = &self.name;
            warn!(source, "its position is an ID that no header can carry: its server chooses one");
        }
        Ok(events)
    }
}

/// The ID by which an event that is too large can be passed over, and the limit that it exceeds.
fn too_large(error: &Error, limit: usize) -> Option<(&str, usize)> {
    let error = error.downcast_ref::<EventTooLarge>()?;
    let id = error.last_event_id()?;
    (1..=longest_id(limit)).contains(&id.len()).then_some((id, error.limit()))
}
