//! One request on its way, and the response to it: what can be polled, and what can be dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, Response};

use crate::chunks::{Chunks, Read, poll_chunk};
use crate::error::BoxError;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How much of a refused response's body is kept.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// Where a connection stands. Dropping it closes the connection, or the stream within it.
pub(crate) enum Link {
    /// The caller's function is asked for a request.
    Asking(BoxFuture<Result<RequestBuilder, BoxError>>),
    /// The request is on its way.
    Sending(BoxFuture<Result<Response, BoxError>>),
    /// The body of a refusal is read, up to its limit.
    Refused(Box<Response>, BytesMut),
    /// The body of a stream is read.
    Open(Chunks),
}

/// What came of a poll. What comes once is boxed, for chunks come often and should be cheap to
/// hand on.
pub(crate) enum Progress {
    Request(Result<Box<RequestBuilder>, BoxError>),
    Response(Result<Box<Response>, BoxError>),
    /// A part of a refusal's body.
    Part,
    Refusal(Box<Response>, Bytes),
    Chunk(Read),
    /// The body ended, as far as reqwest can tell cleanly or not.
    End(Result<Box<Response>, reqwest::Error>),
}

impl Link {
    /// Gives the link back as long as there is more to come from it. Reads nothing ahead that is not wanted
    /// any more.
    pub(crate) fn poll(
        self,
        cx: &mut Context<'_>,
        is_unwanted: impl Fn() -> bool,
    ) -> (Option<Self>, Poll<Progress>) {
        match self {
            Self::Asking(mut future) => match future.as_mut().poll(cx) {
                Poll::Ready(request) => {
                    let request = request.map(Box::new);
                    (None, Poll::Ready(Progress::Request(request)))
                }
                Poll::Pending => (Some(Self::Asking(future)), Poll::Pending),
            },
            Self::Sending(mut future) => match future.as_mut().poll(cx) {
                Poll::Ready(response) => {
                    let response = response.map(Box::new);
                    (None, Poll::Ready(Progress::Response(response)))
                }
                Poll::Pending => (Some(Self::Sending(future)), Poll::Pending),
            },
            Self::Refused(response, body) => poll_refusal(response, body, cx),
            Self::Open(mut chunks) => match chunks.poll(cx, is_unwanted) {
                Poll::Pending => (Some(Self::Open(chunks)), Poll::Pending),
                Poll::Ready(Ok(Some(read))) => {
                    (Some(Self::Open(chunks)), Poll::Ready(Progress::Chunk(read)))
                }
                Poll::Ready(end) => {
                    let end = end.map(|_| chunks.into_response());
                    (None, Poll::Ready(Progress::End(end)))
                }
            },
        }
    }
}

/// One chunk at a time, so that a body without end leaves others, and the clock, their turn. A body
/// that breaks off is as good as one that ends.
fn poll_refusal(
    mut response: Box<Response>,
    mut body: BytesMut,
    cx: &mut Context<'_>,
) -> (Option<Link>, Poll<Progress>) {
    match poll_chunk(&mut response, cx) {
        Poll::Pending => return (Some(Link::Refused(response, body)), Poll::Pending),
        Poll::Ready(Ok(Some(chunk))) => {
            let room = REFUSAL_LIMIT - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() < REFUSAL_LIMIT {
                return (
                    Some(Link::Refused(response, body)),
                    Poll::Ready(Progress::Part),
                );
            }
        }
        Poll::Ready(Ok(None) | Err(_)) => {}
    }
    (
        None,
        Poll::Ready(Progress::Refusal(response, body.freeze())),
    )
}
