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
    steps: std::vec::IntoIter<Step>,
    end: End,
    /// `None` after the end.
    connection: Option<Connection>,
    timer: Timer,
    /// The time of the next step, independent of reads.
    due: Duration,
}

impl ScriptedBody {
    pub(super) fn new(
        steps: Vec<Step>,
        end: End,
        connection: Connection,
        timer: Timer,
        due: Duration,
    ) -> Self {
        Self {
            steps: steps.into_iter(),
            end,
            connection: Some(connection),
            timer,
            due,
        }
    }
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
        match this.end {
            End::Hold => Poll::Pending,
            End::Cut if this.connection.take().is_some() => {
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
            End::Clean | End::Cut => {
                this.connection = None;
                Poll::Ready(None)
            }
        }
    }
}
