//! The chunks of an open stream: small ones that are there already come together.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use reqwest::Response;

/// How many small chunks come together, at most: a body whose poll takes its time should not hold
/// back for long what it has given.
const MANY: usize = 64;

/// How many bytes come together, at most: as much as a large chunk has.
const ROOM: usize = 16 * 1024;

/// What comes of a poll: a chunk, the end, or an error.
pub(crate) type Part = Result<Option<Bytes>, reqwest::Error>;

/// A response's body, chunk by chunk.
///
/// Some servers, and the layers in between, give each event a chunk of its own. To read one chunk costs
/// more than to parse it, so where the last poll did not have to wait either, and the server is ahead of
/// us, small chunks are read together. Nobody waits for it: what is not there yet comes by itself.
pub(crate) struct Chunks {
    response: Box<Response>,
    /// The last poll did not have to wait.
    is_ahead: bool,
    /// What ended the gathering: it comes after what was gathered.
    next: Option<Box<Part>>,
}

impl Chunks {
    pub(crate) fn new(response: Box<Response>) -> Self {
        Self {
            response,
            is_ahead: false,
            next: None,
        }
    }

    pub(crate) fn into_response(self) -> Box<Response> {
        self.response
    }

    /// The next chunk, or several small ones as one; `None` at the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        let was_ahead = std::mem::take(&mut self.is_ahead);
        let part = match self.next.take() {
            Some(next) => *next,
            None => ready!(poll_chunk(&mut self.response, cx)),
        };
        self.is_ahead = true;
        match part {
            Ok(Some(first)) if was_ahead && first.len() < ROOM / 2 => {
                Poll::Ready(Ok(Some(self.gather(first, cx))))
            }
            part => Poll::Ready(part),
        }
    }

    /// This chunk, and the small ones after it that are there.
    #[inline(never)]
    fn gather(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        let second = match self.poll_small(ROOM - first.len(), cx) {
            Some(second) => second,
            None => return first,
        };
        let mut all = Vec::with_capacity(ROOM.min(first.len().max(second.len()) * MANY));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        for _ in 2..MANY {
            match self.poll_small(ROOM - all.len(), cx) {
                Some(chunk) => all.extend_from_slice(&chunk),
                None => break,
            }
        }
        all.into()
    }

    /// The next chunk, if it is there and has no more than so many bytes. Whatever else is there comes
    /// with the next poll.
    #[inline(always)]
    fn poll_small(&mut self, room: usize, cx: &mut Context<'_>) -> Option<Bytes> {
        match poll_chunk(&mut self.response, cx) {
            Poll::Ready(Ok(Some(chunk))) if chunk.len() <= room => Some(chunk),
            Poll::Ready(part) => {
                self.next = Some(Box::new(part));
                None
            }
            Poll::Pending => None,
        }
    }
}

/// `Response::chunk` keeps nothing of its own between polls, so a future of it for each poll costs
/// no allocation and loses nothing.
pub(crate) fn poll_chunk(response: &mut Response, cx: &mut Context<'_>) -> Poll<Part> {
    pin!(response.chunk()).poll(cx)
}
