//! One connection, seen from the server: bytes in, bytes out, and who closed it when.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::AbortHandle,
    time::Instant,
};

use super::{request::ParsedRequest, watched::Watched};

/// What a connection runs over: a socket, a pipe in memory, or any stream a test brings along.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Breaks the connection off, so that the peer sees a reset and not an orderly end.
    fn reset(self: Box<Self>);

    /// Moves what has already arrived into `inbox` without waiting; `true` if the peer's end was reached.
    ///
    /// For sockets: the kernel knows of a close before tokio does, and a count of open connections must not
    /// depend on which of two events tokio reports first.
    fn take_arrived(&mut self, _inbox: &mut Vec<u8>) -> io::Result<bool> {
        Ok(false)
    }
}

/// How the client closed its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClose {
    /// An orderly end of its stream.
    Fin,
    /// A reset. (A kernel also sends one for a socket that is closed before all was read from it.)
    Rst,
}

/// How the server closes.
#[derive(Clone, Copy)]
pub(super) enum ServerClose {
    Fin,
    Rst,
}

/// One connection. Its reader runs until either side closes.
pub(super) struct Connection {
    state: Watched<State>,
}

struct State {
    /// `None` once the server has closed.
    transport: Option<Box<dyn Transport>>,
    reader: Option<AbortHandle>,
    /// What the client sent and no request has taken yet.
    inbox: Vec<u8>,
    /// Everything the client ever sent has been in the inbox.
    drained: bool,
    closed_by_client: Option<ClientClose>,
    /// When the first of the two sides closed.
    closed_at: Option<Instant>,
}

impl Connection {
    /// Takes a connection over and starts to read from it.
    pub(super) fn start(transport: Box<dyn Transport>) -> Arc<Self> {
        let connection = Arc::new(Self {
            state: Watched::new(State {
                transport: Some(transport),
                reader: None,
                inbox: Vec::new(),
                drained: false,
                closed_by_client: None,
                closed_at: None,
            }),
        });
        let reader = tokio::spawn(Arc::clone(&connection).read_to_end());
        connection.state.lock().reader = Some(reader.abort_handle());
        connection
    }

    pub(super) fn closed_at(&self) -> Option<Instant> {
        self.state.lock().closed_at
    }

    /// Whether both sides still hold the connection, as of now and not as of tokio's last look.
    pub(super) fn is_open(&self) -> bool {
        self.state.update(|state| {
            state.take_arrived();
            state.transport.is_some() && state.closed_by_client.is_none()
        })
    }

    /// Waits for the next whole request; `None` if the client (or the server) closed before it was whole.
    pub(super) async fn next_request(&self) -> Option<ParsedRequest> {
        self.state.until(State::next_request).await
    }

    /// Waits until the client closes its side.
    pub(super) async fn closed_by_client(&self) -> ClientClose {
        self.state.until(|state| state.closed_by_client).await
    }

    /// Waits until either side closes.
    pub(super) async fn closed(&self) -> Instant {
        self.state.until(|state| state.closed_at).await
    }

    /// Writes and flushes everything.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written =
                poll_fn(|cx| self.with_transport(|transport| transport.poll_write(cx, rest)))
                    .await?;
            rest = &rest[written..];
        }
        poll_fn(|cx| self.with_transport(|transport| transport.poll_flush(cx))).await
    }

    /// Closes the server's side. A second close does nothing.
    pub(super) fn close(&self, how: ServerClose) {
        let transport = self.state.update(|state| {
            // Bytes left unread would turn the FIN into a reset.
            state.take_arrived();
            state.close()
        });
        let Some(mut transport) = transport else {
            return;
        };
        match how {
            ServerClose::Rst => transport.reset(),
            ServerClose::Fin => {
                let mut cx = Context::from_waker(Waker::noop());
                // If it would have to wait, the drop that follows closes too.
                let _ = Pin::new(&mut transport).poll_shutdown(&mut cx);
            }
        }
    }

    /// Notes that the client let go of the connection, before its end has come through the transport.
    pub(super) fn note_client_close(&self) {
        self.state
            .update(|state| state.client_closed(ClientClose::Fin));
    }

    async fn read_to_end(self: Arc<Self>) {
        while poll_fn(|cx| self.poll_read_some(cx)).await {}
    }

    /// Reads once; `false` at the end.
    fn poll_read_some(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut block = [0; 8192];
        let mut block = ReadBuf::new(&mut block);
        let read = ready!(self.with_transport(|transport| transport.poll_read(cx, &mut block)));
        Poll::Ready(self.state.update(|state| {
            state.inbox.extend_from_slice(block.filled());
            state.after_read(read.map(|()| block.filled().is_empty()));
            !state.drained
        }))
    }

    fn with_transport<R>(
        &self,
        poll: impl FnOnce(Pin<&mut dyn Transport>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match self.state.lock().transport.as_mut() {
            Some(transport) => poll(Pin::new(&mut **transport)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl State {
    fn take_arrived(&mut self) {
        let Some(transport) = self.transport.as_mut() else {
            return;
        };
        if !self.drained {
            let at_end = transport.take_arrived(&mut self.inbox);
            self.after_read(at_end);
        }
    }

    fn after_read(&mut self, at_end: io::Result<bool>) {
        match at_end {
            Ok(false) => return,
            Ok(true) => self.client_closed(ClientClose::Fin),
            Err(_) => self.client_closed(ClientClose::Rst),
        }
        self.drained = true;
    }

    fn client_closed(&mut self, how: ClientClose) {
        if self.transport.is_some() {
            self.closed_by_client.get_or_insert(how);
            self.closed_at.get_or_insert_with(Instant::now);
        }
    }

    fn close(&mut self) -> Option<Box<dyn Transport>> {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
        self.closed_at.get_or_insert_with(Instant::now);
        self.transport.take()
    }

    /// `Some(None)`: no further request can come.
    fn next_request(&mut self) -> Option<Option<ParsedRequest>> {
        match ParsedRequest::take_from(&mut self.inbox) {
            Some(request) => Some(Some(request)),
            None if self.drained || self.transport.is_none() => Some(None),
            None => None,
        }
    }
}
