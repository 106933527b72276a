//! From a request to its events.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use reqwest::{Client, Request, RequestBuilder, Response};

use super::{Audience, Driver, Step, Turn};
use crate::chunks::{Chunks, Read};
use crate::error::{Error, UnreadResponse};
use crate::feed::Item;
use crate::link::{BoxFuture, Link, Progress};
use crate::origin::{Attempt, Next};
use crate::request;
use crate::response::{self, Kind, ResponseHead};
use crate::session::NotSent;
use crate::signal::{Finished, Signal};

impl Driver {
    pub(super) fn connect(&mut self) -> Turn {
        if let Some(id) = self.invalid_id.take() {
            return self.over(Err(Error::InvalidLastEventId(id)));
        }
        let number = self.session.next_attempt();
        self.timer.now(); // its time begins
        self.trace.begin(number);
        let _entered = self.trace.enter();
        let attempt = Attempt {
            number,
            last_event_id: self.session.last_event_id().cloned(),
            failure: self.failure.clone(),
        };
        match self.origin.next(attempt, self.calls.fetch.is_some()) {
            Ok(Next::Request(client, request)) => self.send(client, request),
            Ok(Next::Asked(future)) => {
                self.shared.put_link(Link::Asking(future));
                Poll::Ready(None)
            }
            Ok(Next::Spent) => self.over(Err(self.not_sent(NotSent::NotCloneable))),
            Err(error) => self.ended(Err(error)),
        }
    }

    fn asked(&mut self, request: RequestBuilder) -> Turn {
        let (client, request) = request.build_split();
        match request {
            Ok(request) => self.send(client, request),
            Err(error) => self.ended(Err(Error::invalid_request(error))),
        }
    }

    fn send(&mut self, client: Client, mut request: Request) -> Turn {
        self.method = request.method().clone();
        let now = self.timer.now();
        match self.session.begin(self.method.is_idempotent(), now) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(None), // it came too late
            Err(reason) => return self.over(Err(self.not_sent(reason))),
        }
        self.prepare(&mut request);
        self.trace.requesting(&request);
        self.shared.counters().sent();
        self.asked_url = Some(request.url().clone());
        let response: BoxFuture<_> = match &mut self.calls.fetch {
            Some(fetch) => fetch(request),
            None => Box::pin(async move { client.execute(request).await.map_err(Into::into) }),
        };
        self.shared.put_link(Link::Sending(response));
        Poll::Ready(None)
    }

    fn prepare(&mut self, request: &mut Request) {
        request::set_headers(request);
        if !self.origin.has_default_client() {
            request::lift_timeout(request);
        }
        let Some(id) = self.session.last_event_id() else {
            return;
        };
        if !request::set_last_event_id(request.headers_mut(), id) {
            self.trace.unsendable_id();
            self.outbox
                .push_back(Step::Signal(Signal::UnsendableId(id.to_string())));
        }
    }

    /// I/O comes before the clocks: what has arrived is no silence.
    pub(super) fn poll_link(&mut self, cx: &mut Context<'_>) -> Turn {
        // Without a link there are orders: the handle took it.
        let Some(link) = self.shared.take_link() else {
            return Poll::Pending;
        };
        let _entered = self.trace.enter();
        let (link, progress) = link.poll(cx, || self.shared.has_orders());
        if let Some(link) = link {
            self.shared.put_link(link);
        }
        let Poll::Ready(progress) = progress else {
            self.feed.idle();
            return self.poll_clock(cx);
        };
        if self.shared.is_interrupted() {
            return Poll::Ready(None); // given up while it was polled: what came of it is too late
        }
        match progress {
            Progress::Request(Ok(request)) => self.asked(*request),
            Progress::Request(Err(error)) => self.ended(Err(Error::request(error))),
            Progress::Response(Ok(response)) => self.judge(response, cx),
            Progress::Response(Err(error)) => {
                let error = Error::from_fetch(error, self.asked_url.as_ref());
                self.ended(Err(error))
            }
            Progress::Part => Poll::Ready(None),
            Progress::Refusal(response, body) => self.refused(&response, body),
            Progress::Chunk(Read { bytes, chunks }) => {
                self.turns += chunks - 1;
                self.shared.counters().received(bytes.len());
                self.is_chunk_dated = false;
                if self.session.runs_clocks() {
                    let now = self.date_chunk();
                    self.session.received_bytes(now);
                }
                self.feed.push(bytes);
                Poll::Ready(None)
            }
            Progress::End(Ok(response)) => self.body_ended(*response),
            Progress::End(Err(error)) => self.ended(Err(Error::disconnected(error))),
        }
    }

    fn judge(&mut self, response: Box<Response>, cx: &mut Context<'_>) -> Turn {
        self.trace.answered(response.status());
        match response::judge(response.status(), response.headers(), &self.accepted_types) {
            Kind::Stream => self.open(response, cx),
            Kind::NoContent => self.over(Ok(Finished::NoContent)),
            Kind::WrongType => self.ended(Err(Error::ContentType(UnreadResponse::new(response)))),
            Kind::Encoded => self.ended(Err(Error::ContentEncoding(UnreadResponse::new(response)))),
            Kind::Refusal => {
                self.session.refused(self.timer.now());
                self.shared
                    .put_link(Link::Refused(response, BytesMut::new()));
                Poll::Ready(None)
            }
        }
    }

    fn open(&mut self, mut response: Box<Response>, cx: &mut Context<'_>) -> Turn {
        let head = ResponseHead::of(&mut response);
        if let Some(validate) = &mut self.calls.validate {
            if let Err(error) = validate(&head) {
                return self.ended(Err(Error::Validate(error)));
            }
            self.poll_abort(cx);
            if self.shared.is_interrupted() {
                return Poll::Ready(None);
            }
        }
        self.session.opened(self.timer.now());
        self.drop_input(); // seeds the parser with the ID
        self.failure = None;
        self.shared
            .put_link(Link::Open(Chunks::new(response, self.reads_ahead)));
        self.shared.set_open(true);
        self.shared.counters().opened();
        self.trace.open(head.status());
        Poll::Ready(Some(Step::Signal(Signal::Open(head))))
    }

    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Turn {
        match self.feed.next(self.audience == Audience::Everything) {
            Ok(Some(item)) => {
                self.note_arrival();
                self.take(item, cx)
            }
            Ok(None) => self.poll_link(cx),
            Err(error) => self.ended(Err(Error::EventTooLarge(error))),
        }
    }

    /// Notes when the chunk came, before anything is told of it. Most chunks of a large event have nothing to
    /// tell: they cost no look at the clock.
    #[inline]
    pub(super) fn note_arrival(&mut self) {
        if !self.is_chunk_dated {
            self.date_chunk();
        }
    }

    fn date_chunk(&mut self) -> Duration {
        let now = self.timer.now();
        self.shared.counters().chunk_came(now);
        self.is_chunk_dated = true;
        now
    }

    fn take(&mut self, item: Item, cx: &mut Context<'_>) -> Turn {
        // To read on may have dropped a chunk, and that may be code of the caller's own.
        if self.shared.is_interrupted() {
            return Poll::Ready(None); // not even one already parsed
        }
        let signal = match item {
            Item::Event(event) => {
                if self.session.runs_clocks() {
                    self.session.received_event(self.timer.now());
                }
                if let Some(until) = &mut self.calls.until {
                    if until(&event) {
                        return self.over(Ok(Finished::Done));
                    }
                    self.poll_abort(cx);
                    if self.shared.is_interrupted() {
                        return Poll::Ready(None);
                    }
                }
                Signal::Event(event)
            }
            Item::Comment(comment) => Signal::Comment(comment),
            Item::Retry(time) => Signal::ReconnectionTime(self.session.received_retry(time)),
            Item::LastEventId(id) => {
                // All earlier events were handed over: this is a step of its own.
                self.commit(id);
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(Step::Signal(signal)))
    }
}
