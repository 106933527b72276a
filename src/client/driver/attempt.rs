//! The current attempt: from its request to its events.

use std::task::{Context, Poll};

use http::Method;
use sync_wrapper::SyncWrapper;
use url::Url;

use super::calls::Called;
use super::{Driver, Turn};
use crate::client::error::{Error, ErrorKind};
use crate::client::finished::Finished;
use crate::client::http::exchange::{Exchange, ExchangeEvent, Incoming, Outgoing, Refusal};
use crate::client::http::headers;
use crate::client::http::request_source::{Attempt, RequestSource};
use crate::client::http::response::{self, Allowed, Kind, ResponseHead};
use crate::client::reqwest::fetch::Fetch;
use crate::client::signal::Signal;
use crate::client::trace::Trace;
use crate::session::{NextRequest, NotSent};

/// The current attempt: the source of its request, and what is known of it.
pub(super) struct AttemptState {
    requests: SyncWrapper<RequestSource>,
    fetch: Option<SyncWrapper<Fetch>>,
    allowed: Allowed,
    /// Whether the caller allows the request to be repeated.
    is_idempotent: bool,
    /// The error of an invalid option, which is the first error.
    invalid: Option<Error>,
    pub(super) trace: Trace,
    pub(super) request: SentRequest,
    /// The head of the response that opened, or of a 204.
    pub(super) head: Option<ResponseHead>,
    /// The failure of the last attempt that sent a request.
    pub(super) failure: Option<Error>,
    /// A result that the short way leaves to the long one.
    pub(super) arrived: Option<SyncWrapper<ExchangeEvent>>,
    /// Whether the body ended cleanly and its last event is being delivered.
    pub(super) body_is_over: bool,
    /// Whether the consumer has received `Signal::Open`.
    pub(super) open_reported: bool,
}

/// The request that this attempt has sent.
#[derive(Default)]
pub(super) struct SentRequest {
    pub(super) method: Option<Method>,
    pub(super) url: Option<Url>,
    pub(super) is_sent: bool,
    /// Whether its response is only a body, with a made-up head.
    is_bare: bool,
}

impl AttemptState {
    pub(super) fn new(
        requests: SyncWrapper<RequestSource>,
        fetch: Option<SyncWrapper<Fetch>>,
        allowed: Allowed,
        is_idempotent: bool,
        name: Option<String>,
        invalid: Option<Error>,
    ) -> Self {
        Self {
            requests,
            fetch,
            allowed,
            is_idempotent,
            invalid,
            trace: Trace::new(name),
            request: SentRequest::default(),
            head: None,
            failure: None,
            arrived: None,
            body_is_over: false,
            open_reported: false,
        }
    }

    pub(super) fn expected(&mut self) -> NextRequest {
        self.requests.get_mut().expected(self.is_idempotent)
    }

    pub(super) fn close(&mut self) {
        self.trace.close();
        self.arrived = None;
        if let Some(failure) = &self.failure {
            failure.close();
        }
    }

    fn begin(&mut self, number: u64) {
        self.trace.begin(number);
        self.request = SentRequest::default();
        self.head = None;
        self.arrived = None;
        self.body_is_over = false;
        self.open_reported = false;
    }
}

/// How an attempt begins.
enum Beginning {
    Request(Box<dyn Outgoing>),
    Exchange(Exchange),
    Nothing,
}

/// Calls the caller's function for the request, or for the response.
fn begin(
    requests: &mut RequestSource,
    attempt: Attempt,
    is_fetched: bool,
) -> Result<Beginning, Error> {
    Ok(match requests {
        RequestSource::Template(template) => match template.next(is_fetched)? {
            Some(request) => Beginning::Request(request),
            None => Beginning::Nothing,
        },
        RequestSource::Requests(make) => Beginning::Exchange(Exchange::Asking(make(attempt))),
        RequestSource::Responses(connect) => {
            Beginning::Exchange(Exchange::Sending(connect(attempt)))
        }
        RequestSource::InHand { then, .. } => match then {
            Some(then) => return begin(then, attempt, is_fetched),
            None => Beginning::Nothing,
        },
    })
}

impl Driver<'_> {
    pub(super) fn connect(&mut self) -> Turn {
        if let Some(error) = self.attempt.invalid.take() {
            return self.over(Err(error));
        }
        if self.begin_in_hand() {
            return Poll::Ready(None);
        }
        let now = self.pacing.now();
        let number = self.session.next_attempt(now);
        self.attempt.begin(number);
        if self.attempt.requests.get_mut().sends_by_itself() {
            if let Some(turn) = self.begin_request(self.attempt.is_idempotent) {
                return turn;
            }
            self.report_unsendable_id();
            let resumes = !self.deliveries.last_event_id().is_empty();
            self.attempt.trace.requesting(None, None, resumes);
        }
        let id = self.deliveries.last_event_id().clone();
        let attempt = Attempt::new(number, id, self.attempt.failure.clone());
        let begun = {
            let _entered = self.attempt.trace.enter();
            let is_fetched = self.attempt.fetch.is_some();
            begin(self.attempt.requests.get_mut(), attempt, is_fetched)
        };
        match begun {
            Ok(Beginning::Request(request)) => self.send(request, false),
            Ok(Beginning::Exchange(exchange)) => {
                self.control.put_exchange(exchange);
                Poll::Ready(None)
            }
            Ok(Beginning::Nothing) => {
                let error = self.not_sent(NotSent::NotCloneable, None);
                self.over(Err(error))
            }
            Err(error) => self.ended(Err(error)),
        }
    }

    /// Begins the first attempt if its response exists already: its request counts as sent. The response is in
    /// the slot, unless a handle has dropped it.
    pub(super) fn begin_in_hand(&mut self) -> bool {
        let Some(is_bare) = self.attempt.requests.get_mut().begin_in_hand() else {
            return false;
        };
        let now = self.pacing.now();
        let number = self.session.next_attempt(now);
        self.attempt.begin(number);
        self.attempt.request.is_bare = is_bare;
        self.note_only_one(self.attempt.is_idempotent);
        // It is the first: nothing forbids it.
        self.attempt.request.is_sent = self.session.begin(self.attempt.is_idempotent).is_ok();
        true
    }

    /// A request that would not be sent again is left open in a page that hides.
    fn note_only_one(&mut self, is_idempotent: bool) {
        let may_repeat = is_idempotent || self.session.policy().replay_non_idempotent;
        let is_only_one = !may_repeat || !self.attempt.expected().available;
        self.control.set_only_one(is_only_one);
    }

    /// Called when a request is about to be sent. Returns `None` if it may be sent.
    fn begin_request(&mut self, is_idempotent: bool) -> Option<Turn> {
        match self.session.begin(is_idempotent) {
            Ok(true) => {
                self.attempt.request.is_sent = true;
                self.note_only_one(is_idempotent);
                self.control.counters().requests.add(1);
                None
            }
            Ok(false) => Some(Poll::Ready(None)), // a handle dropped the attempt meanwhile
            Err(reason) => {
                let error = self.not_sent(reason, None);
                Some(self.over(Err(error)))
            }
        }
    }

    /// `is_asked`: the caller's function made the request for this attempt.
    pub(super) fn send(&mut self, mut request: Box<dyn Outgoing>, is_asked: bool) -> Turn {
        let method = request.method().clone();
        let is_idempotent = self.attempt.is_idempotent || method.is_idempotent();
        self.attempt.request.method = Some(method);
        if let Some(turn) = self.begin_request(is_idempotent) {
            return turn;
        }
        self.set_headers(&mut *request, is_asked);
        let url = request.url().cloned();
        let host = url.as_ref().and_then(Url::host_str);
        let resumes = headers::has_last_event_id(request.headers());
        let method = self.attempt.request.method.as_ref();
        self.attempt.trace.requesting(method, host, resumes);
        self.attempt.request.url = url;
        let response = request.send(self.attempt.fetch.as_mut().map(SyncWrapper::get_mut));
        self.control.put_exchange(Exchange::Sending(response));
        Poll::Ready(None)
    }

    fn set_headers(&mut self, request: &mut dyn Outgoing, is_asked: bool) {
        headers::set(request.headers());
        match headers::last_event_id(request.headers()).filter(|_| is_asked) {
            // The caller's header becomes the position. Bytes that are not UTF-8 stay in the header.
            Some(id) => {
                if id.is_empty() {
                    headers::set_last_event_id(request.headers(), "");
                }
                self.deliveries.set_position(id.into(), &self.control);
            }
            // Bytes that are not UTF-8 cannot be a position. They are sent until there is one.
            None if self.deliveries.last_event_id().is_empty()
                && headers::has_binary_id(request.headers()) => {}
            None => {
                self.report_unsendable_id();
                let id = self.deliveries.last_event_id();
                headers::set_last_event_id(request.headers(), id);
            }
        }
    }

    /// Called if no header can hold the ID.
    fn report_unsendable_id(&mut self) {
        let id = self.deliveries.last_event_id();
        if !headers::is_sendable(id) {
            self.attempt.trace.unsendable_id();
            self.pending.push_back(Signal::UnsendableId(id.to_string()));
        }
    }

    pub(super) fn judge(&mut self, response: Incoming, cx: &mut Context<'_>) -> Turn {
        let status = response.head.status();
        self.attempt.trace.answered(status);
        let kind = match self.attempt.request.is_bare {
            true => Kind::Stream,
            false => response::judge(status, response.head.headers(), &self.attempt.allowed),
        };
        let why = match kind {
            Kind::Stream => return self.open(response, cx),
            Kind::NoContent => {
                self.attempt.head = Some(response.head);
                return self.over(Ok(Finished::NoContent));
            }
            Kind::Refusal => ErrorKind::Status(status),
            Kind::WrongType => ErrorKind::ContentType,
            Kind::Encoded => ErrorKind::ContentEncoding,
        };
        let now = self.pacing.now();
        self.session.refused(now);
        let refusal = Box::new(Refusal::new(response, why));
        self.control.put_exchange(Exchange::Refused(refusal));
        Poll::Ready(None)
    }

    fn open(&mut self, response: Incoming, cx: &mut Context<'_>) -> Turn {
        let Incoming { head, body } = response;
        if !self.attempt.request.is_bare {
            let validated = self.calls.validate(&head);
            // The predicate may have ended the source; then no hook is called.
            self.poll_abort(cx);
            if self.control.is_revoked() {
                return Poll::Ready(None);
            }
            if let Err(error) = validated {
                self.session.responded();
                self.attempt.head = Some(head);
                return self.ended(Err(Error::caused(ErrorKind::Validate, error)));
            }
            self.pacing.forget_time();
        }
        let now = self.pacing.now();
        let id = self.deliveries.last_event_id();
        self.session.opened(now, id);
        self.deliveries
            .open(self.session.policy().rejects_other_bodies);
        self.attempt.failure = None;
        self.attempt.head = Some(head.clone());
        self.control.put_exchange(Exchange::Open(body));
        self.control.set_open(true);
        self.control.counters().connections.add(1);
        self.attempt.trace.open(head.status());
        self.call(Called::Open(head))
    }
}
