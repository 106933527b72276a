//! A request in the hand of the test, with everything that can be done to its connection.

use std::{io, ops::Deref, sync::Arc, time::Duration};

use super::{
    connection::{ClientClose, Connection, ServerClose},
    request::Recorded,
    server::Shared,
};

/// The head of a good response whose body ends with the connection.
pub const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// The head of a good response with a chunked body.
pub const OK_CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One request and the connection it came on. Reads as the [`Recorded`] request.
///
/// Dropped, it closes the connection in order, like [`finish`](Self::finish): keep it for as long as the
/// connection is to stay open.
pub struct Exchange {
    request: Recorded,
    connection: Held,
    server: Arc<Shared>,
}

/// A connection that is closed when it is let go of.
struct Held(Arc<Connection>);

impl Exchange {
    pub(super) fn new(request: Recorded, server: Arc<Shared>) -> Self {
        Self {
            connection: Held(Arc::clone(request.connection())),
            request,
            server,
        }
    }

    /// The request, to keep beyond this exchange.
    pub fn request(&self) -> &Recorded {
        &self.request
    }

    /// Writes and flushes all of `bytes`, as they are.
    ///
    /// # Panics
    ///
    /// If the client has gone, or does not read for as long as the server's patience lasts. To see either as a
    /// result: [`try_send`](Self::try_send).
    pub async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.server
            .in_time("a client that reads", self.try_send(bytes))
            .await
            .unwrap_or_else(|error| panic!("the client of {:?} has gone: {error}", self.request));
    }

    /// Writes and flushes all of `bytes`, and waits for as long as the client does not read.
    ///
    /// To a socket the first write after the client's close still succeeds: that is TCP.
    pub async fn try_send(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.connection.0.write(bytes.as_ref()).await
    }

    /// Sends each byte by itself, with a pause after each.
    pub async fn send_bytewise(&self, bytes: impl AsRef<[u8]>, pause: Duration) {
        for byte in bytes.as_ref() {
            self.send([*byte]).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends [`OK`]: the stream is open, and ends with the connection.
    pub async fn ok(&self) {
        self.send(OK).await;
    }

    /// Sends [`OK`] and the first bytes of the body in one write.
    pub async fn ok_with(&self, body: impl AsRef<[u8]>) {
        self.send([OK.as_bytes(), body.as_ref()].concat()).await;
    }

    /// Sends [`OK_CHUNKED`]: the stream is open, and its body comes by [`chunk`](Self::chunk).
    pub async fn ok_chunked(&self) {
        self.send(OK_CHUNKED).await;
    }

    /// Sends `bytes` as one chunk, in one write. Empty bytes would be the last chunk, so they are refused.
    pub async fn chunk(&self, bytes: impl AsRef<[u8]>) {
        self.send(chunk(bytes)).await;
    }

    /// Sends the last chunk, which ends the body and not the connection.
    pub async fn last_chunk(&self) {
        self.send("0\r\n\r\n").await;
    }

    /// Closes in order: `[FIN]`. What was sent before arrives.
    pub fn finish(self) {
        self.connection.0.close(ServerClose::Fin);
    }

    /// Breaks off: `[RST]`. The client may lose what it has not read yet, so let it read first.
    pub fn reset(self) {
        self.connection.0.close(ServerClose::Rst);
    }

    /// Waits until the client closes its side, and says how it did.
    ///
    /// # Panics
    ///
    /// If it does not for as long as the server's patience lasts.
    pub async fn wait_closed(&self) -> ClientClose {
        let closed = self.connection.0.closed_by_client();
        self.server.in_time("a close by the client", closed).await
    }

    /// Whether the client closes its side within that time.
    pub async fn is_closed_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.connection.0.closed_by_client())
            .await
            .is_ok()
    }

    /// Waits for the next request on the same, kept-alive connection.
    ///
    /// # Panics
    ///
    /// If the client closes instead, or sends none for as long as the server's patience lasts.
    pub async fn next_request(self) -> Exchange {
        let server = Arc::clone(&self.server);
        server
            .in_time(
                "a request on the same connection",
                self.next_request_or_close(),
            )
            .await
            .expect("the client closed the connection instead of sending another request")
    }

    /// Waits for the next request on the same connection; `None` if the client closes instead.
    pub async fn next_request_or_close(self) -> Option<Exchange> {
        let request = self.connection.0.next_request().await?;
        let request = self.server.record(request, &self.connection.0);
        Some(Exchange { request, ..self })
    }

    /// Gives the connection back: the next request on it comes out of the server's `accept`, as one on a new
    /// connection would. For tests to which it is the same whether the client dials anew.
    pub fn keep_alive(self) {
        let server = Arc::clone(&self.server);
        let home = Arc::clone(&self.server);
        server.spawn(async move {
            if let Some(next) = self.next_request_or_close().await {
                home.wait_for_accept(next);
            }
        });
    }
}

impl Deref for Exchange {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.request
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.close(ServerClose::Fin);
    }
}

/// `bytes` framed as one chunk.
///
/// # Panics
///
/// If they are empty: that would be the last chunk.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    assert!(!bytes.is_empty(), "an empty chunk ends the body");
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
