//! Drives a source: asks the session what is due, does it, and tells it what came of it. No rule is made
//! here.
//!
//! `Signals`, `EventStream` and `run()` sit over [`Driver::poll_step`]. [`attempt`] goes from a request to
//! its events, [`ends`] from an end to what follows, [`delivery`] hands events over.

mod attempt;
mod delivery;
mod ends;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ecow::EcoString;
use reqwest::{Method, Url};

use crate::action::{Action, Failure, StreamEnd};
use crate::error::Error;
use crate::feed::Feed;
use crate::handle::Handle;
use crate::options::{Calls, Options};
use crate::origin::Origin;
use crate::parser::Parser;
use crate::request;
use crate::session::{Phase, Session};
use crate::shared::{Intent, Orders, Owned};
use crate::signal::{Finished, Signal};
use crate::timer::Timer;
use crate::trace::Trace;

/// How many turns without anything for the consumer before the executor gets its chance: a server
/// may send nothing but comments, as fast as it can.
const TURNS: usize = 64;

/// How many steps the consumer gets without a pause: a timeout around it should have its chance,
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

pub(crate) struct Driver {
    audience: Audience,
    session: Session,
    origin: Origin,
    calls: Calls,
    accepted_types: Vec<String>,
    reads_ahead: bool,
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
    /// Turns of the present poll; chunks that were read together count each.
    turns: usize,
    /// Steps handed over since somebody else had a turn.
    steps_at_a_stretch: u32,
    /// The executor had its turn since the wait began.
    yielded: bool,
    /// When the consumer went away with an item, or others got their turn before one, while a clock was
    /// running.
    left_at: Option<Duration>,
    /// The last turn gave an event, and nothing but the next one can be due, if it is at hand.
    events_follow: bool,
    /// It is noted when the chunk at hand came.
    is_chunk_dated: bool,
}

impl Driver {
    pub(crate) fn new(origin: Origin, options: Options, shared: Owned, audience: Audience) -> Self {
        let Options {
            policy,
            clocks,
            max_event_size,
            reads_ahead,
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
            reads_ahead,
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
            turns: 0,
            steps_at_a_stretch: 0,
            yielded: false,
            left_at: None,
            events_follow: false,
            is_chunk_dated: true,
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
        self.turns = 0;
        while self.turns < TURNS {
            self.turns += 1;
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

    /// Others get their turn. The clocks are looked at though there was always something to read.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let gave_events = std::mem::take(&mut self.steps_at_a_stretch) == STEPS;
        let is_at_work = self.feed.is_at_work();
        self.note_arrival();
        // What is at hand is no silence, however long the others take.
        if is_at_work && self.session.runs_clocks() {
            self.session.received_bytes(self.timer.now());
        }
        // What comes of it waits in the outbox.
        let _ = self.poll_clock(cx);
        // Nor do events wait at hand for the server. (Of so many turns without any, none may be there.)
        if is_at_work && gave_events {
            self.note_time();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
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

    /// The connection ended by itself, and that was not told yet.
    fn owes_disconnected(&self) -> bool {
        self.outbox
            .iter()
            .any(|step| matches!(step, Step::Signal(Signal::Disconnected)))
    }

    /// The answer to [`Step::Ask`]. It takes effect with the next step, after a look at whether
    /// the source was closed meanwhile.
    pub(crate) fn answer(&mut self, ask: Ask, action: Action) {
        self.events_follow = false;
        self.answer = Some((ask, action));
    }

    fn over(&mut self, result: Result<Finished, Error>) -> Turn {
        let result = self.end(result);
        Poll::Ready(Some(Step::Over(result)))
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

    /// What was read and not handed over goes with its connection; the next goes on from the ID that was
    /// committed.
    fn drop_input(&mut self) {
        let id = self.session.last_event_id();
        self.feed.reset(id.map_or("", EcoString::as_str));
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

/// Code of the caller's own runs. Dropped by its panic only.
struct Unwinding<'a>(&'a mut Driver);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
