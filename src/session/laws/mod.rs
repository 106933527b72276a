//! The laws of the session, under any sequence of calls.
//!
//! [`check`] reads a string of bytes as a policy, clocks and calls, in turn or out of turn, and
//! makes them. A [`Witness`] stands beside the session: it sees what is called and what comes back,
//! keeps separate books, and panics if a law is broken. It knows the rules from the documentation
//! of [`RetryPolicy`](crate::RetryPolicy), and shares no arithmetic with the session.
//!
//! The fuzz target `session` and a property test call it. It is compiled for them alone.

mod books;
mod rules;
mod script;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use ecow::EcoString;

use super::{Clocks, End, NextRequest, NotSent, Order, Outcome, Phase, Proposal, Session, Verdict};

use self::books::{Connections, Requests};
use self::rules::{Rules, cannot_have_acted};
use self::script::Script;
use self::watch::Watches;

/// What a sequence has led to, and how often: a check that never gets anywhere checks nothing.
pub(crate) type Reached = BTreeMap<&'static str, u64>;

/// Makes the calls that the script stands for, and checks the laws after each.
///
/// # Panics
///
/// If a law is broken.
pub(crate) fn check(script: &[u8]) -> Reached {
    let mut script = Script(script);
    let mut witness = Witness::new(&mut script);
    while let Some(call) = script.byte() {
        witness.call(call, &mut script);
        witness.look();
    }
    witness.reached
}

/// An end that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Ended {
    end: End,
    next: NextRequest,
    at: Duration,
    nth: u32,
    reconnection_time: Duration,
    floor: Option<Duration>,
    chance: f64,
    /// What was shown.
    proposal: Proposal,
    /// The attempt sent a request that is not idempotent.
    sent_unsafe: bool,
    /// A response had come before.
    answered: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Due,
    Asked,
    /// A request left; whether it is idempotent.
    Sent(bool),
    /// The same, and a response opens no stream.
    Refused(bool),
    /// The same, and a response opened.
    Open(bool),
    Ended(Ended),
    Waiting(Duration),
    /// Since when, and when a request would have been due.
    Paused(Duration, Option<Duration>),
    Over,
}

struct Witness {
    session: Session,
    rules: Rules,
    clocks: Clocks,
    now: Duration,
    stage: Stage,
    asked: u64,
    retries: u32,
    orders: u32,
    /// The last order to connect, and whether there was progress since.
    last_order: Option<(Duration, bool)>,
    failing_since: Option<Duration>,
    reconnection_time: Duration,
    /// Until when the server asked for no request.
    asked_to_wait: Option<Duration>,
    requests: Requests,
    connections: Connections,
    /// The progress of the last connection has been counted.
    counted: bool,
    watches: Watches,
    position: EcoString,
    answered: bool,
    opened: bool,
    reached: Reached,
}

impl Witness {
    fn new(script: &mut Script<'_>) -> Self {
        let rules = Rules::read(script);
        let clocks = script.clocks();
        let session = Session::new(rules.policy(), clocks);
        assert_eq!(session.phase(), Phase::Due);
        Self {
            session,
            reconnection_time: rules.base,
            rules,
            clocks,
            now: Duration::ZERO,
            stage: Stage::Due,
            asked: 0,
            retries: 0,
            orders: 0,
            last_order: None,
            failing_since: None,
            asked_to_wait: None,
            requests: Requests::default(),
            connections: Connections::default(),
            counted: false,
            watches: Watches::default(),
            position: EcoString::new(),
            answered: false,
            opened: false,
            reached: Reached::default(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// The first of them is what comes next for a shell in its right mind, so that chance gets far.
    fn call(&mut self, call: u8, script: &mut Script<'_>) {
        match call % 32 {
            0..=14 => self.go_on(script),
            15 | 16 => self.now = self.now.saturating_add(script.duration()),
            17 => self.next_attempt(),
            18 => self.begin(script.flag()),
            19 => self.refused(),
            20 => self.opened(script),
            21 => self.received(script.flag(), script.flag()),
            22 => self.delivered(script.flag()),
            23 => self.committed(script.id()),
            24 => self.received_retry(script.duration()),
            25 => self.ended(script),
            26 => self.answer(script.verdict()),
            27 => self.ordered(script),
            28 => self.found_open(),
            29 => self.shift_clocks(script.duration()),
            30 => self.look_at_clock(),
            _ => match script.below(4) {
                3 => self.over(),
                2 => self.responded(),
                _ => self.look_at_clock(),
            },
        }
    }

    fn go_on(&mut self, script: &mut Script<'_>) {
        match self.stage {
            Stage::Due => self.next_attempt(),
            Stage::Asked => match script.below(8) {
                7 => self.ended(script),
                choice => self.begin(choice > 2),
            },
            Stage::Sent(_) => match script.below(4) {
                0 => self.ended(script),
                1 => self.refused(),
                _ => self.opened(script),
            },
            Stage::Refused(_) => self.ended(script),
            Stage::Open(_) => match script.below(6) {
                0 => self.delivered(script.flag()),
                1 => self.received(true, script.flag()),
                2 => self.committed(script.id()),
                3 => self.wait_for_health(script),
                _ => self.ended(script),
            },
            Stage::Ended(_) => self.answer(script.verdict()),
            Stage::Waiting(until) => {
                self.now = self.now.max(until);
                self.look_at_clock();
            }
            Stage::Paused(..) => self.ordered(script),
            Stage::Over => self.look_at_clock(),
        }
    }

    /// No request is asked for unless one is due: not beside another, not before the wait is over,
    /// not in a pause, not after the end, and not before the time that the server asked for.
    fn next_attempt(&mut self) {
        if let Stage::Due = self.stage {
            self.asked += 1;
            self.stage = Stage::Asked;
            self.watches = Watches::asked(self.now);
            let asked_to_wait = self.asked_to_wait.take();
            assert!(
                asked_to_wait.is_none_or(|until| self.now >= until),
                "{:?}, although the server asked for {asked_to_wait:?}",
                self.now
            );
        } else {
            self.note("out of turn");
        }
        assert_eq!(self.session.next_attempt(self.now), self.asked);
    }

    /// The law of consent. No request leaves that was not asked for; and none that is not
    /// idempotent, while an earlier one is neither settled nor consented to.
    fn begin(&mut self, idempotent: bool) {
        let given = self.session.begin(idempotent);
        let may_be_sent = idempotent || self.rules.replay || self.requests.allow_another();
        if !matches!(self.stage, Stage::Asked) {
            assert_eq!(given, Ok(false), "a request that nobody asked for");
            self.note("out of turn");
        } else if !may_be_sent {
            assert_eq!(given, Err(NotSent::NotIdempotent));
            self.note("not replayed");
        } else {
            assert_eq!(given, Ok(true));
            self.note("requests");
            self.requests.left(idempotent);
            self.stage = Stage::Sent(idempotent);
        }
    }

    fn refused(&mut self) {
        self.session.refused(self.now);
        if let Stage::Sent(idempotent) = self.stage {
            self.stage = Stage::Refused(idempotent);
            self.watches = Watches::refused(self.now);
            self.answered = true;
        }
    }

    fn responded(&mut self) {
        self.session.responded();
        self.answered = true;
    }

    fn opened(&mut self, script: &mut Script<'_>) {
        // The caller may send another position than the last.
        let position = match script.below(8) {
            7 => script.id(),
            _ => self.position.clone(),
        };
        self.session.opened(self.now, &position);
        if let Stage::Sent(idempotent) = self.stage {
            self.stage = Stage::Open(idempotent);
            self.watches = Watches::opened(self.clocks, self.now);
            let counts = idempotent || self.rules.reconnect_on_close;
            self.connections.open(counts, position, self.now);
            self.counted = false;
            self.answered = true;
            self.opened = true;
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Bytes, which may make an event.
    fn received(&mut self, event: bool, keep_alive: bool) {
        self.session.received_bytes(self.now);
        if event {
            self.session.received_event(self.now, keep_alive);
        }
        if self.is_open() {
            self.watches.bytes(self.now);
            if event && !keep_alive {
                self.watches.event(self.now);
            }
        }
    }

    fn delivered(&mut self, keep_alive: bool) {
        self.session.delivered(keep_alive);
        if self.is_open() {
            let brought = self.connections.last().expect("a connection");
            brought.delivered |= !keep_alive;
        }
    }

    fn committed(&mut self, id: EcoString) {
        self.session.committed(&id);
        if self.is_open() {
            self.position.clone_from(&id);
            self.connections.last().expect("a connection").committed(id);
            self.count_progress();
        }
    }

    /// Acts as a driver does, at the announced time.
    fn wait_for_health(&mut self, script: &mut Script<'_>) {
        let healthy_at = self.connections.healthy_at(self.rules.healthy_after);
        let late = script.pick(&[0, 0, 1, 10, 11, 5000]);
        if let Some(at) = healthy_at {
            let looked = at.saturating_add(Duration::from_millis(late));
            self.now = self.now.max(looked);
        }
        self.found_open();
    }

    fn awaits_health(&self) -> bool {
        self.is_open()
            && !self.counted
            && (self.retries > 0 || self.orders > 0)
            && self
                .connections
                .healthy_at(self.rules.healthy_after)
                .is_some()
    }

    fn found_open(&mut self) {
        let counts = self.awaits_health();
        self.session.found_open(self.now);
        if counts {
            let brought = self.connections.last().expect("a connection");
            brought.found_open(self.now);
            self.count_progress();
        }
    }

    fn received_retry(&mut self, time: Duration) {
        self.reconnection_time = self.rules.within_bounds(time);
        assert_eq!(self.session.received_retry(time), self.reconnection_time);
    }

    /// The law of progress: nothing else sets the count of retries back.
    fn count_progress(&mut self) {
        if self.counted || !self.connections.has_progressed(self.rules.healthy_after) {
            return;
        }
        self.counted = true;
        if self.retries > 0 {
            self.note("progress");
        }
        self.retries = 0;
        self.orders = 0;
        self.failing_since = None;
        if let Some((_, progressed)) = &mut self.last_order {
            *progressed = true;
        }
    }

    fn ended(&mut self, script: &mut Script<'_>) {
        let (end, next, chance) = (script.end(), script.next_request(), script.jitter());
        let proposal = self.session.ended(end, next, self.now, chance);
        let sent = match self.stage {
            Stage::Asked => None,
            Stage::Sent(idempotent) | Stage::Refused(idempotent) | Stage::Open(idempotent) => {
                Some(idempotent)
            }
            _ => {
                assert_eq!(proposal, None, "an end of nothing");
                self.note("out of turn");
                return;
            }
        };
        if self.is_open() && end == End::Clean {
            self.connections.last().expect("a connection").ended_cleanly = true;
            self.count_progress();
        }
        if sent.is_some() && cannot_have_acted(end) {
            self.requests.settle_last();
            self.note("settled");
        }
        self.answered |= matches!(end, End::Refused { .. });
        let floor = match end {
            End::Refused { retry_after, .. } => retry_after.map(|it| self.rules.within_bounds(it)),
            _ => None,
        };
        self.asked_to_wait = floor.map(|floor| self.now.saturating_add(floor));
        self.watches = Watches::default();
        let proposal = proposal.expect("an end");
        assert_eq!(proposal.retries, self.retries, "only progress resets it");
        assert_eq!(proposal.attempts, self.asked);
        assert_eq!(proposal.ever_opened, self.opened);
        self.stage = Stage::Ended(Ended {
            end,
            next,
            at: self.now,
            nth: self.retries.saturating_add(1),
            reconnection_time: self.reconnection_time,
            floor,
            chance,
            proposal,
            sent_unsafe: sent == Some(false),
            answered: self.answered,
        });
    }

    fn answer(&mut self, verdict: Verdict) {
        let outcome = self.session.answer(verdict, self.now);
        let Stage::Ended(ended) = self.stage else {
            assert_eq!(outcome, Outcome::GiveUp, "an answer that nobody asked for");
            self.note("out of turn");
            return;
        };
        match verdict {
            Verdict::Stop => assert_eq!(outcome, Outcome::Stop),
            Verdict::GiveUp => assert_eq!(outcome, Outcome::GiveUp),
            Verdict::FollowPolicy => self.follow_policy(ended, outcome),
            _ if !ended.next.available => {
                assert_eq!(outcome, Outcome::Refuse(NotSent::NotCloneable));
                self.note("spent");
            }
            Verdict::Retry | Verdict::RetryWithoutId => {
                let delay = self.waits(ended, outcome);
                self.check_delay(ended, delay);
                self.consent(ended);
            }
            Verdict::RetryAfter(exactly) => {
                assert_eq!(self.waits(ended, outcome), exactly);
                self.consent(ended);
                let until = self.now.saturating_add(exactly);
                self.asked_to_wait = self.asked_to_wait.map(|asked| asked.min(until));
            }
        }
    }

    /// "Only if the attempt that it was shown sent a non-idempotent request."
    fn consent(&mut self, ended: Ended) {
        if ended.sent_unsafe {
            self.requests.consent();
            self.note("consents");
        }
    }

    /// What follows from the policy alone.
    fn follow_policy(&mut self, ended: Ended, outcome: Outcome) {
        let Ended { end, next, .. } = ended;
        if !matches!(outcome, Outcome::Retry { .. }) {
            assert_eq!(ended.proposal.next_delay, None, "nothing follows");
        }
        // One response, and nothing to ask again with: its end is the end.
        if next.is_only_one || !self.rules.is_retried(end, ended.answered) {
            assert_eq!(outcome, Outcome::GiveUp, "{end:?}");
            self.note("given up");
            return;
        }
        // Limits depend on the delay, which is checked when it is announced.
        if self.rules.max_retries.is_some_and(|most| ended.nth > most) {
            assert_eq!(outcome, Outcome::GiveUp, "the last retry was the last");
            self.note("given up");
            return;
        }
        let may_replay = self.rules.replay || self.requests.allow_another();
        let is_withheld = next.idempotent == Some(false) && !may_replay;
        if self.rules.max_elapsed.is_some() && outcome == Outcome::GiveUp {
            self.check_elapsed_is_used_up(ended, is_withheld);
            self.note("given up");
            return;
        }
        if is_withheld {
            let refused = match end {
                End::Clean => Outcome::Refuse(NotSent::NotIdempotent),
                _ => Outcome::GiveUp,
            };
            assert_eq!(outcome, refused);
            self.note("not replayed");
            return;
        }
        if !next.available {
            assert_eq!(outcome, Outcome::Refuse(NotSent::NotCloneable));
            self.note("spent");
            return;
        }
        let delay = self.waits(ended, outcome);
        let shown = ended.proposal.next_delay;
        assert_eq!(shown, Some(delay), "what was shown is what it gets");
        self.check_delay(ended, delay);
        self.check_elapsed_is_kept_to(ended, delay);
        self.note("retries");
    }

    /// The wait begins with the answer; the retry is counted.
    fn waits(&mut self, ended: Ended, outcome: Outcome) -> Duration {
        let Outcome::Retry { delay, retries } = outcome else {
            panic!("{ended:?} is retried, not {outcome:?}");
        };
        assert_eq!(retries, ended.nth, "one more than before");
        self.retries = retries;
        self.failing_since.get_or_insert(ended.at);
        self.stage = Stage::Waiting(self.now.saturating_add(delay));
        delay
    }

    /// Never below the reconnection time, nor below `Retry-After`, and not longer than the policy
    /// has it.
    fn check_delay(&mut self, ended: Ended, delay: Duration) {
        assert!(
            delay >= ended.reconnection_time,
            "{delay:?} after {ended:?}"
        );
        if let Some(floor) = ended.floor {
            assert!(delay >= floor, "{delay:?} after {ended:?}");
            if floor > ended.reconnection_time {
                self.note("floors");
            }
        }
        let expected = self.policys_delay(ended);
        let error = (delay.as_secs_f64() - expected).abs();
        assert!(
            error <= expected * 1e-9 + 1e-8,
            "{delay:?}, not {expected} s, after {ended:?} by {:?}",
            self.rules
        );
    }

    fn policys_delay(&self, ended: Ended) -> f64 {
        let Ended { nth, floor, .. } = ended;
        self.rules
            .delay(ended.reconnection_time, nth, floor, ended.chance)
    }

    /// "From the first one's end to the start of the next attempt", in seconds.
    fn elapsed(&self, ended: Ended, delay: f64) -> f64 {
        let since = self.failing_since.unwrap_or(ended.at);
        (ended.at.as_secs_f64() + delay).min(Duration::MAX.as_secs_f64()) - since.as_secs_f64()
    }

    fn check_elapsed_is_kept_to(&self, ended: Ended, delay: Duration) {
        let Some(max) = self.rules.max_elapsed else {
            return;
        };
        let elapsed = self.elapsed(ended, delay.as_secs_f64());
        let slack = ended.at.as_secs_f64().max(elapsed.abs()) * 1e-9 + 1e-8;
        assert!(elapsed <= max.as_secs_f64() + slack, "{elapsed} of {max:?}");
    }

    fn check_elapsed_is_used_up(&self, ended: Ended, is_withheld: bool) {
        let may_be_quiet = is_withheld && ended.end != End::Clean;
        let max = self.rules.max_elapsed.unwrap_or_default().as_secs_f64();
        let elapsed = self.elapsed(ended, self.policys_delay(ended));
        let slack = ended.at.as_secs_f64().max(elapsed.abs()) * 1e-9 + 1e-8;
        assert!(
            may_be_quiet || elapsed >= max - slack,
            "gives up after {elapsed} of {max}: {ended:?}"
        );
    }

    /// The law of orders. An ended session stays ended. A pause does not count as time of failure. An order to connect is
    /// neither a failure nor consent.
    fn ordered(&mut self, script: &mut Script<'_>) {
        let (order, chance) = (script.order(), script.jitter());
        self.session.ordered(order, self.now, chance);
        let (since, pending) = match self.stage {
            Stage::Over => {
                self.note("out of turn");
                return;
            }
            Stage::Paused(since, pending) => (since, pending),
            Stage::Waiting(until) => (self.now, Some(until)),
            Stage::Due => (self.now, Some(self.now)),
            _ => (self.now, None),
        };
        self.watches = Watches::default();
        if order == Order::Pause {
            self.stage = Stage::Paused(since, pending);
            return;
        }
        let pause = self.now.saturating_sub(since);
        self.failing_since = self.failing_since.map(|at| at.saturating_add(pause));
        if order == Order::Show {
            // Nobody ordered: no limit of orders, and none is used up.
            self.comes_back(true, pending, chance);
            return;
        }
        self.orders += 1;
        let is_at_once = self.last_order.is_none_or(|(at, progressed)| {
            progressed && self.now.saturating_sub(at) >= self.reconnection_time
        });
        self.last_order = Some((self.now, false));
        self.comes_back(is_at_once, pending, chance);
    }

    /// "At once", or after "the policy's delay, in which orders and failures in a row count
    /// together"; "no order shortens a Retry-After", or makes a wait longer.
    fn comes_back(&mut self, at_once: bool, pending: Option<Duration>, chance: f64) {
        let until = match self.session.phase() {
            Phase::Due => self.now,
            Phase::Waiting { until } => until,
            other => panic!("{other:?} after an order"),
        };
        let asked = self.asked_to_wait.unwrap_or_default();
        let least = match at_once {
            true => self.now,
            false => self.now.saturating_add(self.reconnection_time),
        };
        assert!(until >= least.min(pending.unwrap_or(least)) && until >= asked);
        let delay = match at_once {
            true => 0.0,
            false => {
                let nth = self.retries.saturating_add(self.orders);
                self.rules.delay(self.reconnection_time, nth, None, chance)
            }
        };
        let pending = pending.unwrap_or(Duration::MAX).as_secs_f64();
        let expected = (self.now.as_secs_f64() + delay)
            .min(pending)
            .max(asked.as_secs_f64())
            .max(self.now.as_secs_f64());
        let error = (until.as_secs_f64() - expected).abs();
        assert!(
            error <= expected * 1e-9 + 1e-8,
            "{until:?}, not {expected} s, at {:?} by {:?}",
            self.now,
            self.rules
        );
        self.note(match (until > self.now, at_once) {
            (false, _) => "orders at once",
            (true, true) => "orders after Retry-After",
            (true, false) => "orders delayed",
        });
        self.stage = match until > self.now {
            true => Stage::Waiting(until),
            false => Stage::Due,
        };
    }

    fn over(&mut self) {
        self.session.over();
        self.stage = Stage::Over;
        self.watches = Watches::default();
        self.note("over");
    }

    /// A wait ends when its time has come, a clock when it has run out: not before, and not after a
    /// time in which nobody looked.
    fn look_at_clock(&mut self) {
        let expired = self.session.expired(self.now);
        match self.stage {
            Stage::Waiting(until) if self.now >= until => self.stage = Stage::Due,
            _ => {}
        }
        assert_eq!(expired, self.watches.look(self.clocks, self.now));
        if expired.is_some() {
            self.note("expired");
        }
    }

    fn shift_clocks(&mut self, gap: Duration) {
        // Nobody can have been away for longer than there was.
        let gap = gap.min(self.now);
        self.session.shift_clocks(gap);
        self.watches.push_back(gap);
    }

    /// What can be seen at any time.
    fn look(&mut self) {
        let deadline = self.deadline();
        let session = &self.session;
        assert_eq!(
            session.streak.retries, self.retries,
            "only progress resets it"
        );
        assert_eq!(session.deadline(), deadline);
        assert_eq!(session.reconnection_time, self.reconnection_time);
        assert_eq!(session.awaits_health(), self.awaits_health());
        if self.is_open() {
            let is_complete = self.counted && self.connections.has_id();
            assert_eq!(session.has_progressed(), is_complete);
        }
        let running = self.watches.deadline(self.clocks);
        assert_eq!(session.runs_clocks(), running.is_some());
        let phase = session.phase();
        let is_expected = match self.stage {
            Stage::Due => phase == Phase::Due,
            Stage::Asked => phase == Phase::Asking,
            Stage::Sent(_) => phase == Phase::Requesting,
            Stage::Refused(_) => phase == Phase::Refused,
            Stage::Open(_) => phase == Phase::Open,
            Stage::Ended(_) => matches!(phase, Phase::Ended(_)),
            Stage::Waiting(_) => matches!(phase, Phase::Waiting { .. }),
            Stage::Paused(..) => matches!(phase, Phase::Paused { .. }),
            Stage::Over => phase == Phase::Over,
        };
        assert!(is_expected, "{phase:?}");
        assert_eq!(session.is_open(), self.is_open());
    }

    fn deadline(&mut self) -> Option<Duration> {
        if let Stage::Waiting(until) = self.stage {
            return Some(until);
        }
        let healthy_at = self.connections.healthy_at(self.rules.healthy_after);
        let health = healthy_at.filter(|_| self.awaits_health());
        let running = self.watches.deadline(self.clocks);
        running.into_iter().chain(health).min()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::{Reached, check};

    const TO_BE_REACHED: [&str; 15] = [
        "requests",
        "not replayed",
        "spent",
        "retries",
        "consents",
        "settled",
        "floors",
        "progress",
        "given up",
        "orders at once",
        "orders delayed",
        "orders after Retry-After",
        "expired",
        "out of turn",
        "over",
    ];

    #[test]
    fn the_session_keeps_its_laws_under_any_sequence_of_calls() {
        let config = Config {
            cases: 4000,
            failure_persistence: None,
            ..Config::default()
        };
        // The same sequences in every run.
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let reached = RefCell::new(Reached::new());
        let outcome =
            TestRunner::new_with_rng(config, random).run(&vec(any::<u8>(), 0..600), |script| {
                for (what, count) in check(&script) {
                    *reached.borrow_mut().entry(what).or_default() += count;
                }
                Ok(())
            });
        assert_eq!(outcome, Ok(()));
        for what in TO_BE_REACHED {
            let count = reached.borrow().get(what).copied().unwrap_or_default();
            assert!(count >= 100, "{what}: {reached:?}");
        }
    }
}
