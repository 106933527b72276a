//! A proxy between a client and its server: it counts requests and open connections, and cuts.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;

/// A port of the harness, in front of a server's.
pub(crate) struct Tap {
    address: SocketAddr,
    /// Bound without listening, so that the port stays reserved while it refuses connections.
    _reserve: Socket,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// The head of a request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) path: String,
    headers: HashMap<String, String>,
}

impl Request {
    /// Values by name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

struct Shared {
    upstream: u16,
    state: Mutex<State>,
    /// The number of open connections.
    open: watch::Sender<usize>,
    /// The fault of all connections.
    order: watch::Sender<Order>,
    /// Changes with each request, and each counted line.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    most_open: usize,
    connections: usize,
    cut: Option<Cut>,
    /// The beginning of a line, and how many such lines passed.
    lines: HashMap<&'static str, usize>,
}

impl State {
    fn times_asked(&self) -> usize {
        match self.requests.len() {
            0 => self.connections,
            requests => requests,
        }
    }
}

/// After this many lines with this beginning, on each of this many connections.
#[derive(Clone, Copy)]
struct Cut {
    line: &'static str,
    after: usize,
    connections: usize,
}

/// A fault of the connections that are open when its number changes.
#[derive(Clone, Copy, Default)]
struct Order {
    number: u64,
    fault: Fault,
}

/// A fault of a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fault {
    /// It ends, on both sides.
    #[default]
    Close,
    /// Nothing passes any more, and nothing ends.
    Stall,
}

impl Tap {
    /// Listens in front of the server on this port.
    pub(crate) async fn before(upstream: u16) -> io::Result<Self> {
        let reserve = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = reserve.local_addr()?.as_socket();
        let mut tap = Self {
            address: address.ok_or(io::ErrorKind::AddrNotAvailable)?,
            _reserve: reserve,
            shared: Arc::new(Shared {
                upstream,
                state: Mutex::default(),
                open: watch::Sender::new(0),
                order: watch::Sender::default(),
                news: watch::Sender::new(0),
            }),
            listener: None,
        };
        tap.accept()?;
        Ok(tap)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    pub(crate) fn tls_url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port())
    }

    /// Stops listening: new connections are refused, and open ones stay.
    pub(crate) async fn refuse(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
            let _ = listener.await; // aborted
        }
    }

    /// Listens (again).
    pub(crate) fn accept(&mut self) -> io::Result<()> {
        let socket = bound(self.address)?;
        socket.listen(64)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let shared = self.shared.clone();
        self.listener = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, shared.clone()));
            }
        }));
        Ok(())
    }

    /// Ends the open connections.
    pub(crate) fn cut(&self) {
        self.affect_open(Fault::Close);
    }

    /// Makes the open connections go silent.
    pub(crate) fn stall(&self) {
        self.affect_open(Fault::Stall);
    }

    fn affect_open(&self, fault: Fault) {
        self.shared.order.send_modify(|order| {
            order.number += 1;
            order.fault = fault;
        });
    }

    /// Ends the next connections, each right after this many lines with this beginning.
    pub(crate) fn cut_behind(&self, line: &'static str, after: usize, connections: usize) {
        self.shared.lock().cut = Some(Cut {
            line,
            after,
            connections,
        });
    }

    /// Counts the lines with this beginning from now on.
    pub(crate) fn count(&self, line: &'static str) {
        self.shared.lock().lines.insert(line, 0);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    pub(crate) fn most_open(&self) -> usize {
        self.shared.lock().most_open
    }

    /// Waits until this many requests were made; returns whether they were.
    pub(crate) async fn requested(&self, enough: usize) -> bool {
        self.until(|state| state.requests.len() >= enough).await
    }

    /// Returns the number of requests or, if they cannot be read, of connections.
    pub(crate) fn times_asked(&self) -> usize {
        self.shared.lock().times_asked()
    }

    /// Waits until that number is reached; returns whether it is.
    pub(crate) async fn asked(&self, enough: usize) -> bool {
        self.until(|state| state.times_asked() >= enough).await
    }

    /// Returns how many lines with this beginning passed since they are counted.
    pub(crate) fn lines(&self, line: &'static str) -> usize {
        self.shared.lock().lines.get(line).copied().unwrap_or(0)
    }

    /// Waits until this many lines with this beginning passed; returns whether they did.
    pub(crate) async fn went_by(&self, line: &'static str, enough: usize) -> bool {
        self.until(|state| state.lines.get(line).is_some_and(|&lines| lines >= enough))
            .await
    }

    async fn until(&self, enough: impl Fn(&State) -> bool) -> bool {
        let mut news = self.shared.news.subscribe();
        let met = news.wait_for(|_| enough(&self.shared.lock()));
        timeout(PATIENCE, met).await.is_ok()
    }

    /// Returns how many connections are still open after this time.
    pub(crate) async fn left_open(&self, patience: Duration) -> usize {
        let mut open = self.shared.open.subscribe();
        let _ = timeout(patience, open.wait_for(|&open| open == 0)).await;
        *self.shared.open.borrow()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        self.cut();
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.news.send_modify(|news| *news += 1);
    }

    fn opened(&self) {
        self.open.send_modify(|open| *open += 1);
        let open = *self.open.borrow();
        self.change(|state| {
            state.connections += 1;
            state.most_open = state.most_open.max(open);
        });
    }
}

/// Counts an open connection until this is dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// A connection, from its beginning to its end.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut order = shared.order.subscribe();
    order.mark_unchanged();
    shared.opened();
    let open = Open(shared.clone());
    // Errors and faults also end it.
    let _ = exchange(client, &shared, &mut order).await;
    drop(open);
}

async fn exchange(
    mut client: TcpStream,
    shared: &Shared,
    order: &mut watch::Receiver<Order>,
) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut asked = Requests::default();
    let mut answered = Lines::default();
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            biased;
            changed = order.changed() => {
                let fault = order.borrow_and_update().fault;
                if changed.is_err() || fault == Fault::Close {
                    return Ok(());
                }
                return swallow(client, order).await;
            }
            read = client.read(&mut up) => {
                let bytes = &up[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                asked.read(bytes, shared);
                server.write_all(bytes).await?;
            }
            read = server.read(&mut down) => {
                let bytes = &down[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                let cut = answered.read(bytes, shared);
                client.write_all(&bytes[..cut.unwrap_or(bytes.len())]).await?;
                if cut.is_some() {
                    return Ok(());
                }
            }
        }
    }
}

/// Runs until the client closes.
async fn swallow(mut client: TcpStream, order: &mut watch::Receiver<Order>) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        tokio::select! {
            read = client.read(&mut bytes) => if read? == 0 { return Ok(()) },
            changed = order.changed() => {
                if changed.is_err() || order.borrow_and_update().fault == Fault::Close {
                    return Ok(());
                }
            }
        }
    }
}

/// The requests on one connection. Only plain HTTP/1.1 has any.
#[derive(Default)]
struct Requests {
    unread: Vec<u8>,
    /// The rest of a body in flight.
    body: usize,
}

impl Requests {
    fn read(&mut self, bytes: &[u8], shared: &Shared) {
        self.unread.extend_from_slice(bytes);
        loop {
            let body = self.body.min(self.unread.len());
            self.unread.drain(..body);
            self.body -= body;
            let (request, length) = match head(&self.unread) {
                Ok(Some(head)) => head,
                Ok(None) => return, // the head is incomplete
                Err(_) => return self.unread.clear(),
            };
            self.unread.drain(..length);
            let content_length = request.header("content-length");
            let content_length = content_length.and_then(|value| value.parse().ok());
            self.body = content_length.unwrap_or(0);
            shared.change(|state| state.requests.push(request));
        }
    }
}

/// Returns the first request and the length of its head.
fn head(bytes: &[u8]) -> Result<Option<(Request, usize)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes)? else {
        return Ok(None);
    };
    let headers = request.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_ascii_lowercase(), value)
    });
    let request = Request {
        at: Instant::now(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
    };
    Ok(Some((request, length)))
}

/// The lines on one connection towards the client.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// The beginning of the line for the next cut.
    matched: usize,
}

impl Lines {
    /// Returns where to cut these bytes, if at all.
    fn read(&mut self, bytes: &[u8], shared: &Shared) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if self.ends_at(&line, shared) {
                return Some(at + 1);
            }
        }
        None
    }

    fn ends_at(&mut self, line: &[u8], shared: &Shared) -> bool {
        let mut counted = false;
        let mut state = shared.lock();
        for (beginning, lines) in &mut state.lines {
            if line.starts_with(beginning.as_bytes()) {
                *lines += 1;
                counted = true;
            }
        }
        let is_cut = state.cut.as_mut().is_some_and(|cut| {
            self.matched += usize::from(line.starts_with(cut.line.as_bytes()));
            let is_cut = cut.connections > 0 && self.matched == cut.after;
            cut.connections -= usize::from(is_cut);
            is_cut
        });
        drop(state);
        if counted {
            shared.news.send_modify(|news| *news += 1);
        }
        is_cut
    }
}
