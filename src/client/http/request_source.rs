//! The sources of requests, or of responses.

use std::future::Future;

use bytes::Bytes;
use ecow::EcoString;
use http::HeaderMap;

use super::body::Frames;
use super::exchange::{Asking, Incoming, Outgoing, Sending};
use super::headers;
use super::response::ResponseHead;
use crate::bounds::{BoxError, BoxFn, BoxFuture, MaybeSend};
use crate::client::error::Error;
use crate::client::platform::Transport;
use crate::session::NextRequest;

/// An attempt: the argument of the functions of [`from_fn`](crate::EventSource::from_fn),
/// [`connect_with`](crate::EventSource::connect_with) and
/// [`reconnect_with`](crate::EventSource::reconnect_with).
#[derive(Debug, Clone)]
pub struct Attempt {
    number: u64,
    last_event_id: EcoString,
    headers: HeaderMap,
    failure: Option<Error>,
}

impl Attempt {
    pub(crate) fn new(number: u64, last_event_id: EcoString, failure: Option<Error>) -> Self {
        let mut headers = HeaderMap::new();
        headers::set(&mut headers);
        headers::set_last_event_id(&mut headers, &last_event_id);
        Self {
            number,
            last_event_id,
            headers,
            failure,
        }
    }

    /// Returns the number of the attempt, from 1. It is never reset.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the last event ID, `""` if there is none.
    ///
    /// It is for servers that expect the ID in the URL or the body; [`headers`](Self::headers) has the header.
    /// The ID may be any text, so encode it (`RequestBuilder::query` does).
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Returns the headers that the request should have: `Accept`, `Cache-Control`, `Accept-Encoding`, and
    /// `Last-Event-ID` unless it is empty or no header can hold it.
    ///
    /// The source adds them to a request of [`from_fn`](crate::EventSource::from_fn) that does not set them.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the failure of the last attempt that sent a request; `None` at first, after a clean end, and
    /// after [`Handle::reconnect`](crate::Handle::reconnect). After a 401, get a new token.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }
}

/// One request, cloned for each attempt if possible.
pub(crate) trait RequestTemplate: MaybeSend {
    /// Returns the next request, `None` if there is none left. `is_fetched`: the caller's function sends it.
    fn next(&mut self, is_fetched: bool) -> Result<Option<Box<dyn Outgoing>>, Error>;

    /// What is known of the next request.
    fn expected(&self) -> NextRequest;

    /// The ID that the caller set as a header.
    fn last_event_id(&self) -> Option<String>;
}

/// The source of requests, or of responses.
pub(crate) enum RequestSource {
    Template(Box<dyn RequestTemplate>),
    /// The caller's function makes a request for each attempt.
    Requests(BoxFn<'static, Attempt, Asking>),
    /// The caller's function sends the request of each attempt.
    Responses(BoxFn<'static, Attempt, Sending>),
    /// The first response exists already, in the slot of the connection. Without `then` there is no second attempt.
    InHand {
        is_bare: bool,
        is_begun: bool,
        then: Option<Box<RequestSource>>,
    },
}

impl RequestSource {
    /// What is known of the next request. `idempotent`: the caller allows it to be repeated.
    pub(crate) fn expected(&self, idempotent: bool) -> NextRequest {
        let mut expected = match self {
            Self::Template(template) => template.expected(),
            Self::Requests(_) => NextRequest::repeatable(None),
            // The method is not known, and counts as one that is not idempotent.
            Self::Responses(_) => NextRequest::repeatable(Some(false)),
            Self::InHand { then, .. } => match then {
                Some(then) => return then.expected(idempotent),
                None => NextRequest {
                    is_only_one: true,
                    idempotent: Some(false),
                    available: false,
                },
            },
        };
        if idempotent {
            expected.idempotent = Some(true);
        }
        expected
    }

    /// Whether the next attempt sends a request without a call of the caller's function.
    pub(crate) fn sends_by_itself(&self) -> bool {
        match self {
            Self::Template(_) | Self::Requests(_) => false,
            Self::Responses(_) => true,
            Self::InHand { then, .. } => then.as_ref().is_some_and(|then| then.sends_by_itself()),
        }
    }

    /// Begins the attempt whose response is there already: once. Gives whether it is a body alone, with a
    /// head that nobody sent.
    pub(crate) fn begin_in_hand(&mut self) -> Option<bool> {
        match self {
            Self::InHand {
                is_bare, is_begun, ..
            } => (!std::mem::replace(is_begun, true)).then_some(*is_bare),
            _ => None,
        }
    }

    /// The ID that the caller set as a header.
    pub(crate) fn last_event_id(&self) -> Option<String> {
        match self {
            Self::Template(template) => template.last_event_id(),
            _ => None,
        }
    }
}

/// A request that a source can send: with the feature `reqwest`, reqwest's `RequestBuilder`.
///
/// The trait is sealed, so that another major version of reqwest can be supported by a feature.
pub trait IntoRequest: sealed::Sealed {
    #[doc(hidden)]
    fn into_template(self) -> Template;

    #[doc(hidden)]
    fn into_outgoing(self) -> Prepared;
}

/// A response that a source can read: an `http::Response<B>` whose `B` is an [`http_body::Body`] of
/// [`Bytes`](bytes::Bytes), or, with the feature `reqwest`, reqwest's `Response`. The trait is sealed.
pub trait IntoResponse: sealed::Sealed {
    #[doc(hidden)]
    fn into_incoming(self) -> Arrived;
}

/// What the function of [`reconnect_with`](crate::EventSource::reconnect_with) may return: a request, as for
/// [`from_fn`](crate::EventSource::from_fn), or a response, as for
/// [`connect_with`](crate::EventSource::connect_with). The trait is sealed.
pub trait IntoConnection: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn connections(make: Maker<Self>) -> Connections;
}

impl<B> IntoResponse for http::Response<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + MaybeSend + 'static,
{
    fn into_incoming(self) -> Arrived {
        let (parts, body) = self.into_parts();
        let transport = Transport::of_version(parts.version);
        let head = ResponseHead::new(parts.status, &parts.headers, None, transport);
        Arrived(Incoming::new(head, Frames(Box::pin(body))))
    }
}

impl<B> IntoConnection for http::Response<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + MaybeSend + 'static,
{
    fn connections(make: Maker<Self>) -> Connections {
        Connections::of_responses(make)
    }
}

impl<B> sealed::Sealed for http::Response<B> {}

/// Types of the sealed traits. They cannot be named outside this crate.
pub struct Template(pub(crate) Box<dyn RequestTemplate>);

pub struct Prepared(pub(crate) Result<Box<dyn Outgoing>, Error>);

pub struct Arrived(pub(crate) Incoming);

pub struct Connections(pub(crate) RequestSource);

/// The caller's function, which makes a value for each attempt.
pub(crate) type Maker<T> = BoxFn<'static, Attempt, BoxFuture<'static, Result<T, BoxError>>>;

pub(crate) fn maker<T, F, Fut>(mut make: F) -> Maker<T>
where
    F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
    Fut: Future<Output = Result<T, BoxError>> + MaybeSend + 'static,
{
    Box::new(move |attempt| Box::pin(make(attempt)))
}

impl Connections {
    pub(crate) fn of_requests<T: IntoRequest + 'static>(mut make: Maker<T>) -> Self {
        Self(RequestSource::Requests(Box::new(move |attempt| {
            let request = make(attempt);
            Box::pin(async move { request.await.map(|request| request.into_outgoing().0) })
        })))
    }

    pub(crate) fn of_responses<T: IntoResponse + 'static>(mut make: Maker<T>) -> Self {
        Self(RequestSource::Responses(Box::new(move |attempt| {
            let response = make(attempt);
            Box::pin(async move { response.await.map(|response| response.into_incoming().0) })
        })))
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
