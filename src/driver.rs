//! The way through an attempt: the only place that polls, and the one through which every end of
//! an attempt goes.
//!
//! `Signals`, `EventStream` and `run()` sit over [`Driver::poll_step`]. It asks the session what is
//! due, does it, and tells the session what came of it; no rule is made here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ecow::EcoString;
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url};

use crate::action::{Action, Failure, StreamEnd};
use crate::error::{BoxError, Error, RefusedResponse, UnreadResponse};
use crate::event::Event;
use crate::feed::{Feed, Item};
use crate::handle::{Handle, Intent, Orders, Owned};
use crate::link::{BoxFuture, Link, Progress};
use crate::origin::{Attempt, Next, Origin};
use crate::parser::Parser;
use crate::published_id::PublishedId;
use crate::request;
use crate::response::{self, Kind, ResponseHead};
use crate::session::{End, Expired, Outcome, Phase, Refusal, Session};
use crate::signal::{Finished, Signal};
use crate::source::Options;
use crate::timer::Timer;
use crate::trace::Trace;

/// How many turns without anything for the consumer before the executor gets its chance: a server
/// may send nothing but comments, as fast as it can.
const TURNS: usize = 64;

/// How many steps the consumer gets without a pause: a timeout around him should have its chance,
/// however fast the server is.
const STEPS: u32 = 256;

/// What comes of a step.
pub(crate) enum Step {
    Signal(Signal),
    /// An attempt ended; nothing goes on before [`Driver::answer`].
    Ask(Ask),
    Over(Result<Finished, Error>),
}

/// An end that asks for an answer.
pub(crate) enum Ask {
    Failure(Failure),
    End(StreamEnd),
}

/// Which signals the consumer wants: the others are not even made where they cost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Events,
    Hooks,
    Everything,
}

impl Audience {
    #[inline]
    fn wants(self, step: &Step) -> bool {
        match step {
            Step::Signal(Signal::Event(_)) => true,
            Step::Signal(Signal::Open(_)) => self != Self::Events,
            Step::Signal(_) => self == Self::Everything,
            Step::Ask(_) | Step::Over(_) => true,
        }
    }
}

/// `None` within: the machine moved, and wants another turn.
type Turn = Poll<Option<Step>>;

type Fetch = Box<dyn FnMut(Request) -> BoxFuture<Result<Response, BoxError>> + Send>;
type Validate = Box<dyn FnMut(&ResponseHead) -> Result<(), BoxError> + Send>;
type Until = Box<dyn FnMut(&Event) -> bool + Send>;

/// What the caller gave that is called on the way.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) fetch: Option<Fetch>,
    pub(crate) validate: Option<Validate>,
    pub(crate) until: Option<Until>,
    pub(crate) abort: Option<BoxFuture<()>>,
}

pub(crate) struct Driver {
    audience: Audience,
    session: Session,
    origin: Origin,
    calls: Calls,
    accepted_types: Vec<String>,
    feed: Feed<Bytes>,
    shared: Owned,
    timer: Timer,
    trace: Trace,
    chance: fastrand::Rng,
    /// Method and URL of the request that went out last.
    method: Method,
    asked_url: Option<Url>,
    /// The failure that led to the present attempt.
    failure: Option<Arc<Error>>,
    /// What happened, in order, and is not handed over yet: never an event.
    outbox: VecDeque<Step>,
    answer: Option<(Ask, Action)>,
    /// The ID the caller gave that no header carries.
    invalid_id: Option<String>,
    /// Steps handed over since somebody else had a turn.
    steps_at_a_stretch: u32,
    /// The executor had its turn since the wait began.
    yielded: bool,
    /// When the consumer went away with an item, or others got their turn before one, while a clock was
    /// running.
    left_at: Option<Duration>,
    /// The last turn gave an event, and nothing but the next one can be due, if it is at hand.
    events_follow: bool,
}

impl Driver {
    pub(crate) fn new(origin: Origin, options: Options, shared: Owned, audience: Audience) -> Self {
        let Options {
            policy,
            clocks,
            max_event_size,
            accepted_types,
            last_event_id,
            calls,
        } = options;
        let chance = policy
            .jitter_seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            audience,
            invalid_id: last_event_id.clone().filter(|id| !request::is_sendable(id)),
            session: Session::new(policy, clocks, last_event_id.map(EcoString::from)),
            origin,
            calls,
            accepted_types,
            feed: Feed::new(Parser::new().max_event_size(max_event_size)),
            timer: Timer::new(shared.clock()),
            shared,
            trace: Trace::new(),
            chance,
            method: Method::GET,
            asked_url: None,
            failure: None,
            outbox: VecDeque::new(),
            answer: None,
            steps_at_a_stretch: 0,
            yielded: false,
            left_at: None,
            events_follow: false,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.shared.handle()
    }

    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }

    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.session.phase(), Phase::Over)
    }

    /// The next step; none after the last, [`Step::Over`].
    #[inline]
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.or_close(|driver| driver.poll_turns(cx))
    }

    /// Runs code of the caller's own. Where it panics it is all over, and the connection gone,
    /// although somebody may catch the panic and keep the source.
    #[inline]
    pub(crate) fn or_close<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let unwinding = Unwinding(self);
        let out = run(unwinding.0);
        std::mem::forget(unwinding);
        out
    }

    #[inline]
    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.events_follow = false;
        self.report_gap();
        for _ in 0..TURNS {
            if self.is_over() {
                return Poll::Ready(None);
            }
            if self.steps_at_a_stretch == STEPS {
                break;
            }
            // Handed on as it is: with every event, to move it costs.
            let turn = self.turn(cx);
            match &turn {
                Poll::Ready(Some(step)) if self.audience.wants(step) => {
                    self.steps_at_a_stretch += 1;
                    self.note_departure(step);
                    return turn;
                }
                Poll::Ready(_) => {}
                Poll::Pending if self.shared.register(cx) => {
                    self.steps_at_a_stretch = 0;
                    return Poll::Pending;
                }
                Poll::Pending => {} // a handle spoke meanwhile
            }
        }
        self.rest(cx)
    }

    /// Whether there is an event in the chunk at hand, and a turn would do nothing but hand it over:
    /// what most turns are. [`hand_over`](Self::hand_over) has it then. Everything else is left to
    /// [`poll_step`](Self::poll_step).
    #[inline(always)]
    pub(crate) fn has_event_at_hand(&mut self) -> bool {
        self.events_follow
            && self.steps_at_a_stretch != STEPS
            && self.feed.has_event_at_hand()
            && !self.are_orders_first()
    }

    /// Asked last: to read on may drop a chunk, and that may be code of the caller's own.
    #[inline(always)]
    fn are_orders_first(&mut self) -> bool {
        let ordered = self.shared.has_orders();
        if ordered {
            self.feed.leave_event();
        }
        ordered
    }

    /// After an event: whether nothing but the next one can be due, if it is at hand.
    fn do_events_follow(&self) -> bool {
        self.session.is_open()
            && self.calls.abort.is_none()
            && self.calls.until.is_none()
            && self.answer.is_none()
            && self.outbox.is_empty()
            && self.audience != Audience::Everything
    }

    /// Hands over the event that [`has_event_at_hand`](Self::has_event_at_hand) has found.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self) -> Event {
        self.steps_at_a_stretch += 1;
        self.feed.event()
    }

    /// [`hand_over`](Self::hand_over), to a consumer who has it at once.
    #[inline(always)]
    pub(crate) fn deliver(&mut self) -> Event {
        // Of the session's progress nothing is left to say: an event was delivered before.
        self.shared.counters().delivered();
        if self.feed.has_new_id() {
            self.commit_new_id();
        }
        self.hand_over()
    }

    #[inline(always)]
    fn commit_new_id(&mut self) {
        let id = self.feed.new_id();
        if id.is_empty() && self.session.last_event_id().is_none() {
            return; // as `is_same` has it
        }
        if id.len() <= PublishedId::SHORT {
            self.shared.last_event_id().set_short(id);
            self.session.committed(id.into());
        } else {
            self.commit_new_long_id();
        }
    }

    #[inline(never)]
    fn commit_new_long_id(&mut self) {
        if !is_same(self.feed.last_event_id(), self.session.last_event_id()) {
            let id = self.feed.last_event_id().clone();
            self.commit(id);
        }
    }

    /// Others get their turn. The clocks are looked at though there was always something to read.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.steps_at_a_stretch = 0;
        // What comes of it waits in the outbox.
        let _ = self.poll_clock(cx);
        // What is at hand is no silence, however long the others take.
        if self.feed.is_at_work() {
            self.note_time();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The answer to [`Step::Ask`]. It takes effect with the next step, after a look at whether
    /// the source was closed meanwhile.
    pub(crate) fn answer(&mut self, ask: Ask, action: Action) {
        self.events_follow = false;
        self.answer = Some((ask, action));
    }

    /// The consumer was handed the event with this ID.
    #[inline]
    pub(crate) fn delivered(&mut self, id: &EcoString) {
        self.session.delivered();
        self.shared.counters().delivered();
        if !is_same(id, self.session.last_event_id()) {
            self.commit(id.clone());
        }
    }

    /// The caller ends it, with this result.
    pub(crate) fn end(&mut self, result: Result<Finished, Error>) -> Result<Finished, Error> {
        self.trace.over(result.as_ref());
        self.close();
        result
    }

    fn close(&mut self) {
        self.events_follow = false;
        self.session.over();
        self.trace.close();
        self.shared.finish();
        self.drop_input();
        self.outbox.clear();
        self.answer = None; // it may hold a response that nobody has read
        self.calls.abort = None;
        self.timer.disarm();
    }

    /// One thing: an order, a step to hand over, or a move of the machine.
    fn turn(&mut self, cx: &mut Context<'_>) -> Turn {
        self.poll_abort(cx);
        let orders = self.shared.take_orders();
        if orders.is_some_and(|orders| orders.intent == Intent::Close) {
            return self.over(Ok(Finished::Aborted));
        }
        // Asked first, for to take what is not there costs as much, and mostly nothing is.
        if self.answer.is_some() {
            if let Some(result) = self.follow_answer() {
                return self.over(result);
            }
        }
        if let Some(orders) = orders {
            self.obey(orders);
        }
        if !self.outbox.is_empty() {
            return Poll::Ready(self.outbox.pop_front());
        }
        match self.session.phase() {
            Phase::Due if self.shared.is_leaving() => Poll::Pending, // one at a time
            Phase::Due => self.connect(),
            Phase::Asking | Phase::Requesting { .. } | Phase::Refused { .. } => self.poll_link(cx),
            Phase::Open { .. } => self.poll_open(cx),
            Phase::Waiting { .. } => self.wait(cx),
            Phase::Ended { .. } | Phase::Paused { .. } | Phase::Over => {
                self.timer.disarm();
                Poll::Pending
            }
        }
    }

    /// An abort is an order to close: the connection is gone at once, the next turn ends it.
    pub(crate) fn poll_abort(&mut self, cx: &mut Context<'_>) {
        let abort = self.calls.abort.as_mut();
        if abort.is_some_and(|abort| abort.as_mut().poll(cx).is_ready()) {
            self.calls.abort = None;
            self.handle().close();
        }
    }

    /// The connection is gone already: the handle dropped it.
    fn obey(&mut self, orders: Orders) {
        let paused = orders.intent == Intent::Pause;
        let resumed = !paused && matches!(self.session.phase(), Phase::Paused { .. });
        if !orders.interrupted && !resumed {
            return;
        }
        self.trace.steered(match (paused, orders.interrupted) {
            (true, _) => "pause",
            (false, true) => "reconnect",
            (false, false) => "resume",
        });
        let disconnected = self.session.is_open() || self.owes_disconnected();
        self.outbox.clear();
        self.drop_input();
        self.session.interrupted(paused, self.timer.now());
        self.failure = None;
        if disconnected {
            self.outbox.push_back(Step::Signal(Signal::Disconnected));
        }
    }

    /// What was read and not handed over goes with its connection; the next goes on from the ID that was
    /// committed.
    fn drop_input(&mut self) {
        let id = self.session.last_event_id();
        self.feed.reset(id.map_or("", EcoString::as_str));
    }

    /// The connection ended by itself, and that was not told yet.
    fn owes_disconnected(&self) -> bool {
        self.outbox
            .iter()
            .any(|step| matches!(step, Step::Signal(Signal::Disconnected)))
    }

    fn connect(&mut self) -> Turn {
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
            Ok(Next::Spent) => self.over(Err(self.refusal(Refusal::NotCloneable))),
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
            Err(refusal) => return self.over(Err(self.refusal(refusal))),
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
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Turn {
        // Without a link there are orders: the handle took it.
        let Some(link) = self.shared.take_link() else {
            return Poll::Pending;
        };
        let _entered = self.trace.enter();
        let (link, progress) = link.poll(cx);
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
            Progress::Chunk(chunk) => {
                let now = self.timer.now();
                self.shared.counters().received(chunk.len(), now);
                if self.session.runs_clocks() {
                    self.session.received_bytes(now);
                }
                self.feed.push(chunk);
                Poll::Ready(None)
            }
            Progress::End(Ok(response)) => self.body_ended(*response),
            Progress::End(Err(error)) => self.ended(Err(Error::disconnected(error))),
        }
    }

    fn body_ended(&mut self, response: Response) -> Turn {
        // Of a body that is not reqwest's own nothing more is known.
        if response::broke_off(response) && self.calls.fetch.is_none() {
            return self.ended(Err(Error::reset_without_error()));
        }
        match self.calls.until {
            Some(_) => self.ended(Err(Error::Incomplete)),
            None => self.ended(Ok(())),
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
        self.drop_input();
        self.failure = None;
        self.shared.put_link(Link::Open(response));
        self.shared.set_open(true);
        self.shared.counters().opened();
        self.trace.open(head.status());
        Poll::Ready(Some(Step::Signal(Signal::Open(head))))
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Turn {
        match self.feed.next(self.audience == Audience::Everything) {
            Ok(Some(item)) => self.take(item, cx),
            Ok(None) => self.poll_link(cx),
            Err(error) => self.ended(Err(Error::EventTooLarge(error))),
        }
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

    /// However short the delay, others get their turn: a hook may ask for none at all.
    fn wait(&mut self, cx: &mut Context<'_>) -> Turn {
        if !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.poll_clock(cx)
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(deadline) = self.session.deadline() else {
            self.timer.disarm();
            return Poll::Pending;
        };
        ready!(self.timer.poll(deadline, cx));
        match self.session.expired(self.timer.now()) {
            None => Poll::Ready(None),
            Some(Expired::Response(clock)) => self.ended(Err(Error::ResponseTimeout(clock))),
            Some(Expired::Idle(clock)) => self.ended(Err(Error::IdleTimeout(clock))),
            Some(Expired::Event(clock)) => self.ended(Err(Error::EventTimeout(clock))),
            Some(Expired::RefusalBody) => match self.shared.take_link() {
                Some(Link::Refused(response, body)) => self.refused(&response, body.freeze()),
                _ => Poll::Pending, // there are orders
            },
        }
    }

    fn refused(&mut self, response: &Response, body: Bytes) -> Turn {
        let headers = response.headers();
        let asked = self.asked_url.as_ref();
        let refused = RefusedResponse {
            status: response.status(),
            retry_after: response::retry_after(headers, Timer::wall_time()),
            redirected: asked.is_some_and(|url| response::was_redirected(url, response.url())),
            headers: headers.clone(),
            body,
        };
        self.ended(Err(Error::Status(Box::new(refused))))
    }

    /// Every end of an attempt. The connection is gone before anything else happens.
    fn ended(&mut self, end: Result<(), Error>) -> Turn {
        drop(self.shared.take_link());
        self.drop_input();
        self.shared.set_open(false);
        if self.session.is_open() {
            self.outbox.push_back(Step::Signal(Signal::Disconnected));
        }
        self.trace.ended(end.as_ref().copied());
        let kind = end.as_ref().map_or_else(Error::as_end, |()| End::Clean);
        let now = self.timer.now();
        self.session
            .ended(kind, self.origin.next_request(), now, self.chance.f64());
        let retries = self.session.retries();
        let next_delay = self.session.proposed_delay();
        self.outbox.push_back(Step::Ask(match end {
            Ok(()) => Ask::End(StreamEnd {
                retries,
                next_delay,
            }),
            Err(error) => Ask::Failure(Failure {
                error,
                retries,
                next_delay,
            }),
        }));
        Poll::Ready(None)
    }

    #[cold]
    fn follow_answer(&mut self) -> Option<Result<Finished, Error>> {
        let (ask, action) = self.answer.take()?;
        self.follow(ask, action)
    }

    /// What was said to an end.
    fn follow(&mut self, ask: Ask, action: Action) -> Option<Result<Finished, Error>> {
        let now = self.timer.now();
        let outcome = self.session.answer(action.0, now);
        let error = match ask {
            Ask::Failure(failure) => Some(failure.error),
            Ask::End(_) => None,
        };
        match outcome {
            Outcome::Retry { delay, retries } => {
                self.yielded = false;
                // The old connection is gone before the delay begins, an unread body included.
                self.failure = error.map(|error| Arc::new(error.without_body()));
                let error = self.failure.clone();
                self.shared.counters().retried();
                self.trace.retrying(error.as_deref(), delay, retries);
                self.outbox.push_back(Step::Signal(Signal::Retrying {
                    error,
                    delay,
                    retries,
                }));
                None
            }
            Outcome::GiveUp => Some(error.map_or(Ok(Finished::Ended), Err)),
            Outcome::Stop => Some(Ok(Finished::Stopped)),
            Outcome::Refuse(refusal) => {
                self.failure = error.map(Arc::new);
                Some(Err(self.refusal(refusal)))
            }
        }
    }

    fn refusal(&self, refusal: Refusal) -> Error {
        let source = self.failure.clone();
        match refusal {
            Refusal::NotIdempotent => Error::NotReplayed {
                method: self.method.clone(),
                source,
            },
            Refusal::NotCloneable => Error::NotCloneable { source },
        }
    }

    fn over(&mut self, result: Result<Finished, Error>) -> Turn {
        let result = self.end(result);
        Poll::Ready(Some(Step::Over(result)))
    }

    fn commit(&mut self, id: EcoString) {
        self.shared.last_event_id().set(&id);
        self.session.committed(id);
    }

    /// A clock stands still while nobody polls, and while events at hand are handed over.
    fn note_departure(&mut self, step: &Step) {
        self.events_follow =
            matches!(step, Step::Signal(Signal::Event(_))) && self.do_events_follow();
        self.note_time();
    }

    fn note_time(&mut self) {
        self.left_at = self.session.runs_clocks().then(|| self.timer.now());
    }

    #[inline]
    fn report_gap(&mut self) {
        if let Some(left_at) = self.left_at.take() {
            self.session
                .stood_still(self.timer.now().saturating_sub(left_at));
        }
    }
}

/// Whether it is the ID known, told by its address where it is shared: a long ID that stays is not
/// compared with every event.
#[inline]
fn is_same(id: &EcoString, known: Option<&EcoString>) -> bool {
    let known = known.map_or("", EcoString::as_str);
    if id.len() <= EcoString::INLINE_LIMIT {
        id.len() == known.len() && (known.is_empty() || id == known)
    } else {
        std::ptr::eq(id.as_str(), known)
    }
}

/// Code of the caller's own runs. Dropped by its panic only.
struct Unwinding<'a>(&'a mut Driver);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
