//! The server without sockets, for paused time.

use std::{
    io,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use reqwest::ResponseBuilderExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    task::AbortHandle,
    time::Instant,
};

use super::{
    BoxError,
    connection::{Connection, Transport},
    script::Script,
    server::{ServerCore, Shared},
    watched::Watched,
};

/// What a pipe holds before a writer has to wait, in bytes.
const PIPE: usize = 64 * 1024;

/// Paused time passes at once when all is idle, so a test that waits for nothing fails at once, and no delay under
/// test is longer.
const PATIENCE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A server in memory, reached by [`fetch`](Self::fetch). Reads as a [`ServerCore`]: `accept`, `requests` and the
/// rest.
pub struct MemoryServer {
    core: ServerCore,
    entrance: Arc<Entrance>,
}

/// The answer to a request by [`MemoryServer::fetch`], to come.
pub type Fetching = Pin<Box<dyn Future<Output = Result<reqwest::Response, BoxError>> + Send>>;

/// Where the clients come in.
struct Entrance {
    shared: Arc<Shared>,
    listening: AtomicBool,
    refusals: Watched<Vec<Instant>>,
}

impl MemoryServer {
    /// Starts a server driven by hand: the test accepts each request.
    pub fn start() -> Self {
        Self::new(None)
    }

    /// Starts a server driven by a script: a list of replies, or a [`Script`].
    pub fn script(script: impl Into<Script>) -> Self {
        Self::new(Some(script.into()))
    }

    fn new(script: Option<Script>) -> Self {
        let core = ServerCore::new(script, PATIENCE);
        let entrance = Entrance {
            shared: Arc::clone(core.shared()),
            listening: AtomicBool::new(true),
            refusals: Watched::new(Vec::new()),
        };
        Self {
            core,
            entrance: Arc::new(entrance),
        }
    }

    /// A URL for requests given to [`fetch`](Self::fetch). The host is not looked at.
    pub fn url(&self, path: &str) -> String {
        format!("http://memory.test{path}")
    }

    /// The connector, of the type that the option `fetch` accepts.
    ///
    /// Each call opens a separate connection and speaks HTTP/1.1 over it, without redirects, pools or time
    /// limits. Dropping the future or the response closes the connection.
    pub fn fetch(
        &self,
    ) -> impl Fn(reqwest::Request) -> Fetching + Clone + Send + Sync + 'static + use<> {
        let entrance = Arc::clone(&self.entrance);
        move |request| Box::pin(fetch(Arc::clone(&entrance), request))
    }

    /// Refuses new connections from now on, with an `io::Error` of the kind `ConnectionRefused`.
    pub fn stop_listening(&self) {
        self.entrance.listening.store(false, Ordering::SeqCst);
    }

    /// Takes connections again.
    pub fn listen_again(&self) {
        self.entrance.listening.store(true, Ordering::SeqCst);
    }

    /// When connections were refused.
    pub fn refusals(&self) -> Vec<Instant> {
        self.entrance.refusals.lock().clone()
    }

    /// Waits until so many connections were refused, and gives the times of all.
    pub async fn wait_for_refusals(&self, count: usize) -> Vec<Instant> {
        let all = self
            .entrance
            .refusals
            .until(|refusals| (refusals.len() >= count).then(|| refusals.clone()));
        self.core
            .shared()
            .in_time(&format!("{count} refusals"), all)
            .await
    }
}

impl Deref for MemoryServer {
    type Target = ServerCore;

    fn deref(&self) -> &ServerCore {
        &self.core
    }
}

impl Drop for MemoryServer {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

impl Entrance {
    fn dial(&self) -> io::Result<(Pipe, Arc<Connection>)> {
        if !self.listening.load(Ordering::SeqCst) {
            self.refusals
                .update(|refusals| refusals.push(Instant::now()));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server) = Pipe::pair();
        Ok((client, self.shared.open(Box::new(server))))
    }
}

async fn fetch(
    entrance: Arc<Entrance>,
    request: reqwest::Request,
) -> Result<reqwest::Response, BoxError> {
    let (pipe, connection) = entrance.dial()?;
    let (mut sender, driver) = http1::handshake(TokioIo::new(pipe)).await?;
    let dialed = Dialed {
        connection,
        driver: tokio::spawn(driver).abort_handle(),
    };
    let url = request.url().clone();
    let response = sender.send_request(for_wire(request)?).await?;
    from_wire(response, url, dialed)
}

/// The request as HTTP/1.1 has it: a path for a target, and the host in a header.
fn for_wire(request: reqwest::Request) -> Result<http::Request<reqwest::Body>, BoxError> {
    let mut request: http::Request<reqwest::Body> = request.try_into()?;
    let uri = request.uri().clone();
    if let Some(host) = uri.authority() {
        let without_user = host.as_str().rsplit('@').next().unwrap_or_default();
        let host = without_user.parse()?;
        request
            .headers_mut()
            .entry(http::header::HOST)
            .or_insert(host);
    }
    *request.uri_mut() = uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .parse()?;
    Ok(request)
}

fn from_wire(
    response: http::Response<Incoming>,
    url: reqwest::Url,
    dialed: Dialed,
) -> Result<reqwest::Response, BoxError> {
    let (parts, incoming) = response.into_parts();
    let body = reqwest::Body::wrap(DialedBody {
        incoming,
        _dialed: dialed,
    });
    let mut response = http::Response::builder()
        .status(parts.status)
        .version(parts.version)
        .url(url)
        .body(body)?;
    *response.headers_mut() = parts.headers;
    Ok(response.into())
}

/// The client's hold on a connection: dropped, it is closed.
struct Dialed {
    connection: Arc<Connection>,
    driver: AbortHandle,
}

impl Drop for Dialed {
    fn drop(&mut self) {
        self.driver.abort();
        // The driver drops the pipe when it is next scheduled; the client has let go of it now.
        self.connection.note_client_close();
    }
}

/// A response's body with its connection.
struct DialedBody {
    incoming: Incoming,
    _dialed: Dialed,
}

impl Body for DialedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// One end of a connection in memory that, like a socket, tells a reset from an orderly end.
struct Pipe {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl Pipe {
    fn pair() -> (Self, Self) {
        let (client, server) = tokio::io::duplex(PIPE);
        let reset = Arc::new(AtomicBool::new(false));
        let end = |stream| Self {
            stream,
            reset: Arc::clone(&reset),
        };
        (end(client), end(server))
    }
}

impl Transport for Pipe {
    fn reset(self: Box<Self>) {
        self.reset.store(true, Ordering::SeqCst);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let at_end = buf.filled().len() == before;
        if at_end && self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
