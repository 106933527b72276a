//! One request in flight and its response: the part that can be polled, and dropped.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use url::Url;

use super::body::{Body, BoxBody};
use super::response::ResponseHead;
use crate::bounds::{BoxError, BoxFuture, MaybeSend};
use crate::client::error::{Error, ErrorKind, Refused};
use crate::client::reqwest::fetch::Fetch;

/// How much of a refused response's body is read before `on_error` decides.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// A request that is ready to send.
pub(crate) trait Outgoing: MaybeSend {
    fn method(&self) -> &Method;

    fn url(&self) -> Option<&Url>;

    fn headers(&mut self) -> &mut HeaderMap;

    /// Sends the request, with the caller's function if there is one.
    fn send(self: Box<Self>, fetch: Option<&mut Fetch>) -> Sending;
}

/// The outer error is the function's; the inner one means that its request cannot be built.
pub(crate) type Asking = BoxFuture<'static, Result<Result<Box<dyn Outgoing>, Error>, BoxError>>;
pub(crate) type Sending = BoxFuture<'static, Result<Incoming, BoxError>>;

/// A response whose body is unread.
pub(crate) struct Incoming {
    pub(crate) head: ResponseHead,
    pub(crate) body: BoxBody,
}

impl Incoming {
    pub(crate) fn new(head: ResponseHead, body: impl Body + 'static) -> Self {
        let body = Box::new(body);
        Self { head, body }
    }
}

/// The phase of a connection.
pub(crate) enum Exchange {
    /// The caller's function is making a request.
    Asking(Asking),
    /// The request is in flight.
    Sending(Sending),
    /// The response opens no stream; the beginning of its body is read.
    Refused(Box<Refusal>),
    /// The body of a stream is read.
    Open(BoxBody),
}

/// The result of a poll.
pub(crate) enum ExchangeEvent {
    Request(Result<Result<Box<dyn Outgoing>, Error>, BoxError>),
    Response(Result<Incoming, BoxError>),
    /// Part of a refused response's body.
    Part,
    /// Boxed to keep this type small: it is moved for each chunk (`benches`, `stream()`, one event a chunk).
    Refused(Box<Refusal>),
    /// A chunk of a stream, put into its slot.
    Chunk,
    /// The body ended or failed.
    End(Result<BoxBody, BoxError>),
}

impl ExchangeEvent {
    /// Whether the exchange is over.
    #[inline]
    pub(crate) fn is_last(&self) -> bool {
        !matches!(self, Self::Chunk | Self::Part)
    }
}

impl Exchange {
    /// Polls the exchange in its slot. The caller empties the slot after the last event. A chunk of a stream is
    /// put into `chunk`.
    #[inline]
    pub(crate) fn poll(
        slot: &mut Option<Self>,
        cx: &mut Context<'_>,
        chunk: &mut Option<Bytes>,
    ) -> Poll<ExchangeEvent> {
        match slot {
            Some(Self::Open(body)) => match ready!(body.poll_chunk(cx, chunk)) {
                Ok(true) => Poll::Ready(ExchangeEvent::Chunk),
                Ok(false) => Poll::Ready(Self::take(slot)),
                Err(error) => Poll::Ready(ExchangeEvent::End(Err(error))),
            },
            _ => Self::poll_before(slot, cx),
        }
    }

    /// Polls the phases before an open stream.
    fn poll_before(slot: &mut Option<Self>, cx: &mut Context<'_>) -> Poll<ExchangeEvent> {
        Poll::Ready(match slot {
            None | Some(Self::Open(_)) => return Poll::Pending,
            Some(Self::Asking(future)) => ExchangeEvent::Request(ready!(future.as_mut().poll(cx))),
            Some(Self::Sending(future)) => {
                ExchangeEvent::Response(ready!(future.as_mut().poll(cx)))
            }
            Some(Self::Refused(refusal)) => match ready!(refusal.has_read_enough(cx)) {
                true => Self::take(slot),
                false => ExchangeEvent::Part,
            },
        })
    }

    /// Takes the body that has ended, or the refusal of which enough was read.
    fn take(slot: &mut Option<Self>) -> ExchangeEvent {
        match slot.take() {
            Some(Self::Open(body)) => ExchangeEvent::End(Ok(body)),
            Some(Self::Refused(refusal)) => ExchangeEvent::Refused(refusal),
            _ => ExchangeEvent::Part,
        }
    }
}

/// A response that opens no stream: the part of its body that was read, and the rest.
pub(crate) struct Refusal {
    pub(crate) head: ResponseHead,
    pub(crate) why: ErrorKind,
    read: BytesMut,
    /// `None` if nothing is left.
    rest: Option<BoxBody>,
}

impl Refusal {
    pub(crate) fn new(response: Incoming, why: ErrorKind) -> Self {
        Self {
            head: response.head,
            why,
            read: BytesMut::new(),
            rest: Some(response.body),
        }
    }

    /// Reads one chunk for each poll, so that an endless body does not block other tasks and the clock. Returns
    /// whether the beginning is complete. A body that breaks off counts as ended.
    fn has_read_enough(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(body) = &mut self.rest else {
            return Poll::Ready(true);
        };
        let mut chunk = None;
        match ready!(body.poll_chunk(cx, &mut chunk)) {
            Ok(true) => self.read.extend_from_slice(&chunk.unwrap_or_default()),
            Ok(false) | Err(_) => self.rest = None,
        }
        Poll::Ready(self.rest.is_none() || self.read.len() >= REFUSAL_LIMIT)
    }

    /// The parts that the error keeps: the beginning of the body, the bytes read after it, and the unread rest.
    pub(crate) fn into_parts(self) -> (ErrorKind, ResponseHead, Refused) {
        let mut body = self.read.freeze();
        let beyond = body.split_off(body.len().min(REFUSAL_LIMIT));
        (self.why, self.head, Refused::new(body, beyond, self.rest))
    }
}
