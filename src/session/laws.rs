//! The laws of the session, under any sequence of calls.
//!
//! [`check`] reads a string of bytes as a policy, clocks and calls, in turn or out of turn, and makes
//! them. A [`Witness`] stands beside the session: it sees what is called and what comes back, keeps
//! books of its own, and panics where a law is broken. It knows the rules from the documentation of
//! [`RetryPolicy`], and shares no arithmetic with the session.
//!
//! The fuzz target `session` and a property test call it. It is compiled for them alone.

use std::collections::BTreeMap;
use std::time::Duration;

use ecow::EcoString;

use super::{Clocks, End, Expired, NextRequest, NotSent, Outcome, Phase, Session, Verdict};
use crate::retry::RetryPolicy;

/// "Within 5 s" is how long a refused request's body may take.
const REFUSAL: Duration = Duration::from_secs(5);

/// A clock overdue by more was not watched, and starts again.
const UNWATCHED: Duration = Duration::from_millis(100);

/// A clock overdue by more was watched, by a thread that did not get to run.
const HELD_UP: Duration = Duration::from_millis(10);

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

/// Bytes, read as choices. Where they are used up, every choice is the first.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte().unwrap_or_default() % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte().unwrap_or_default()) % from.len()]
    }

    /// From nothing to the end of time; mostly what policies are about.
    fn duration(&mut self) -> Duration {
        let scale = self.below(12);
        let count = u64::from(self.byte().unwrap_or_default());
        match scale {
            0 => Duration::ZERO,
            1 => Duration::from_nanos(count),
            2 | 3 => Duration::from_millis(count),
            4 => Duration::from_millis(count * 10),
            5..=7 => Duration::from_secs(count),
            8 => Duration::from_secs(count * 60),
            9 => Duration::from_secs(count * 3600),
            10 => Duration::from_millis(u64::MAX),
            _ => Duration::MAX.saturating_sub(Duration::from_secs(count)),
        }
    }

    fn maybe_duration(&mut self) -> Option<Duration> {
        self.flag().then(|| self.duration())
    }

    fn end(&mut self) -> End {
        match self.below(6) {
            0 => End::Clean,
            1 => End::Unreached {
                unsent: self.flag(),
                futile: self.flag(),
            },
            2 => End::Broken,
            3 | 4 => End::Refused {
                status: self.pick(&[503, 429, 425, 408, 500, 501, 505, 511, 404, 304, 599, 600]),
                retry_after: self.maybe_duration(),
                redirected: self.below(4) == 3,
            },
            _ => End::Fatal,
        }
    }

    fn next_request(&mut self) -> NextRequest {
        NextRequest {
            idempotent: self.pick(&[Some(true), Some(true), Some(false), None]),
            available: self.below(8) != 7,
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.below(8) {
            0..=3 => Verdict::Proceed,
            4 => Verdict::Retry,
            5 => Verdict::RetryAfter(self.duration()),
            6 => Verdict::Stop,
            _ => Verdict::GiveUp,
        }
    }
}

/// The policy, in numbers.
#[derive(Debug)]
struct Rules {
    base: Duration,
    factor: f64,
    max_delay: Option<Duration>,
    jitter: f64,
    max_retries: Option<u32>,
    max_elapsed: Option<Duration>,
    bounds: (Duration, Duration),
    healthy_after: Option<Duration>,
    reconnect_on_close: bool,
    statuses: bool,
    replay: bool,
}

impl Rules {
    fn read(script: &mut Script<'_>) -> Self {
        let senseless = [f64::NAN, f64::NEG_INFINITY, -1.0, 0.5];
        let factors = [2.0, 1.0, 1.5, 10.0, 1e300, f64::INFINITY];
        let shares = [1.0, 0.0, 0.5, 7.0, 1e300, f64::INFINITY];
        Self {
            base: script.duration(),
            factor: script.pick(&[&factors[..], &senseless].concat()),
            max_delay: script.maybe_duration(),
            jitter: script.pick(&[&shares[..], &senseless[..3]].concat()),
            max_retries: script.pick(&[None, None, Some(0), Some(1), Some(3), Some(u32::MAX)]),
            max_elapsed: script.maybe_duration(),
            bounds: (script.duration(), script.duration()), // crossed as well
            healthy_after: script.maybe_duration(),
            reconnect_on_close: script.flag(),
            statuses: !script.flag(),
            replay: script.flag(),
        }
    }

    fn policy(&self) -> RetryPolicy {
        let start = match self.statuses {
            true => RetryPolicy::persistent(),
            false => RetryPolicy::standard(),
        };
        start
            .base_delay(self.base)
            .factor(self.factor)
            .max_delay(self.max_delay)
            .jitter(self.jitter)
            .max_retries(self.max_retries)
            .max_elapsed(self.max_elapsed)
            .server_delay_bounds(self.bounds.0..=self.bounds.1)
            .healthy_after(self.healthy_after)
            .reconnect_on_close(self.reconnect_on_close)
            .replay_non_idempotent(self.replay)
    }

    fn within_bounds(&self, delay: Duration) -> Duration {
        match delay {
            long if long > self.bounds.1 => self.bounds.1,
            short if short < self.bounds.0 => self.bounds.0.min(self.bounds.1),
            fit => fit,
        }
    }

    fn is_retried(&self, end: End) -> bool {
        match end {
            End::Clean => self.reconnect_on_close,
            End::Broken => true,
            End::Unreached { futile, .. } => !futile,
            End::Fatal => false,
            End::Refused {
                status,
                retry_after,
                ..
            } => {
                let can_pass = [408, 425, 429].contains(&status)
                    || (500..600).contains(&status) && ![501, 505, 511].contains(&status);
                self.statuses && can_pass && retry_after.is_none_or(|it| it <= self.bounds.1)
            }
        }
    }

    /// "Reconnection time × factor^(n−1), at most max_delay (but never less than the reconnection
    /// time), plus jitter. Retry-After is a floor": in seconds, step by step.
    fn delay(&self, end: &Ended) -> f64 {
        let base = end.reconnection_time.as_secs_f64();
        let mut delay = base;
        for _ in 1..end.nth.min(1100) {
            delay *= self.factor.max(1.0); // which is 1 for what is not a number, too
        }
        if delay.is_nan() || base == 0.0 {
            delay = 0.0; // nothing grows to nothing
        }
        if let Some(max) = self.max_delay {
            delay = delay.min(max.as_secs_f64().max(base));
        }
        delay = delay.min(Duration::MAX.as_secs_f64());
        let share = self.jitter.max(0.0) * end.chance;
        let jitter = if delay == 0.0 || share.is_nan() {
            0.0
        } else {
            delay * share
        };
        let floor = end.floor.unwrap_or_default().as_secs_f64();
        (delay.max(floor) + jitter).min(Duration::MAX.as_secs_f64())
    }
}

/// Whether a request that is not idempotent may follow: "a connect error, 425, 429, or 503 with
/// Retry-After", from the server that was asked.
fn cannot_have_acted(end: End) -> bool {
    match end {
        End::Unreached { unsent, .. } => unsent,
        End::Refused {
            redirected: true, ..
        } => false,
        End::Refused {
            status,
            retry_after,
            ..
        } => status == 425 || status == 429 || status == 503 && retry_after.is_some(),
        _ => false,
    }
}

/// A request that has left, until the end of what it brought.
#[derive(Debug, Clone, Copy)]
struct Connection {
    /// When the present clock began: of the response, or of the refusal's body.
    since: Watch,
    idempotent: bool,
    is_refused: bool,
    body: Option<Body>,
}

#[derive(Debug, Clone, Copy)]
struct Body {
    opened: Duration,
    last_byte: Watch,
    last_event: Watch,
    delivered: bool,
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
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Due,
    Asked,
    Connected(Connection),
    Ended(Ended),
    Waiting(Duration),
    Paused(Duration),
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
    failing_since: Option<Duration>,
    reconnection_time: Duration,
    has_sent: bool,
    /// A request that could do harm went out, and what became of it does not say that it did none.
    may_have_acted: bool,
    may_replay: bool,
    id: Option<EcoString>,
    reached: Reached,
}

impl Witness {
    fn new(script: &mut Script<'_>) -> Self {
        let rules = Rules::read(script);
        let clocks = Clocks {
            response: script.maybe_duration(),
            idle: script.maybe_duration(),
            event: script.maybe_duration(),
        };
        let id = script.flag().then(|| EcoString::from("given"));
        Self {
            session: Session::new(rules.policy(), clocks, id.clone()),
            reconnection_time: rules.base,
            rules,
            clocks,
            now: Duration::ZERO,
            stage: Stage::Due,
            asked: 0,
            retries: 0,
            failing_since: None,
            has_sent: false,
            may_have_acted: false,
            may_replay: false,
            id,
            reached: Reached::default(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// The first of them is what comes next for a shell in its right mind, so that chance gets far.
    fn call(&mut self, call: u8, script: &mut Script<'_>) {
        match call % 28 {
            0..=11 => self.go_on(script),
            12 | 13 => self.now = self.now.saturating_add(script.duration()),
            14 => self.next_attempt(),
            15 => self.begin(script.flag()),
            16 => self.refused(),
            17 => self.opened(),
            18 => self.received(script.flag()),
            19 => self.delivered(),
            20 => self.committed(script.byte().unwrap_or_default()),
            21 => self.received_retry(script.duration()),
            22 => self.ended(script),
            23 => self.answer(script.verdict()),
            24 => self.interrupted(script.flag()),
            25 => self.look_at_clock(),
            26 => self.stood_still(script.duration()),
            _ if script.below(4) == 3 => self.over(),
            _ => self.look_at_clock(),
        }
    }

    fn go_on(&mut self, script: &mut Script<'_>) {
        match self.stage {
            Stage::Due => self.next_attempt(),
            Stage::Asked => self.begin(script.below(4) != 3),
            Stage::Connected(Connection { body: Some(_), .. }) => match script.below(4) {
                0 => self.delivered(),
                1 => self.received(true),
                _ => self.ended(script),
            },
            Stage::Connected(_) => match script.below(4) {
                0 => self.ended(script),
                1 => self.refused(),
                _ => self.opened(),
            },
            Stage::Ended(_) => self.answer(script.verdict()),
            Stage::Waiting(until) => {
                self.now = self.now.max(until);
                self.look_at_clock();
            }
            Stage::Paused(_) => self.interrupted(false),
            Stage::Over => self.look_at_clock(),
        }
    }

    /// No request is asked for but where one is due: not beside another, not before the wait is
    /// over, not in a pause, not after the end.
    fn next_attempt(&mut self) {
        if let Stage::Due = self.stage {
            self.asked += 1;
            self.stage = Stage::Asked;
        } else {
            self.note("out of turn");
        }
        assert_eq!(self.session.next_attempt(), self.asked);
    }

    /// None leaves that was not asked for; nor one that is not idempotent, where the server may
    /// have acted on the last and nobody has agreed.
    fn begin(&mut self, idempotent: bool) {
        let given = self.session.begin(idempotent, self.now);
        if !matches!(self.stage, Stage::Asked) {
            assert_eq!(given, Ok(false), "a request that nobody asked for");
            self.note("out of turn");
        } else if self.has_sent && !idempotent && !self.may_replay && !self.rules.replay {
            assert_eq!(given, Err(NotSent::NotIdempotent));
            self.note("not replayed");
        } else {
            assert_eq!(given, Ok(true));
            self.note("requests");
            self.has_sent = true;
            self.may_replay = false;
            self.may_have_acted |= !idempotent;
            self.stage = Stage::Connected(Connection {
                since: Watch::from(self.now),
                idempotent,
                is_refused: false,
                body: None,
            });
        }
    }

    /// The connection whose response has not come.
    fn asking(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Connected(connection) if !connection.is_refused && connection.body.is_none() => {
                Some(connection)
            }
            _ => None,
        }
    }

    fn body(&mut self) -> Option<&mut Body> {
        match &mut self.stage {
            Stage::Connected(connection) => connection.body.as_mut(),
            _ => None,
        }
    }

    fn refused(&mut self) {
        let now = self.now;
        self.session.refused(now);
        if let Some(connection) = self.asking() {
            connection.is_refused = true;
            connection.since = Watch::from(now);
        }
    }

    fn opened(&mut self) {
        let now = self.now;
        self.session.opened(now);
        if let Some(connection) = self.asking() {
            connection.body = Some(Body {
                opened: now,
                last_byte: Watch::from(now),
                last_event: Watch::from(now),
                delivered: false,
            });
        }
    }

    /// Bytes, which may make an event.
    fn received(&mut self, event: bool) {
        let now = self.now;
        self.session.received_bytes(now);
        if event {
            self.session.received_event(now);
        }
        if let Some(body) = self.body() {
            body.last_byte = Watch::from(now);
            if event {
                body.last_event = Watch::from(now);
            }
        }
    }

    fn delivered(&mut self) {
        self.session.delivered();
        if let Some(body) = self.body() {
            body.delivered = true;
        }
    }

    fn committed(&mut self, id: u8) {
        let id = EcoString::from(["", "7", "8", "\u{20ac}"][usize::from(id) % 4]);
        self.session.committed(id.clone());
        self.id = Some(id);
    }

    fn received_retry(&mut self, time: Duration) {
        self.reconnection_time = self.rules.within_bounds(time);
        assert_eq!(self.session.received_retry(time), self.reconnection_time);
    }

    /// Nothing else sets the count of retries back.
    fn count_progress(&mut self) {
        let (now, healthy_after) = (self.now, self.rules.healthy_after);
        let Some(body) = self.body() else { return };
        let open = now.saturating_sub(body.opened);
        if body.delivered || healthy_after.is_some_and(|healthy| open >= healthy) {
            if self.retries > 0 {
                self.note("progress");
            }
            self.retries = 0;
            self.failing_since = None;
        }
    }

    fn ended(&mut self, script: &mut Script<'_>) {
        let (end, next) = (script.end(), script.next_request());
        let chance = f64::from(script.byte().unwrap_or_default()) / 256.0;
        self.session.ended(end, next, self.now, chance);
        if !matches!(self.stage, Stage::Asked | Stage::Connected(_)) {
            self.note("out of turn");
            return;
        }
        self.count_progress();
        let can_have_acted = !cannot_have_acted(end);
        if let Stage::Connected(Connection {
            idempotent: false, ..
        }) = self.stage
        {
            self.may_have_acted = can_have_acted;
        }
        self.may_replay = !can_have_acted && !self.may_have_acted;
        let floor = match end {
            End::Refused { retry_after, .. } => retry_after.map(|it| self.rules.within_bounds(it)),
            _ => None,
        };
        self.stage = Stage::Ended(Ended {
            end,
            next,
            at: self.now,
            nth: self.retries.saturating_add(1),
            reconnection_time: self.reconnection_time,
            floor,
            chance,
        });
    }

    fn answer(&mut self, verdict: Verdict) {
        let proposed = self.session.proposed_delay();
        let outcome = self.session.answer(verdict, self.now);
        let Stage::Ended(ended) = self.stage else {
            assert_eq!(outcome, Outcome::GiveUp, "an answer that nobody asked for");
            self.note("out of turn");
            return;
        };
        match verdict {
            Verdict::Stop => assert_eq!(outcome, Outcome::Stop),
            Verdict::GiveUp => assert_eq!(outcome, Outcome::GiveUp),
            Verdict::Proceed => self.proceed(ended, outcome, proposed),
            Verdict::Retry | Verdict::RetryAfter(_) if !ended.next.available => {
                assert_eq!(outcome, Outcome::Withhold(NotSent::NotCloneable));
                self.note("spent");
            }
            Verdict::Retry => {
                let delay = self.waits(ended, outcome);
                self.check_delay(ended, delay);
                self.consent();
            }
            Verdict::RetryAfter(exactly) => {
                assert_eq!(self.waits(ended, outcome), exactly);
                self.consent();
            }
        }
    }

    fn consent(&mut self) {
        self.may_replay = true;
        self.note("consents");
    }

    /// What follows from the policy alone.
    fn proceed(&mut self, ended: Ended, outcome: Outcome, proposed: Option<Duration>) {
        let Ended { end, next, .. } = ended;
        if !self.rules.is_retried(end) {
            assert_eq!(outcome, Outcome::GiveUp, "{end:?}");
            self.note("given up");
            return;
        }
        // Whether limits are kept to depends on the delay, which is checked where it is told.
        if self.rules.max_retries.is_some_and(|most| ended.nth > most) {
            assert_eq!(outcome, Outcome::GiveUp, "the last retry was the last");
            self.note("given up");
            return;
        }
        if self.rules.max_elapsed.is_some() && outcome == Outcome::GiveUp {
            self.check_elapsed_is_used_up(ended);
            self.note("given up");
            return;
        }
        if next.idempotent == Some(false) && !self.may_replay && !self.rules.replay {
            let quiet = matches!(end, End::Clean);
            let refused = match quiet {
                true => Outcome::Withhold(NotSent::NotIdempotent),
                false => Outcome::GiveUp,
            };
            assert_eq!(outcome, refused);
            self.note("not replayed");
            return;
        }
        if !next.available {
            assert_eq!(outcome, Outcome::Withhold(NotSent::NotCloneable));
            self.note("spent");
            return;
        }
        let delay = self.waits(ended, outcome);
        assert_eq!(proposed, Some(delay), "what was shown is what it gets");
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
        let expected = self.rules.delay(&ended);
        let error = (delay.as_secs_f64() - expected).abs();
        assert!(
            error <= expected * 1e-9 + 1e-8,
            "{delay:?}, not {expected} s, after {ended:?} by {:?}",
            self.rules
        );
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

    fn check_elapsed_is_used_up(&self, ended: Ended) {
        let may_be_quiet = ended.next.idempotent == Some(false) && !self.may_replay;
        let max = self.rules.max_elapsed.unwrap_or_default().as_secs_f64();
        let elapsed = self.elapsed(ended, self.rules.delay(&ended));
        let slack = ended.at.as_secs_f64().max(elapsed.abs()) * 1e-9 + 1e-8;
        assert!(
            may_be_quiet || elapsed >= max - slack,
            "gives up after {elapsed} of {max}: {ended:?}"
        );
    }

    /// A pause does not count as time of failure. What is over stays so.
    fn interrupted(&mut self, paused: bool) {
        self.session.interrupted(paused, self.now);
        if let Stage::Over = self.stage {
            self.note("out of turn");
            return;
        }
        self.count_progress();
        let since = match self.stage {
            Stage::Paused(since) => since,
            _ => self.now,
        };
        if paused {
            self.stage = Stage::Paused(since);
            return;
        }
        let pause = self.now.saturating_sub(since);
        self.failing_since = self.failing_since.map(|at| at.saturating_add(pause));
        self.stage = Stage::Due;
    }

    fn over(&mut self) {
        self.session.over();
        self.stage = Stage::Over;
        self.note("over");
    }

    /// A wait ends when its time has come, a clock when it has run out: not before, and not after a
    /// time in which nobody looked.
    fn look_at_clock(&mut self) {
        let expected = self.expected_to_expire();
        assert_eq!(self.session.expired(self.now), expected);
        if expected.is_some() {
            self.note("expired");
        }
    }

    fn expected_to_expire(&mut self) -> Option<Expired> {
        let (now, clocks) = (self.now, self.clocks);
        match &mut self.stage {
            Stage::Waiting(until) if now >= *until => {
                self.stage = Stage::Due;
                None
            }
            Stage::Connected(Connection {
                body: Some(body), ..
            }) => {
                let idle = body.last_byte.look(clocks.idle, now).map(Expired::Idle);
                // The second is looked at only where the first has not run out.
                idle.or_else(|| body.last_event.look(clocks.event, now).map(Expired::Event))
            }
            Stage::Connected(refusal) if refusal.is_refused => refusal
                .since
                .look(Some(REFUSAL), now)
                .map(|_| Expired::RefusalBody),
            Stage::Connected(request) => request
                .since
                .look(clocks.response, now)
                .map(Expired::Response),
            _ => None,
        }
    }

    fn stood_still(&mut self, gap: Duration) {
        // Nobody can have been away for longer than there was.
        let gap = gap.min(self.now);
        self.session.stood_still(gap);
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        if let Some(body) = &mut connection.body {
            body.opened = body.opened.saturating_add(gap);
            body.last_byte.push_back(gap);
            body.last_event.push_back(gap);
        } else {
            connection.since.push_back(gap);
        }
    }

    /// What can be seen at any time.
    fn look(&self) {
        let session = &self.session;
        assert_eq!(session.retries(), self.retries, "only progress resets it");
        assert_eq!(session.last_event_id(), self.id.as_ref(), "the last given");
        assert_eq!(session.deadline(), self.deadline());
        assert_eq!(session.reconnection_time, self.reconnection_time);
        let (phase, open) = (session.phase(), session.is_open());
        let agrees = match self.stage {
            Stage::Due => phase == Phase::Due,
            Stage::Asked => phase == Phase::Asking,
            Stage::Connected(Connection { body: Some(_), .. }) => open,
            Stage::Connected(Connection { is_refused, .. }) => match phase {
                Phase::Refused { .. } => is_refused,
                Phase::Requesting { .. } => !is_refused,
                _ => false,
            },
            Stage::Ended(_) => matches!(phase, Phase::Ended { .. }),
            Stage::Waiting(_) => matches!(phase, Phase::Waiting { .. }),
            Stage::Paused(_) => matches!(phase, Phase::Paused { .. }),
            Stage::Over => phase == Phase::Over,
        };
        assert!(agrees, "{phase:?}, where {:?} is due", self.stage);
        let has_body =
            matches!(self.stage, Stage::Connected(Connection { body, .. }) if body.is_some());
        assert_eq!(open, has_body);
    }

    fn deadline(&self) -> Option<Duration> {
        let at = |watch: Watch, clock: Option<Duration>| Some(watch.since.saturating_add(clock?));
        match self.stage {
            Stage::Waiting(until) => Some(until),
            Stage::Connected(Connection {
                body: Some(body), ..
            }) => {
                let idle = at(body.last_byte, self.clocks.idle);
                let event = at(body.last_event, self.clocks.event);
                match (idle, event) {
                    (Some(idle), Some(event)) => Some(idle.min(event)),
                    (idle, event) => idle.or(event),
                }
            }
            Stage::Connected(refusal) if refusal.is_refused => at(refusal.since, Some(REFUSAL)),
            Stage::Connected(request) => at(request.since, self.clocks.response),
            _ => None,
        }
    }
}

/// A clock, since something has come.
#[derive(Debug, Clone, Copy)]
struct Watch {
    since: Duration,
    starts: u32,
    moved: bool,
}

impl Watch {
    fn from(since: Duration) -> Self {
        Self {
            since,
            starts: 1,
            moved: false,
        }
    }

    fn push_back(&mut self, time: Duration) {
        self.since = self.since.saturating_add(time);
    }

    /// The clock, if it has run out. One that nobody watched starts again, eight times; one
    /// that was watched by a thread which did not get to run gets more time, once.
    fn look(&mut self, clock: Option<Duration>, now: Duration) -> Option<Duration> {
        let clock = clock?;
        let late = now.checked_sub(self.since.saturating_add(clock))?;
        if late > UNWATCHED && self.starts < 9 {
            self.since = now;
            self.starts += 1;
            return None;
        }
        if late > HELD_UP && late <= UNWATCHED && !self.moved {
            self.push_back(late + HELD_UP);
            self.moved = true;
            return None;
        }
        Some(clock)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::{Reached, check};

    const TO_BE_REACHED: [&str; 11] = [
        "requests",
        "not replayed",
        "spent",
        "retries",
        "consents",
        "floors",
        "progress",
        "given up",
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
