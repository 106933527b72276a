//! A server of numbered events, which reads on after the client's `Last-Event-ID`, and fails in
//! every way that real ones do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

use crate::screen;

/// How many events there are.
pub(crate) const EVENTS: usize = 64;
const EVENT_EVERY: Duration = Duration::from_millis(100);
/// The server sends a comment after this much silence. A real one waits 15 s.
const KEEP_ALIVE: Duration = Duration::from_millis(250);
/// Time for the client to read what was sent.
const BEAT: Duration = Duration::from_millis(50);
/// The reconnection time.
const RETRY: &str = "retry: 300\n\n";
const GREETINGS: [&str; 6] = [
    "hello",
    "bonjour",
    "γειά σου",
    "こんにちは",
    "olá",
    "привіт",
];

/// How a request fails.
#[derive(Clone, Copy)]
enum Fault {
    /// The connection breaks in the middle of this event.
    CutIn(usize),
    Unavailable,
    /// The stream ends cleanly after this event.
    EndAfter(usize),
    HangUp,
    /// Nothing comes after this event, not even a comment, and the connection stays open.
    SilentAfter(usize),
}

/// The n-th request has the n-th fault; later ones have none.
const FAULTS: [Fault; 5] = [
    Fault::CutIn(8),
    Fault::Unavailable,
    Fault::EndAfter(30),
    Fault::HangUp,
    Fault::SilentAfter(45),
];

type Body = Channel<Bytes, io::Error>;
/// The events so far: the n-th has the ID n.
type Log = watch::Receiver<Vec<String>>;

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    requests: AtomicUsize,
}

impl Server {
    /// Listens on a free port of the loopback interface, until the program ends.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (sender, log) = watch::channel(Vec::new());
        let server = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                log,
                requests: AtomicUsize::new(0),
            }),
        };
        tokio::spawn(write_log(sender));
        tokio::spawn(accept(listener, server.shared.clone()));
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// All events, whether or not a client has read them.
    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.log.borrow().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

/// Events happen whether or not a client is connected: it must catch up on what it missed.
async fn write_log(log: watch::Sender<Vec<String>>) {
    let mut clock = interval(EVENT_EVERY);
    for id in 1..=EVENTS {
        clock.tick().await;
        let greeting = GREETINGS[id % GREETINGS.len()];
        log.send_modify(|log| log.push(format!("{greeting} {id}")));
    }
    log.closed().await;
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, shared.clone()));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        // It fails where a fault is wanted, or where the client has gone.
        tokio::spawn(async { connection.await.ok() });
    }
}

/// An error closes the connection.
async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Body>> {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let fault = FAULTS.get(number).copied();
    match fault {
        Some(Fault::HangUp) => {
            screen::server("hangs up without a response");
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Some(Fault::Unavailable) => {
            screen::server("is overloaded: 503, Retry-After: 1");
            let mut response = Response::new(Channel::new(1).1);
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, 1.into());
            return Ok(response);
        }
        _ => {}
    }
    let seen = last_event_id(request.headers());
    let (sender, body) = Channel::new(1);
    tokio::spawn(stream(sender, shared, seen, fault));
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> usize {
    let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    id.and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// Sends the events after `seen`, then the end marker.
async fn stream(
    mut body: Sender<Bytes, io::Error>,
    shared: Arc<Shared>,
    seen: usize,
    fault: Option<Fault>,
) {
    let mut log = shared.log.clone();
    if body.send_data(RETRY.into()).await.is_err() {
        return;
    }
    for id in seen + 1..=EVENTS {
        match fault {
            Some(Fault::EndAfter(last)) if id > last => {
                announce("ends the stream, as for a restart").await;
                return;
            }
            Some(Fault::SilentAfter(last)) if id > last => {
                announce("falls silent; the connection looks alive").await;
                return std::future::pending().await;
            }
            _ => {}
        }
        let Some(event) = next_event(&mut body, &mut log, id).await else {
            return; // the client has gone
        };
        match fault {
            Some(Fault::CutIn(cut)) if id == cut => {
                let half = event.slice(..event.len() / 2);
                announce(&format!("cuts the connection in the middle of event {id}")).await;
                let _ = body.send_data(half).await;
                sleep(BEAT).await; // hyper drops what it has not sent at an abort
                return body.abort(io::ErrorKind::ConnectionReset.into());
            }
            _ if body.send_data(event).await.is_err() => return,
            _ => {}
        }
    }
    let _ = body.send_data("event: end\ndata: end\n\n".into()).await;
}

/// Names a fault before it happens, and after the client has read what came before.
async fn announce(fault: &str) {
    sleep(BEAT).await;
    screen::server(fault);
}

/// Waits for this event. Sends comments meanwhile, so that the client knows that the server is
/// alive.
async fn next_event(
    body: &mut Sender<Bytes, io::Error>,
    log: &mut Log,
    id: usize,
) -> Option<Bytes> {
    while timeout(KEEP_ALIVE, log.wait_for(|log| log.len() >= id))
        .await
        .is_err()
    {
        body.send_data(": keep-alive\n\n".into()).await.ok()?;
    }
    let log = log.borrow();
    Some(format!("id: {id}\ndata: {}\n\n", log.get(id - 1)?).into())
}
