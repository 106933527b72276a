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
use crate::tail::{Server, Tail};

/// A quiet connection says this often that it lives, and how far the log is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a client is sent at once.
const CHUNK: usize = 64 << 10;
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

/// The position at which a client begins, and whether it asked for another one.
struct Begin {
    seen: u64,
    is_reset: bool,
}

async fn subscribe(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Response {
    let id = headers.get(header::HeaderName::from_static("last-event-id"));
    let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()));
    let begun = match server.sources.get(&name).await {
        _ if check_name(&name).is_err() => return StatusCode::NOT_FOUND.into_response(),
        Ok(None) => return (StatusCode::NOT_FOUND, "no such source").into_response(),
        Ok(Some(_)) => server.clone().begin(&name, id.as_deref(), start.from.as_deref()).await,
        Err(error) => Err(error.into()),
    };
    let (tail, begin) = match begun {
        Ok(begun) => begun,
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
            () = tail.over.cancelled() => {}
            () = out.closed() => {}
            Err(error) = server.send(&name, &tail, begin, &out) => {
                warn!(source = name, error = format!("{error:#}"), "a client is broken off");
            }
        }
        server.metrics.clients.dec();
    });
    let chunks = futures_util::stream::poll_fn(move |cx| chunks.poll_recv(cx));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(chunks.map(Ok::<Bytes, Infallible>))).into_response()
}

impl Server {
    async fn begin(
        self: Arc<Self>,
        name: &str,
        id: Option<&str>,
        from: Option<&str>,
    ) -> Result<(Arc<Tail>, Begin)> {
        let partition = self.names.partition_of(name);
        let tail = self.clone().tail(partition).await?;
        if id.is_none() && from != Some("start") {
            let seen = tail.start.max(*tail.read.borrow());
            return Ok((tail, Begin { seen, is_reset: false }));
        }
        let state = self.stream(partition).await?.get_info().await?.state;
        let before = state.first_sequence.saturating_sub(1);
        let Some(id) = id else { return Ok((tail, Begin { seen: before, is_reset: false })) };
        let seen = id.rsplit_once('-').filter(|(generation, _)| *generation == tail.generation);
        let seen = seen.and_then(|(_, sequence)| sequence.parse::<u64>().ok());
        let begin = match seen.filter(|seen| (before..=state.last_sequence).contains(seen)) {
            Some(seen) => Begin { seen, is_reset: false },
            None => Begin { seen: before, is_reset: true },
        };
        Ok((tail, begin))
    }

    /// From the log while the client is behind what is in memory, then from memory.
    async fn send(
        &self,
        name: &str,
        tail: &Tail,
        begin: Begin,
        out: &mpsc::Sender<Bytes>,
    ) -> Result<()> {
        let mut seen = begin.seen;
        // Not all come back at once when this process goes away.
        // The ID at once, so that a client which is cut off before its first event misses none.
        let (retry, id) = (fastrand::u32(1000..4000), tail.id(seen));
        out.send(format!("retry: {retry}\nid: {id}\n\n").into()).await?;
        if begin.is_reset {
            self.metrics.resets.inc();
            let reset = Event::new(tail.id(seen + 1)).with_type(RESET);
            out.send(reset.with_last_event_id(tail.id(seen)).to_string().into()).await?;
        }
        let channel = tail.channel(name);
        let mut newest = channel.newest.subscribe();
        loop {
            newest.borrow_and_update();
            let read = *tail.read.borrow();
            match channel.after(seen, CHUNK) {
                None => seen = self.catch_up(name, tail, seen, out).await?,
                Some((_, events)) if events.is_empty() => {
                    seen = seen.max(read);
                    if let Ok(changed) = timeout(KEEP_ALIVE, newest.changed()).await {
                        changed?;
                    } else {
                        // With the ID, so that it does not age out while the source is quiet.
                        out.send(format!(":\nid: {}\n\n", tail.id(seen)).into()).await?;
                    }
                }
                Some((last, mut events)) => {
                    self.metrics.served.inc_by(events.len() as u64);
                    let chunk = match events.len() {
                        1 => events.remove(0),
                        _ => events.concat().into(),
                    };
                    out.send(chunk).await?;
                    seen = last;
                }
            }
        }
    }

    /// One event at a time, as the client takes them: of a slow one nothing lies in memory.
    async fn catch_up(
        &self,
        name: &str,
        tail: &Tail,
        mut seen: u64,
        out: &mpsc::Sender<Bytes>,
    ) -> Result<u64> {
        let stream = self.stream(self.names.partition_of(name)).await?;
        let (subject, until) = (self.names.subject("event", name), *tail.read.borrow());
        while seen < until {
            let next = stream.raw_message_builder().sequence(seen + 1).next_by_subject(&subject);
            let message = match next.send().await {
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                message => message?,
            };
            seen = message.sequence;
            out.send(tail.encode(seen, &message.headers, &message.payload)).await?;
            self.metrics.served.inc();
        }
        Ok(seen.max(until))
    }
}
