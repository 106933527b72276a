use std::sync::Arc;

use fetch_event_source::reqwest::Client;
use fetch_event_source::{BoxError, Event, EventSource, EventStream};
use futures_util::stream::TryReadyChunksError;
use futures_util::{TryFutureExt, TryStreamExt};
use tokio::sync::Mutex;
use tokio::time::Interval;

/// Group commit: a write takes all events that came while the write before it was on its way.
///
/// One write at a time, so the order is kept, and what is stored has no gap.
pub async fn write_batches(
    events: EventStream,
    mut write: impl AsyncFnMut(Vec<Event>) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let mut batches = events.try_ready_chunks(1000);
    loop {
        match batches.try_next().await {
            Ok(Some(batch)) => write(batch).await?,
            Ok(None) => return Ok(()),
            // What came before the error is written first.
            Err(TryReadyChunksError(batch, error)) => {
                if !batch.is_empty() {
                    write(batch).await?;
                }
                return Err(error.into());
            }
        }
    }
}

/// For a store that takes one event at a time, and the same event twice: 64 writes at once.
///
/// The results come in the order of the events, so each ID given to `checkpoint` says that this event and
/// all before it are stored.
pub async fn write_ahead<F>(
    events: EventStream,
    mut write: impl FnMut(Event) -> F,
    mut checkpoint: impl FnMut(String),
) -> Result<(), BoxError>
where
    F: Future<Output = Result<(), BoxError>>,
{
    let writes = events.err_into::<BoxError>().map_ok(|event| {
        let id = event.last_event_id().to_owned();
        write(event).map_ok(move |()| id)
    });
    let mut stored = std::pin::pin!(writes.try_buffered(64));
    while let Some(id) = stored.try_next().await? {
        checkpoint(id);
    }
    Ok(())
}

/// A source that waits for its turn before each connect: all sources of a host share `turns`, for example
/// `tokio::time::interval(Duration::from_millis(10))` with `MissedTickBehavior::Delay`.
pub fn with_turns(
    client: Client,
    url: String,
    turns: Arc<Mutex<Interval>>,
) -> EventSource<'static> {
    EventSource::from_fn(move |_| {
        let (request, turns) = (client.get(&url), turns.clone());
        async move {
            turns.lock().await.tick().await;
            Ok(request)
        }
    })
}
