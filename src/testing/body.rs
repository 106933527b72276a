//! A body that is sent in steps.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};

use super::Connection;
use crate::client::timer::Timer;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Bytes),
    Wait(Duration),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Clean,
    Cut,
    Hold,
}

/// The body of a scripted answer: made by [`ScriptedServer`](super::ScriptedServer).
pub struct ScriptedBody {
    pub(super) steps: std::vec::IntoIter<Step>,
    pub(super) end: End,
    /// `None` after the end.
    pub(super) connection: Option<Connection>,
    pub(super) timer: Timer,
    /// The time of the next step, independent of reads.
    pub(super) due: Duration,
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody")
            .field("steps", &self.steps.as_slice())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            ready!(this.timer.poll_until(this.due, cx));
            match this.steps.next() {
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Wait(time)) => this.due = this.due.saturating_add(time),
                None => break,
            }
        }
        if let End::Hold = this.end {
            return Poll::Pending;
        }
        let is_open = this.connection.take().is_some();
        let is_cut = is_open && matches!(this.end, End::Cut);
        Poll::Ready(is_cut.then(|| Err(io::ErrorKind::ConnectionReset.into())))
    }
}
