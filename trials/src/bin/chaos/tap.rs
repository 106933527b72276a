//! A socket that can be cut at a byte while another task writes to it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::server::reset_when_dropped;

/// What happens at the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing can be written any more.
    End,
    /// Everything written vanishes.
    Stall,
}

#[derive(Debug, Default)]
struct State {
    written: usize,
    /// After how many more bytes.
    cut: Option<(usize, Cut)>,
    /// It ends with a reset.
    resets: bool,
}

/// The handle that cuts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Valve(Rc<RefCell<State>>);

impl Valve {
    pub(crate) fn cut_after(&self, bytes: usize, cut: Cut) {
        self.0.borrow_mut().cut = Some((bytes, cut));
    }

    /// Whenever the connection ends, it is by a reset.
    pub(crate) fn end_by_reset(&self) {
        self.0.borrow_mut().resets = true;
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.borrow().cut.is_some()
    }

    /// How many bytes went through.
    pub(crate) fn written(&self) -> usize {
        self.0.borrow().written
    }
}

pub(crate) struct Tap {
    stream: TcpStream,
    valve: Valve,
}

impl Tap {
    pub(crate) fn new(stream: TcpStream) -> (Self, Valve) {
        let valve = Valve::default();
        let tap = Self {
            stream,
            valve: valve.clone(),
        };
        (tap, valve)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.valve.0.borrow().resets {
            reset_when_dropped(&self.stream);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let cut = self.valve.0.borrow().cut;
        let passed = match cut {
            None => bytes,
            Some((0, Cut::Stall)) => return Poll::Ready(Ok(bytes.len())),
            Some((0, Cut::End)) => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Some((left, _)) => &bytes[..bytes.len().min(left)],
        };
        let poll = Pin::new(&mut self.stream).poll_write(cx, passed);
        if let Poll::Ready(Ok(written)) = &poll {
            let mut state = self.valve.0.borrow_mut();
            state.written += written;
            if let Some((left, _)) = &mut state.cut {
                *left -= written;
            }
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
