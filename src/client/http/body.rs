//! The body of a response, chunk by chunk.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use crate::bounds::{BoxError, MaybeSend};

pub(crate) type BoxBody = Box<dyn Body>;

/// Whether there is a chunk; `false` at the end of the body.
pub(crate) type ChunkPoll = Poll<Result<bool, BoxError>>;

/// A body, chunk by chunk. Dropping it closes the connection, or its HTTP/2 stream.
pub(crate) trait Body: MaybeSend {
    /// Puts the next chunk into the slot.
    ///
    /// The chunk is written in place, because a move stalls on memory each time (`benches`, `stream()`, one
    /// event a chunk).
    fn poll_chunk(&mut self, cx: &mut Context<'_>, slot: &mut Option<Bytes>) -> ChunkPoll;

    /// Whether the body that ended broke off, as far as the HTTP stack can tell.
    fn broke_off(self: Box<Self>) -> bool {
        false
    }
}

/// A body of the `http-body` crate, read by its frames.
pub(crate) struct Frames<B>(pub(crate) Pin<Box<B>>);

impl<B> Body for Frames<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + MaybeSend,
{
    fn poll_chunk(&mut self, cx: &mut Context<'_>, slot: &mut Option<Bytes>) -> ChunkPoll {
        loop {
            match ready!(self.0.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        *slot = Some(data);
                        return Poll::Ready(Ok(true));
                    }
                    // Trailers: nothing in them concerns a stream of events.
                }
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Ok(false)),
            }
        }
    }
}

/// A stream of chunks.
pub(crate) struct Chunks<S>(pub(crate) Pin<Box<S>>);

impl<S, B, E> Body for Chunks<S>
where
    S: Stream<Item = Result<B, E>> + MaybeSend,
    B: Into<Bytes>,
    E: Into<BoxError>,
{
    fn poll_chunk(&mut self, cx: &mut Context<'_>, slot: &mut Option<Bytes>) -> ChunkPoll {
        Poll::Ready(match ready!(self.0.as_mut().poll_next(cx)) {
            Some(Ok(chunk)) => {
                *slot = Some(chunk.into());
                Ok(true)
            }
            Some(Err(error)) => Err(error.into()),
            None => Ok(false),
        })
    }
}
