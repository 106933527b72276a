//! Drives a source: asks the session what to do, does it, and reports the result. The session makes all
//! decisions.
//!
//! `EventStream`, `Signals`, `open()` and `run()` use [`Driver`]. It polls in two ways. The short way,
//! [`find_event`](Driver::find_event), goes from the body to an event and leaves everything else to the long
//! way, [`turn`](Driver::turn), which does one thing at a time. Each owner has a file: [`attempt`] the request
//! and its response, [`deliveries`] what was read and delivered, [`pacing`] time and turns, [`calls`] the
//! hooks, [`outcome`] the end of an attempt and what follows.

mod attempt;
mod calls;
mod deliveries;
mod outcome;
mod pacing;
mod reading;
mod short_way;
mod styles;

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use sync_wrapper::SyncWrapper;

use self::attempt::AttemptState;
use self::calls::Calls;
use self::deliveries::Deliveries;
use self::pacing::Pacing;
use crate::client::control::{Command, ControlOwner, Orders};
use crate::client::error::Error;
use crate::client::finished::Finished;
use crate::client::handle::Handle;
use crate::client::http::request_source::RequestSource;
use crate::client::options::Options;
use crate::client::platform::{self, Visibility};
use crate::client::signal::Signal;
use crate::client::stats::ReadyState;
use crate::session::{Order, Phase, Session};

/// The result of a turn.
pub(crate) enum Step {
    Signal(Signal),
    Finished(Result<Finished, Error>),
}

/// Which signals the consumer wants. Costly ones are not made for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalFilter {
    /// `run()`: hooks get everything.
    Nothing,
    /// `open()`, until a response opens.
    Opening,
    Events,
    Everything,
}

impl SignalFilter {
    fn wants(self, step: &Step) -> bool {
        match step {
            Step::Finished(_) => true,
            Step::Signal(Signal::Open(_)) => matches!(self, Self::Opening | Self::Everything),
            Step::Signal(Signal::Event(_)) => matches!(self, Self::Events | Self::Everything),
            Step::Signal(_) => self == Self::Everything,
        }
    }
}

/// `None`: the state changed, and another turn is needed.
type Turn = Poll<Option<Step>>;

/// The result of [`Driver::find_event`].
pub(crate) enum Found {
    /// An event: [`Driver::take_event`] returns it.
    Event,
    /// Nothing yet; the waker is kept.
    Pending,
    /// Something else, which is left to the long way.
    Other,
}

pub(crate) struct Driver<'h> {
    control: ControlOwner,
    session: Session,
    attempt: AttemptState,
    deliveries: Deliveries,
    calls: Calls<'h>,
    pacing: Pacing,
    filter: SignalFilter,
    /// Signals that are not delivered yet, in order; never an event.
    pending: VecDeque<Signal>,
    ending: Ending,
    /// Hides and shows the source with its page, as long as it is kept.
    visibility: Option<Visibility>,
}

/// The progress of a source towards its end.
#[derive(Default)]
struct Ending {
    /// The result of the source, which follows the pending signals.
    result: Option<Result<Finished, Error>>,
    /// Why the source ended without an error.
    finished: Option<Finished>,
}

impl<'h> Driver<'h> {
    pub(crate) fn new(
        requests: SyncWrapper<RequestSource>,
        mut options: Options<'h>,
        control: ControlOwner,
        filter: SignalFilter,
    ) -> Self {
        let invalid = options.first_error();
        let is_timed = options.clocks.event.is_some() || options.clocks.first_event.is_some();
        let id = options.last_event_id.take().unwrap_or_default();
        let mut deliveries = Deliveries::new(options.reading, id);
        deliveries.tell(
            filter == SignalFilter::Everything,
            options.predicates.until.is_some(),
        );
        let calls = Calls::new(options.hooks, options.predicates);
        deliveries.is_plain = !is_timed
            && match filter {
                SignalFilter::Nothing => calls.are_plain(),
                SignalFilter::Events | SignalFilter::Opening => {
                    calls.are_plain() && !calls.has_message()
                }
                SignalFilter::Everything => false,
            };
        let visibility = match options.closes_when_hidden {
            true => Visibility::watch(Handle::of(control.share(deliveries.last_event_id()))),
            false => None,
        };
        Self {
            visibility,
            pacing: Pacing::new(control.clock(), options.policy.jitter_seed),
            session: Session::new(options.policy, options.clocks),
            attempt: AttemptState::new(
                requests,
                options.fetch,
                options.allowed,
                options.is_idempotent,
                options.name,
                invalid,
            ),
            deliveries,
            calls,
            control,
            filter,
            pending: VecDeque::new(),
            ending: Ending::default(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::of(self.control.share(self.deliveries.last_event_id()))
    }

    pub(crate) fn finished(&self) -> Option<&Finished> {
        self.ending.finished.as_ref()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.session.phase() == Phase::Over
    }

    /// Runs code of the caller. A panic ends the source and closes its connection, even if the caller catches
    /// the panic and keeps the source.
    #[inline]
    fn close_on_panic<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let guard = CloseOnPanic(self);
        let out = run(guard.0);
        std::mem::forget(guard);
        out
    }
}

/// The long way, for everything else.
impl Driver<'_> {
    /// Returns the next step. Nothing follows [`Step::Finished`].
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.close_on_panic(|driver| driver.poll_turns(cx))
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if self.is_over() {
            return Poll::Ready(None);
        }
        self.pacing.begin_poll(&mut self.session);
        while self.pacing.has_budget() {
            self.pacing.spend_turn();
            match ready!(self.turn(cx)) {
                Some(step) if self.filter.wants(&step) => {
                    self.hand_over(&step);
                    return Poll::Ready(Some(step));
                }
                _ if self.is_over() => return Poll::Ready(None),
                _ => {}
            }
        }
        self.rest(cx)
    }

    fn hand_over(&mut self, step: &Step) {
        if let Step::Signal(Signal::Event(_)) = step {
            self.deliveries.commit(&mut self.session, &self.control);
        }
        self.pacing.pause_clocks(&self.session);
    }

    /// Does one thing: an order, a signal to deliver, a hook, or a change of the state machine.
    fn turn(&mut self, cx: &mut Context<'_>) -> Turn {
        self.poll_abort(cx);
        let is_ordered = self.control.has_orders();
        if !is_ordered {
            if let Some(signal) = self.pending.pop_front() {
                return Poll::Ready(Some(Step::Signal(signal)));
            }
        }
        // A running hook finishes before an order takes effect.
        if self.calls.are_running() {
            return self.poll_hook(cx);
        }
        let orders = self.control.take_orders();
        if orders.is_some_and(|orders| orders.state == ReadyState::Closed) {
            return self.over(Ok(Finished::Aborted));
        }
        if self.ending.result.is_some() {
            // What happened before the end comes first. An order cannot change it any more.
            if let Some(signal) = self.pending.pop_front() {
                return Poll::Ready(Some(Step::Signal(signal)));
            }
        }
        if let Some(result) = self.ending.result.take() {
            return self.over(result);
        }
        if let Some(orders) = orders {
            self.apply_orders(orders);
            return Poll::Ready(None);
        }
        match self.session.phase() {
            // Deliver one at a time.
            Phase::Due if self.control.is_dropping() => self.park(cx),
            Phase::Due => match self.pacing.poll_settled(cx) {
                Poll::Pending => self.park(cx),
                Poll::Ready(()) => self.connect(),
            },
            Phase::Asking | Phase::Requesting | Phase::Refused => self.poll_exchange(cx),
            Phase::Open => self.poll_open(cx),
            Phase::Waiting { .. } => self.wait(cx),
            Phase::Ended(_) | Phase::Paused { .. } | Phase::Over => {
                self.pacing.timer.disarm();
                self.park(cx)
            }
        }
    }

    /// Called if nothing is due: a handle or a timer wakes the task.
    fn park(&mut self, cx: &Context<'_>) -> Turn {
        if self.control.register(cx) {
            self.pacing.rested();
            Poll::Pending
        } else {
            Poll::Ready(None) // a handle gave an order meanwhile
        }
    }

    /// Yields to other tasks. Timeouts are checked, although there was always something to read.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        let is_at_work = self.deliveries.is_at_work();
        self.pacing.begin_poll(&mut self.session); // hooks may have taken their time
        // Buffered bytes are not the server's silence, so they restart its timers.
        if is_at_work && self.session.runs_clocks() {
            let now = self.pacing.now();
            self.session.received_bytes(now);
        }
        self.pacing.rested();
        if !self.calls.are_running() {
            if let Poll::Ready(Some(Step::Signal(signal))) = self.poll_clock(cx) {
                self.pending.push_back(signal);
            }
        }
        if is_at_work {
            self.pacing.pause_clocks(&self.session);
        }
        platform::wake_after_others(cx);
        Poll::Pending
    }

    /// Called when the abort future completes: drops the connection at once, and the next turn ends the source.
    fn poll_abort(&mut self, cx: &mut Context<'_>) {
        if self.calls.poll_abort(cx) {
            self.control.command(Command::Close);
        }
    }

    /// Called for the orders of handles. A handle has already dropped the connection.
    fn apply_orders(&mut self, orders: Orders) {
        let is_paused = orders.state == ReadyState::Paused;
        let was_paused = matches!(self.session.phase(), Phase::Paused { .. });
        let order = match (is_paused, orders.revoked) {
            (true, true) => Order::Pause,
            (false, true) if orders.by_page => Order::Show,
            (false, true) => Order::Reconnect,
            (false, false) if was_paused && orders.by_page => Order::Show,
            (false, false) if was_paused => Order::Resume,
            _ => return,
        };
        // A response in hand is gone with the order: its request was sent all the same.
        if self.begin_in_hand() {
            self.control.set_only_one(false);
        }
        self.attempt.trace.steered(match order {
            Order::Pause if orders.by_page => "hide",
            Order::Pause => "pause",
            Order::Reconnect => "reconnect",
            Order::Resume => "resume",
            Order::Show => "show",
        });
        let owes_disconnected = |signal: &Signal| matches!(signal, Signal::Disconnected);
        let was_open = self.is_open_reported() || self.pending.iter().any(owes_disconnected);
        self.pending.clear();
        self.pacing.begin_settling();
        self.drop_input();
        let now = self.pacing.now();
        self.session.ordered(order, now, self.pacing.jitter());
        if !orders.by_page {
            self.attempt.failure = None;
        }
        self.attempt.arrived = None;
        if was_open {
            self.pending.push_back(Signal::Disconnected);
        }
    }

    fn over(&mut self, result: Result<Finished, Error>) -> Turn {
        self.attempt.trace.over(result.as_ref());
        self.close();
        self.ending.finished = result.as_ref().ok().copied();
        Poll::Ready(Some(Step::Finished(result)))
    }

    fn close(&mut self) {
        self.session.over();
        self.visibility = None;
        self.control.finish();
        self.drop_input();
        self.attempt.close();
        self.pending.clear();
        self.calls.close();
        self.pacing.timer.disarm();
    }

    /// Drops what was read and not delivered. The next connection continues from the committed ID.
    fn drop_input(&mut self) {
        let ignored = self.deliveries.drop_input(self.control.counters());
        self.attempt.trace.ignored_lines(ignored);
    }
}

/// Exists while code of the caller runs. Only a panic drops it.
struct CloseOnPanic<'a, 'h>(&'a mut Driver<'h>);

impl Drop for CloseOnPanic<'_, '_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
