//! An HTTP/2 server over TLS inside the test's process, with a certificate made for it, driven by hand.
//!
//! It can do to a connection what servers, proxies and networks do: end or reset a stream, send any GOAWAY, and go
//! black, which is to stay connected and neither read nor write.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
    server::TlsStream,
};

/// Long enough for the slowest machine, short enough for a person to wait for a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on `localhost` and a separate port. Dropping it closes all its connections.
pub struct H2Server {
    port: u16,
    certificate: Vec<u8>,
    requests: tokio::sync::Mutex<UnboundedReceiver<H2Exchange>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl H2Server {
    pub async fn start() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a configuration");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (sender, requests) = unbounded_channel();
        let connections = Arc::default();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = let_in(listener, acceptor, Arc::clone(&connections), sender);
        Self {
            port,
            certificate: cert.der().to_vec(),
            requests: tokio::sync::Mutex::new(requests),
            connections,
            accepting: tokio::spawn(accepting),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// How many connections were ever made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits for the next request.
    ///
    /// # Panics
    ///
    /// If none comes for 10 s.
    pub async fn accept(&self) -> H2Exchange {
        let mut requests = self.requests.lock().await;
        let request = timeout(PATIENCE, requests.recv()).await;
        request.expect("a request").expect("the server runs")
    }

    /// Waits for the next request and answers it: the stream is open.
    pub async fn open(&self) -> H2Exchange {
        let mut exchange = self.accept().await;
        exchange.ok();
        exchange
    }
}

impl Drop for H2Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn let_in(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    connections: Arc<AtomicUsize>,
    requests: UnboundedSender<H2Exchange>,
) {
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.expect("to accept a connection");
        socket.set_nodelay(true).expect("to switch Nagle off");
        let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
        let (acceptor, requests) = (acceptor.clone(), requests.clone());
        serving.spawn(async move {
            if let Ok(tls) = acceptor.accept(socket).await {
                serve(tls, number, requests).await;
            }
        });
    }
}

/// Until the client closes the connection.
async fn serve(tls: TlsStream<TcpStream>, number: usize, requests: UnboundedSender<H2Exchange>) {
    let line = Arc::new(Mutex::new(Line::default()));
    let (orders, mut ordered) = unbounded_channel();
    let (closing, closed) = watch::channel(false);
    let handle = H2Connection {
        number,
        line: Arc::clone(&line),
        orders,
        closed,
    };
    let Ok(mut connection) = h2::server::handshake(Wire { tls, line }).await else {
        return;
    };
    loop {
        tokio::select! {
            biased;
            Some(order) = ordered.recv() => match order {
                Order::ShutDown => connection.graceful_shutdown(),
                Order::Look => {} // the next poll does what the line says
                Order::Hang => break,
            },
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let request = request.map(drop);
                    let exchange = H2Exchange { request, respond, stream: None, connection: handle.clone() };
                    let _ = requests.send(exchange);
                }
                Some(Err(_)) | None => break,
            },
        }
    }
    drop(connection);
    let _ = closing.send(true);
}

enum Order {
    ShutDown,
    Look,
    Hang,
}

/// A connection, in the hand of the test.
#[derive(Clone)]
pub struct H2Connection {
    number: usize,
    line: Arc<Mutex<Line>>,
    orders: UnboundedSender<Order>,
    closed: watch::Receiver<bool>,
}

impl H2Connection {
    /// Its place among all connections of the server, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// From now on nothing is read or written, and the socket stays open: the peer's kernel answers, and nobody else.
    pub fn go_black(&self) {
        self.line().black = true;
    }

    /// GOAWAY as servers send it before they stop: what runs may end.
    pub fn shut_down(&self) {
        self.order(Order::ShutDown);
    }

    /// A GOAWAY that promises nothing of streams above `last_stream`.
    pub fn go_away(&self, last_stream: u32, reason: Reason) {
        let mut payload = last_stream.to_be_bytes().to_vec();
        payload.extend(u32::from(reason).to_be_bytes());
        self.inject(frame(GOAWAY, 0, &payload));
    }

    /// Frames that h2 knows nothing of, in one write. Nothing else may be on its way just now.
    fn inject(&self, frames: Vec<u8>) {
        self.line().to_inject = frames;
        self.order(Order::Look);
    }

    /// Closes the connection, with all its streams, without a word of HTTP.
    pub fn hang_up(&self) {
        self.order(Order::Hang);
    }

    /// How many bytes were written to it so far.
    pub fn written(&self) -> usize {
        *self.line().written.borrow()
    }

    /// Waits until more than so many bytes were written to it.
    ///
    /// # Panics
    ///
    /// If they are not for 10 s.
    pub async fn wrote_more_than(&self, bytes: usize) {
        let mut written = self.line().written.subscribe();
        let more = timeout(PATIENCE, written.wait_for(|&written| written > bytes)).await;
        more.expect("more bytes").expect("an open connection");
    }

    /// Waits until it is closed.
    ///
    /// # Panics
    ///
    /// If it is not for 10 s.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        let waited = timeout(PATIENCE, closed.wait_for(|closed| *closed)).await;
        // An error: the task is gone, and the connection with it.
        let _ = waited.expect("the connection to be closed");
    }

    pub fn is_closed(&self) -> bool {
        *self.closed.borrow() || self.closed.has_changed().is_err()
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("an open connection");
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, in the hand of the test. Dropped before it was answered or ended, its stream is reset with CANCEL.
pub struct H2Exchange {
    request: http::Request<()>,
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    connection: H2Connection,
}

impl H2Exchange {
    pub fn connection(&self) -> &H2Connection {
        &self.connection
    }

    /// The ID of its stream: 1 for the first of a connection, then 3, 5, …
    pub fn stream_id(&self) -> u32 {
        self.respond.stream_id().as_u32()
    }

    /// The value of its `Last-Event-ID` header, if it has one.
    pub fn last_event_id(&self) -> Option<&str> {
        let value = self.request.headers().get("last-event-id")?;
        Some(value.to_str().expect("ASCII"))
    }

    /// Answers with the head of a stream.
    pub fn ok(&mut self) {
        let head = http::Response::builder().header("content-type", "text/event-stream");
        let head = head.body(()).expect("a head");
        self.stream = Some(self.respond.send_response(head, false).expect("to answer"));
    }

    /// Hands bytes to the connection, whether or not the client takes them.
    pub fn send(&mut self, bytes: impl Into<Bytes>) {
        self.stream()
            .send_data(bytes.into(), false)
            .expect("to send");
    }

    /// Sends bytes as the client makes room for them; `false` if it has reset the stream.
    pub async fn send_within_window(&mut self, bytes: Bytes) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let stream = self.stream();
            stream.reserve_capacity(rest.len());
            let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
                return false;
            };
            let part = rest.split_to(room.min(rest.len()));
            if stream.send_data(part, false).is_err() {
                return false;
            }
        }
        true
    }

    /// END_STREAM.
    pub fn end(mut self) {
        self.stream().send_data(Bytes::new(), true).expect("to end");
    }

    /// END_STREAM, on trailers.
    pub fn end_with_trailers(mut self) {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-trailer", "data: no".parse().expect("a value"));
        self.stream().send_trailers(trailers).expect("to end");
    }

    /// RST_STREAM.
    pub fn reset(mut self, reason: Reason) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    /// DATA and RST_STREAM in one write. (h2 would leave the data out.) What was sent before must have arrived.
    pub fn reset_at_once_after(&self, bytes: impl AsRef<[u8]>, reason: Reason) {
        let stream = self.stream_id();
        let reason = u32::from(reason).to_be_bytes();
        let data = frame(DATA, stream, bytes.as_ref());
        self.connection
            .inject([data, frame(RST_STREAM, stream, &reason)].concat());
    }

    /// Waits until the client resets the stream, or the connection ends (`None`).
    ///
    /// # Panics
    ///
    /// If neither happens for 10 s.
    pub async fn reset_by_client(&mut self) -> Option<Reason> {
        let stream = self.stream();
        let reset = timeout(PATIENCE, poll_fn(|cx| stream.poll_reset(cx))).await;
        reset.expect("the client to let go").ok()
    }

    fn stream(&mut self) -> &mut SendStream<Bytes> {
        self.stream.as_mut().expect("a stream that is answered")
    }
}

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// RFC 9113, section 4.1, without flags.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a small frame")
        .to_be_bytes();
    [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
}

/// What happens to the bytes of a connection besides HTTP.
#[derive(Default)]
struct Line {
    black: bool,
    /// Goes out before the next read.
    to_inject: Vec<u8>,
    written: watch::Sender<usize>,
}

struct Wire {
    tls: TlsStream<TcpStream>,
    line: Arc<Mutex<Line>>,
}

impl Wire {
    /// Pending for ever where it is black.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.black {
            return Poll::Pending;
        }
        while !line.to_inject.is_empty() {
            let written = ready!(Pin::new(&mut self.tls).poll_write(cx, &line.to_inject))?;
            line.to_inject.drain(..written);
            ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_line(cx))?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_line(cx))?;
        let written = ready!(Pin::new(&mut self.tls).poll_write(cx, buf))?;
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.written.send_modify(|sum| *sum += written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_line(cx))?;
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_line(cx))?;
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
