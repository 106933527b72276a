//! A server that ends after three events, goes on where the client says, and has nine of them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]
#![allow(clippy::unwrap_used)] // a server that cannot be set up is a failed test

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use axum::{Router, serve};
use fetch_event_source::{ErrorKind, EventSource, RetryPolicy, Signal};
use futures_util::{StreamExt, stream};
use tokio::net::{TcpListener, TcpSocket};

/// A request that request.
pub struct Received {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Log = Arc<Mutex<Vec<Received>>>;

pub struct Server {
    pub origin: String,
    log: Log,
}

impl Server {
    pub async fn start() -> Self {
        let log = Log::default();
        let routes = Router::new()
            .route("/events", any(events))
            .route("/moved", any(async || Redirect::temporary("/events")))
            .with_state(log.clone());
        Self {
            origin: start(routes).await,
            log,
        }
    }

    pub fn url(&self) -> String {
        format!("{}/events", self.origin)
    }

    /// Maps the requests so far, in order.
    pub fn requests<T>(&self, what: impl FnMut(&Received) -> T) -> Vec<T> {
        self.log.lock().unwrap().iter().map(what).collect()
    }

    pub fn sent_ids(&self) -> Vec<String> {
        let id = |request: &Received| request.headers.get("last-event-id").cloned();
        let text = |id: axum::http::HeaderValue| id.to_str().unwrap().to_owned();
        self.requests(|request| id(request).map(text).unwrap_or_default())
    }
}

/// Serves these; gives their origin.
pub async fn start(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener, routes).await });
    format!("http://{address}")
}

async fn events(
    State(log): State<Log>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let last: u32 = last.unwrap_or(0);
    log.lock().unwrap().push(Received {
        method,
        headers,
        body,
    });
    if last >= 9 {
        return StatusCode::NO_CONTENT.into_response();
    }
    let event = |id: u32| {
        Sent::default()
            .event("count")
            .retry(Duration::from_millis(1))
            .id(id.to_string())
            .data(id.to_string())
    };
    let events = stream::iter(last + 1..=last + 3).map(move |id| Ok::<_, Infallible>(event(id)));
    let set_cookie = [("set-cookie", "seen=yes")];
    (set_cookie, Sse::new(events)).into_response()
}

/// Reconnects at once, and again and again.
pub fn eager() -> RetryPolicy {
    RetryPolicy::persistent()
        .base_delay(Duration::from_millis(1))
        .jitter(0)
}

pub fn one_to_nine() -> Vec<String> {
    (1..=9).map(|id| id.to_string()).collect()
}

/// The IDs of the events that a source gives, to its end.
pub async fn ids(source: EventSource<'static>) -> Vec<String> {
    let mut events = source.retry(eager()).stream();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.expect("no error");
        assert_eq!(
            (event.event_type(), event.data()),
            ("count", event.last_event_id())
        );
        ids.push(event.last_event_id().to_owned());
    }
    ids
}

/// A port that is taken, and refuses.
pub struct Refusing(TcpSocket);

impl Refusing {
    pub fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub fn url(&self) -> String {
        format!("http://{}/secret", self.0.local_addr().unwrap())
    }
}

/// A POST that was refused is sent again, for the server has not seen it; and the error tells no URL.
pub async fn is_sent_again_where_it_was_never_sent(source: EventSource<'static>) {
    let mut signals = source.retry(eager().max_retries(2)).signals();
    for _ in 0..2 {
        assert!(matches!(
            signals.next().await,
            Some(Ok(Signal::Retrying { .. }))
        ));
    }
    let error = signals
        .next()
        .await
        .expect("it gives up")
        .expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::NoResponse);
    assert!(error.is_connect());
    assert!(!format!("{error:?}").contains("secret"));
}
