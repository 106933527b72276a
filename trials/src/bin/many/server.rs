//! The server: streams with occasional events, answers that end at once, and a flood.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::{Args, BoxError, crowd, flood};

/// How many may arrive at the same moment.
const BACKLOG: u32 = 8192;

/// The server's counts.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Streams and reconnections, not questions for this.
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// Bytes of bodies that the kernel has taken.
    pub(crate) written: usize,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    written: AtomicUsize,
}

/// Counts a stream as long as it is open.
struct Open<'a>(&'a Counts);

impl Counts {
    fn open(&self) -> Open<'_> {
        self.requests.fetch_add(1, SeqCst);
        let open = self.open.fetch_add(1, SeqCst) + 1;
        self.most_open.fetch_max(open, SeqCst);
        Open(self)
    }

    fn seen(&self) -> Seen {
        Seen {
            connections: self.connections.load(SeqCst),
            requests: self.requests.load(SeqCst),
            open: self.open.load(SeqCst),
            most_open: self.most_open.load(SeqCst),
            written: self.written.load(SeqCst),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

struct Shared {
    streams: usize,
    events: usize,
    seconds: u64,
    seed: u64,
    flood: usize,
    counts: Counts,
    /// The streams start when all of them are open.
    start: watch::Sender<Option<Instant>>,
}

/// Serves until its standard input ends.
pub(crate) async fn serve(args: &Args) -> Result<(), BoxError> {
    let shared = Arc::new(Shared {
        streams: args.streams,
        events: args.events,
        seconds: args.seconds,
        seed: args.seed,
        flood: args.flood,
        counts: Counts::default(),
        start: watch::Sender::new(None),
    });
    let (bodies, address) = listen()?;
    let (answers, again) = listen()?;
    println!("{address} {again}");
    io::stdout().flush()?;
    tokio::spawn(accept(bodies, Arc::clone(&shared), write));
    tokio::spawn(accept(answers, shared, answer));
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

fn listen() -> Result<(TcpListener, std::net::SocketAddr), BoxError> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept<F>(
    listener: TcpListener,
    shared: Arc<Shared>,
    serve: fn(TcpStream, Arc<Shared>) -> F,
) where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let serving = serve(socket, Arc::clone(&shared));
                // A client that leaves is not a fault.
                tokio::spawn(async move { drop(serving.await) });
            }
            Err(error) => return eprintln!("accept: {error}"),
        }
    }
}

/// Answers one request, and counts every byte written.
async fn write(mut socket: TcpStream, shared: Arc<Shared>) -> Result<(), BoxError> {
    socket.set_nodelay(true)?;
    let head = head(&mut socket).await?;
    let target = head.split(' ').nth(1).ok_or("no target")?;
    let counts = &shared.counts;
    if target == "/seen" {
        let seen = serde_json::to_string(&counts.seen())?;
        let length = seen.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        return Ok(socket
            .write_all(&[head.as_bytes(), seen.as_bytes()].concat())
            .await?);
    }
    counts.connections.fetch_add(1, SeqCst);
    let _open = counts.open();
    socket
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
        )
        .await?;
    match target.strip_prefix("/crowd/") {
        Some(stream) => now_and_then(&mut socket, &shared, stream.parse()?).await,
        None => as_fast_as_it_can(&mut socket, &shared).await,
    }
}

async fn head(socket: &mut TcpStream) -> Result<String, BoxError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut head).await? == 0 {
            return Err("a connection without a request".into());
        }
    }
    Ok(String::from_utf8(head)?)
}

/// Each stream by its own plan, from the moment at which all are open.
async fn now_and_then(
    socket: &mut TcpStream,
    shared: &Shared,
    stream: usize,
) -> Result<(), BoxError> {
    if shared.counts.open.load(SeqCst) == shared.streams {
        shared.start.send_replace(Some(Instant::now()));
    }
    let mut start = shared.start.subscribe();
    let start = start.wait_for(Option::is_some).await?.ok_or("no start")?;
    let times = crowd::times(shared.seed, stream, shared.events, shared.seconds);
    for (number, time) in times.into_iter().enumerate() {
        sleep_until(start + time).await;
        let event = crowd::event(stream, number);
        socket.write_all(event.as_bytes()).await?;
        shared.counts.written.fetch_add(event.len(), SeqCst);
    }
    // Until the client leaves.
    socket.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn as_fast_as_it_can(socket: &mut TcpStream, shared: &Shared) -> Result<(), BoxError> {
    for block in flood::blocks(shared.flood) {
        let mut rest = &block[..];
        while !rest.is_empty() {
            let written = socket.write(rest).await?;
            shared.counts.written.fetch_add(written, SeqCst);
            rest = &rest[written..];
        }
    }
    Ok(())
}

/// One event and the end, over HTTP/1.1 and HTTP/2, by hyper.
async fn answer(socket: TcpStream, shared: Arc<Shared>) -> Result<(), BoxError> {
    socket.set_nodelay(true)?;
    shared.counts.connections.fetch_add(1, SeqCst);
    let service = service_fn(|_: Request<Incoming>| {
        drop(shared.counts.open());
        let number = shared.counts.requests.load(SeqCst);
        let event = format!("retry: 1\nid: {number}\ndata: {number}\n\n");
        let response = Response::builder()
            .header("content-type", "text/event-stream")
            .body(Full::new(Bytes::from(event)));
        async move { Ok::<_, Infallible>(response.expect("a response")) }
    });
    auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await
}

/// Returns the counts of the server at that address.
pub(crate) async fn seen(address: &str) -> Result<Seen, BoxError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let seen = client.get(format!("http://{address}/seen"));
    let seen = seen.timeout(Duration::from_secs(10)).send().await?;
    Ok(serde_json::from_str(&seen.text().await?)?)
}
