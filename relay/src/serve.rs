//! The logs as server-sent events. An event's ID is its log's generation and its sequence there, so that a
//! client may go on at any machine.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_nats::jetstream::stream::RawMessageErrorKind;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use fetch_event_source::Event;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::names::check_name;
use crate::nats::TIMEOUT;
use crate::tail::{Next, Server, Tail};

/// A quiet connection says this often that it lives, and how far the log is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Tells a client that its ID is not of this log, or too old. It goes on with the first event that is there.
pub const RESET: &str = "relay.reset";

pub fn router(server: Server) -> Router {
    let metrics = server.metrics.router();
    Router::new()
        .route("/sources/{name}", get(subscribe))
        .with_state(Arc::new(server))
        .merge(metrics)
}

#[derive(serde::Deserialize)]
struct Start {
    /// `start`: for a client without an ID, all that the log has. Otherwise what comes from now on.
    from: Option<String>,
}

/// Where a client begins. It is reset if it asked for a place that this log does not have.
struct Begin {
    tail: Arc<Tail>,
    seen: u64,
    is_reset: bool,
}

async fn subscribe(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Response {
    let id = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
    let id = id.filter(|id| !id.is_empty());
    let begun = server.clone().begin(&name, id.as_deref(), start.from.as_deref() == Some("start"));
    let begin = match timeout(TIMEOUT * 2, begun).await.map_err(anyhow::Error::from).flatten() {
        Ok(Some(begin)) => begin,
        Ok(None) => return (StatusCode::NOT_FOUND, "no such source").into_response(),
        Err(error) => {
            warn!(source = name, error = format!("{error:#}"), "a client is asked to come again");
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
        }
    };
    let (out, mut chunks) = mpsc::channel(2);
    tokio::spawn(async move {
        server.metrics.clients.inc();
        tokio::select! {
            () = server.stop.cancelled() => {}
            () = begin.tail.over.cancelled() => {}
            () = out.closed() => {}
            Err(error) = server.send(&name, &begin, &out) => {
                warn!(source = name, error = format!("{error:#}"), "a client is broken off");
            }
        }
        server.metrics.clients.dec();
    });
    let chunks = futures_util::stream::poll_fn(move |cx| chunks.poll_recv(cx));
    let headers = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(chunks.map(Ok::<Bytes, Infallible>))).into_response()
}

impl Server {
    /// `None`: there is no such source.
    async fn begin(
        self: Arc<Self>,
        name: &str,
        id: Option<&str>,
        from_start: bool,
    ) -> Result<Option<Begin>> {
        if check_name(name).is_err() || self.sources.get(name).await?.is_none() {
            return Ok(None);
        }
        let partition = self.names.partition_of(name);
        let tail = self.clone().tail(partition).await?;
        if id.is_none() && !from_start {
            let seen = tail.start.max(tail.read());
            return Ok(Some(Begin { tail, seen, is_reset: false }));
        }
        let state = self.stream(partition).await?.get_info().await?.state;
        let before = state.first_sequence.saturating_sub(1);
        let asked = id.and_then(|id| id.rsplit_once('-'));
        let asked = asked.filter(|(generation, _)| *generation == tail.generation);
        let asked = asked.and_then(|(_, sequence)| sequence.parse::<u64>().ok());
        let asked = asked.filter(|seen| (before..=state.last_sequence).contains(seen));
        let is_reset = id.is_some() && asked.is_none();
        Ok(Some(Begin { tail, seen: asked.unwrap_or(before), is_reset }))
    }

    /// From the log while the client is behind what is in memory, then from memory. One event at a time, as the
    /// client takes them: of a slow one nothing lies in memory.
    async fn send(&self, name: &str, begin: &Begin, out: &mpsc::Sender<Bytes>) -> Result<()> {
        let (tail, mut seen) = (&begin.tail, begin.seen);
        // Not all come back at once when this process goes away. The ID at once, so that a client which is cut
        // off before its first event misses none.
        let (retry, id) = (fastrand::u32(1000..4000), tail.id(seen));
        out.send(format!("retry: {retry}\nid: {id}\n\n").into()).await?;
        if begin.is_reset {
            self.metrics.resets.inc();
            let reset = Event::new(tail.id(seen + 1)).with_type(RESET);
            out.send(reset.with_last_event_id(tail.id(seen)).to_string().into()).await?;
        }
        let mut ring = tail.listen(name);
        loop {
            let read = tail.read();
            let mut next = ring.borrow_and_update().next(seen);
            if matches!(next, Next::InLog) {
                next = self.next_in_log(name, tail, seen).await?;
            }
            match next {
                Next::Event(sequence, event) => {
                    out.send(event).await?;
                    seen = sequence;
                    self.metrics.served.inc();
                }
                // All that had been read was there: go on behind it, or wait.
                Next::Later | Next::InLog if seen < read => seen = read,
                Next::Later | Next::InLog => {
                    if let Ok(changed) = timeout(KEEP_ALIVE, ring.changed()).await {
                        changed?;
                    } else {
                        // With the ID, so that it does not age out while the source is quiet.
                        out.send(format!(":\nid: {}\n\n", tail.id(seen)).into()).await?;
                    }
                }
            }
        }
    }

    async fn next_in_log(&self, name: &str, tail: &Tail, seen: u64) -> Result<Next> {
        let stream = self.stream(self.names.partition_of(name)).await?;
        let subject = self.names.subject("event", name);
        let next = stream.raw_message_builder().sequence(seen + 1).next_by_subject(subject);
        match next.send().await {
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(Next::Later),
            message => {
                let message = message?;
                let event = tail.encode(message.sequence, &message.headers, &message.payload);
                Ok(Next::Event(message.sequence, event))
            }
        }
    }
}
