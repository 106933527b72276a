//! The chunks of an open stream: small ones that are there already come together.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use reqwest::Response;

/// How many small chunks come together, at most: a body whose poll takes its time should not hold
/// back for long what it has given.
const MANY: usize = 64;

/// How many bytes come together, at most: as much as a large chunk has.
const ROOM: usize = 16 * 1024;

/// What comes of a poll of the body: a chunk, the end, or an error.
type Part = Result<Option<Bytes>, reqwest::Error>;

/// What was read: one chunk, or several small ones together.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    /// How many chunks they came in.
    pub(crate) chunks: usize,
}

/// A response's body, chunk by chunk.
///
/// Some servers, and the layers in between, give each event a chunk of its own. To read one costs more than
/// to parse it. So where the caller wants that, and two in a row were there at once, small ones are read
/// together. It waits for none; but that a body has nothing it only says when it is asked, and if it has a
/// timeout, that runs from then on. So the caller must want it.
pub(crate) struct Chunks {
    response: Box<Response>,
    reads_ahead: bool,
    /// The last poll gave a chunk at once.
    is_ahead: bool,
    /// What ended the gathering: it comes after what was gathered.
    next: Option<Box<Part>>,
}

impl Chunks {
    pub(crate) fn new(response: Box<Response>, reads_ahead: bool) -> Self {
        Self {
            response,
            reads_ahead,
            is_ahead: false,
            next: None,
        }
    }

    pub(crate) fn into_response(self) -> Box<Response> {
        self.response
    }

    /// The next chunk, or several small ones as one; `None` at the end. Reads no further when it is not
    /// wanted any more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        is_unwanted: impl Fn() -> bool,
    ) -> Poll<Result<Option<Read>, reqwest::Error>> {
        let was_ahead = std::mem::take(&mut self.is_ahead);
        let part = match self.next.take() {
            Some(next) => *next,
            None => ready!(poll_chunk(&mut self.response, cx)),
        };
        let Some(bytes) = part? else {
            return Poll::Ready(Ok(None));
        };
        self.is_ahead = true;
        let read = if self.reads_ahead && was_ahead && bytes.len() < ROOM / 2 {
            self.gather(bytes, cx, is_unwanted)
        } else {
            Read { bytes, chunks: 1 }
        };
        Poll::Ready(Ok(Some(read)))
    }

    /// This chunk, and the small ones after it that are there.
    #[inline(never)]
    fn gather(
        &mut self,
        first: Bytes,
        cx: &mut Context<'_>,
        is_unwanted: impl Fn() -> bool,
    ) -> Read {
        let mut all = Vec::new();
        let mut chunks = 1;
        while chunks < MANY && !is_unwanted() {
            let room = ROOM - all.len().max(first.len());
            let Some(chunk) = self.poll_small(room, cx) else {
                break;
            };
            if chunks == 1 {
                all.reserve(ROOM.min(MANY * first.len().max(chunk.len())));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
            chunks += 1;
        }
        let bytes = if chunks == 1 { first } else { all.into() };
        Read { bytes, chunks }
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
