//! The judge: checks that what the server sent, what was requested and what was delivered fit together.
//!
//! All times are the server's. If a bound depends on how much the client has read, the judge uses the weaker one, so that
//! every complaint is a real fault.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fetch_event_source::Event;
use tokio::sync::Notify;

use crate::coverage::Coverage;
use crate::log::{Log, Stop};
use crate::plan::Cell;
use crate::request::Request;

/// Clocks are read at different moments.
const SLACK: Duration = Duration::from_millis(2);

/// How often a thread checks whether it is starved.
const HEARTBEAT: Duration = Duration::from_millis(10);

/// From this reconnection time on, the server can see that the old connection was closed before the wait, and not only
/// after it.
const LONG_WAIT: Duration = Duration::from_millis(300);

/// How long a dropped connection may take to close.
const GRACE: Duration = Duration::from_millis(250);

/// The client's timeouts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) base_delay: Duration,
    pub(crate) idle: Duration,
    /// After this time without progress a consumer hangs.
    pub(crate) patience: Duration,
}

/// The settings of the judge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) clocks: Clocks,
    /// The trial ends after this many complaints.
    pub(crate) enough: usize,
}

pub(crate) struct Judge {
    pub(crate) log: Log,
    pub(crate) clocks: Clocks,
    enough: usize,
    pub(crate) coverage: Coverage,
    subjects: Vec<Subject>,
    complaints: Mutex<Vec<String>>,
    /// Notifies the waiter of the end of the trial.
    pub(crate) stop: Notify,
    stopped: AtomicBool,
    /// When one of the two threads last found that it was starved.
    starved: Mutex<Option<Instant>>,
}

/// A consumer, and the server's record of it.
pub(crate) struct Subject {
    name: String,
    state: Mutex<State>,
    /// An exchange has ended, or a connection was refused.
    changed: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) handed: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    /// How often the consumer was started.
    pub(crate) incarnation: u32,
    /// How often it could not connect.
    pub(crate) unreached: u32,
    pub(crate) finished: bool,
    /// Attempts that the server has seen or refused.
    pub(crate) attempts: usize,
    pub(crate) requests: usize,
    /// Waits that were measured, and found long enough.
    pub(crate) waits: usize,
    /// Attempts that the client ended although nothing was wrong.
    pub(crate) left: usize,
    moved: Instant,
    /// The attempt that is being answered.
    open: Option<usize>,
    /// How much of the log the server has sent.
    sent: usize,
    /// The reconnection time is at least this.
    reconnection_time: Duration,
    last: Option<Ended>,
    what: String,
}

/// How an exchange ended, as seen by the server.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The earliest time at which it was over for the client.
    pub(crate) at: Instant,
    pub(crate) incarnation: u32,
    /// The client must have read all that was sent.
    pub(crate) read_whole: bool,
    /// A timeout of the client that adds to the reconnection time.
    pub(crate) clock: Duration,
    pub(crate) retry_after: Duration,
    /// The reconnection times of this connection, with their places.
    pub(crate) retries: Vec<(usize, Duration)>,
    pub(crate) sent_to: usize,
    /// The time means nothing: the client left, or the server was slow.
    pub(crate) untimed: bool,
    /// When the client closed, if the client had to.
    pub(crate) left_at: Option<Instant>,
}

/// An accepted request.
pub(crate) struct Begun {
    pub(crate) attempt: usize,
    pub(crate) incarnation: u32,
    /// How many events the client has.
    pub(crate) events: usize,
    /// Where to go on in the log.
    pub(crate) start: usize,
}

impl Judge {
    pub(crate) fn new(log: Log, rules: Rules, names: Vec<String>) -> Self {
        let Rules { clocks, enough } = rules;
        let subject = |name| Subject {
            name,
            state: Mutex::new(State::new(clocks.base_delay)),
            changed: Notify::new(),
        };
        Self {
            log,
            clocks,
            enough,
            coverage: Coverage::default(),
            subjects: names.into_iter().map(subject).collect(),
            complaints: Mutex::default(),
            stop: Notify::new(),
            stopped: AtomicBool::new(false),
            starved: Mutex::default(),
        }
    }

    pub(crate) fn state(&self, consumer: usize) -> MutexGuard<'_, State> {
        lock(&self.subjects[consumer].state)
    }

    pub(crate) fn name(&self, consumer: usize) -> &str {
        &self.subjects[consumer].name
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = MutexGuard<'_, State>> {
        self.subjects.iter().map(|subject| lock(&subject.state))
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    /// Reports a fault of this consumer.
    pub(crate) fn complain(&self, consumer: usize, what: &str) {
        let (attempt, doing) = {
            let state = self.state(consumer);
            (state.attempts, state.what.clone())
        };
        let name = self.name(consumer);
        self.note(format!("{name}, attempt {attempt} ({doing}): {what}"));
    }

    /// Reports a fault.
    pub(crate) fn note(&self, complaint: String) {
        let mut complaints = lock(&self.complaints);
        if complaints.len() < self.enough {
            eprintln!("complaint: {complaint}");
            complaints.push(complaint);
        }
        if complaints.len() == self.enough {
            self.end();
        }
    }

    /// Notes when this thread is starved: a timeout of the client may then expire although nothing is wrong, and
    /// measurements mean nothing.
    pub(crate) async fn heartbeat(&self) {
        loop {
            let before = Instant::now();
            tokio::time::sleep(HEARTBEAT).await;
            if before.elapsed() > HEARTBEAT + self.clocks.idle / 4 {
                *lock(&self.starved) = Some(Instant::now());
            }
        }
    }

    /// Withdraws certainty about the last end unless neither thread was starved: a timeout of the client may have expired
    /// before.
    fn doubt_last(&self, state: &mut State) {
        let Some(last) = &mut state.last else {
            return;
        };
        let since = last.at.checked_sub(2 * self.clocks.idle).unwrap_or(last.at);
        if lock(&self.starved).is_some_and(|starved| starved >= since) {
            last.untimed = true;
            last.read_whole = false;
        }
    }

    /// Ends the trial, done or not.
    pub(crate) fn end(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.stop.notify_one();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Looks for consumers that hang.
    pub(crate) fn look_for_hung(&self) {
        for consumer in 0..self.subjects.len() {
            let hung = {
                let mut state = self.state(consumer);
                let hung = !state.finished && state.moved.elapsed() > self.clocks.patience;
                if hung {
                    state.moved = Instant::now();
                }
                hung
            };
            if hung {
                let patience = self.clocks.patience;
                self.complain(consumer, &format!("nothing has moved for {patience:?}"));
            }
        }
    }
}

/// The consumer's side.
impl Judge {
    /// Called with a delivered event, which must be the next of the log.
    pub(crate) fn handed(&self, consumer: usize, event: &Event) {
        let mut state = self.state(consumer);
        state.moved = Instant::now();
        let expected = self.log.entries.get(state.handed);
        if expected.is_some_and(|entry| entry.id == event.last_event_id()) {
            state.handed += 1;
            let complaint = expected.and_then(|entry| difference(entry, event));
            drop(state);
            if let Some(complaint) = complaint {
                self.complain(consumer, &complaint);
            }
            return;
        }
        let next = state.handed;
        let complaint = match self.log.stop(event.last_event_id().as_bytes()) {
            Some(Stop { events, .. }) if events > next => {
                state.lost += events - 1 - next;
                state.handed = events;
                format!("lost: events {next} to {}", events - 2)
            }
            Some(Stop { events, .. }) => {
                state.duplicated += 1;
                format!("duplicated: event {} where {next} is the next", events - 1)
            }
            None => format!("an event of an ID that is not in the log: {event:?}"),
        };
        drop(state);
        self.complain(consumer, &complaint);
    }

    /// Called before a source is made: the first, or a replacement of a dropped one.
    pub(crate) fn incarnate(&self, consumer: usize) -> u32 {
        let base_delay = self.clocks.base_delay;
        let mut state = self.state(consumer);
        state.incarnation += 1;
        state.reconnection_time = base_delay;
        state.incarnation
    }

    /// The consumer could not connect.
    pub(crate) fn unreached(&self, consumer: usize) {
        let mut state = self.state(consumer);
        state.unreached += 1;
        state.moved = Instant::now();
        drop(state);
        self.subjects[consumer].changed.notify_waiters();
    }

    /// The source of this consumer ended by itself.
    pub(crate) fn finished(&self, consumer: usize, as_it_should: bool, how: &str) {
        let all = self.log.entries.len();
        let handed = {
            let mut state = self.state(consumer);
            state.finished = true;
            state.lost += all.saturating_sub(state.handed);
            state.handed
        };
        if !as_it_should {
            self.complain(consumer, &format!("ended with {how}"));
        }
        if handed < all {
            self.complain(consumer, &format!("lost: events {handed} to {}", all - 1));
        }
    }
}

/// The server's side.
impl Judge {
    /// Called when a client has connected at this time for the log.
    pub(crate) async fn connected(&self, consumer: usize, at: Instant) -> usize {
        self.wait_for_end(consumer).await;
        let mut state = self.state(consumer);
        state.moved = Instant::now();
        self.doubt_last(&mut state);
        let complaint = self.judge_times(&mut state, None, at);
        self.learn_reconnection_time(&mut state, None);
        let attempt = state.attempts;
        state.attempts += 1;
        drop(state);
        if let Some(complaint) = complaint {
            self.complain(consumer, &complaint);
        }
        attempt
    }

    /// Called with a request over a connection made (or reused) at this time. Returns `None` if its source was dropped.
    pub(crate) async fn requested(
        &self,
        consumer: usize,
        request: &Request,
        at: Instant,
    ) -> Option<Begun> {
        let is_current = |state: &State| request.incarnation == Some(state.incarnation);
        if !is_current(&self.state(consumer)) {
            return None;
        }
        self.wait_for_end(consumer).await;
        let mut state = self.state(consumer);
        if !is_current(&state) {
            return None;
        }
        state.moved = Instant::now();
        state.requests += 1;
        self.doubt_last(&mut state);
        let stop = self.stop_asked_for(request);
        let complaints = self.judge_request(&mut state, request, stop, at);
        if request.hop_of.is_none() {
            self.learn_reconnection_time(&mut state, stop);
        }
        let attempt = request.hop_of.unwrap_or(state.attempts);
        state.attempts = attempt + 1;
        state.open = Some(attempt);
        let begun = Begun {
            attempt,
            incarnation: state.incarnation,
            events: stop.map_or(state.handed, |stop| stop.events),
            start: stop.map_or(0, |stop| stop.resume),
        };
        drop(state);
        for complaint in complaints {
            self.complain(consumer, &complaint);
        }
        Some(begun)
    }

    /// Where the client wants to continue; `None` if there is no such place.
    fn stop_asked_for(&self, request: &Request) -> Option<Stop> {
        match request.ids.last() {
            Some(id) => self.log.stop(id),
            None => Some(Stop {
                events: 0,
                complete: 0,
                resume: 0,
            }),
        }
    }

    fn judge_request(
        &self,
        state: &mut State,
        request: &Request,
        stop: Option<Stop>,
        at: Instant,
    ) -> Vec<String> {
        let mut complaints = Vec::new();
        if request.ids.len() > 1 {
            complaints.push(format!("{} headers Last-Event-ID", request.ids.len()));
        }
        match stop {
            Some(stop) => complaints.extend(self.judge_id(state, stop)),
            None => complaints.push(format!(
                "Last-Event-ID is of nothing in the log: {:?}",
                request.ids.last().map(|id| String::from_utf8_lossy(id))
            )),
        }
        // The target of a redirect belongs to the attempt that waited.
        if request.hop_of.is_none() {
            complaints.extend(self.judge_times(state, stop, at));
        }
        complaints
    }

    /// What the server is about to do, for the complaints.
    pub(crate) fn set_plan(&self, consumer: usize, cell: Cell, quota: usize) {
        self.state(consumer).what = format!("after {cell}, {quota} events");
    }

    /// The log was sent up to here.
    pub(crate) fn sent(&self, consumer: usize, to: usize) {
        let mut state = self.state(consumer);
        state.sent = state.sent.max(to);
        state.moved = Instant::now();
    }

    /// Called when the exchange is over. `None` if it does not count, because another one belongs to it.
    pub(crate) fn ended(&self, consumer: usize, ended: Option<Ended>) {
        let mut state = self.state(consumer);
        state.open = None;
        state.moved = Instant::now();
        if ended.is_some() {
            state.last = ended;
        }
        drop(state);
        self.subjects[consumer].changed.notify_waiters();
    }

    /// Called when the client left although the server had not ended the exchange.
    pub(crate) fn left(&self, consumer: usize, incarnation: u32) {
        let mut state = self.state(consumer);
        if state.incarnation == incarnation {
            state.left += 1;
        }
    }

    /// Waits until the consumer failed to connect more often than this.
    pub(crate) async fn until_unreached(&self, consumer: usize, before: u32) -> bool {
        let subject = &self.subjects[consumer];
        let wait = async {
            loop {
                let changed = subject.changed.notified();
                if lock(&subject.state).unreached > before {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(self.clocks.patience, wait)
            .await
            .is_ok()
    }

    /// One connection at a time: the exchange before must be over, or be over at once.
    async fn wait_for_end(&self, consumer: usize) {
        let subject = &self.subjects[consumer];
        let wait = async {
            loop {
                let changed = subject.changed.notified();
                if lock(&subject.state).open.is_none() {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(GRACE, wait).await.is_err() {
            let open = lock(&subject.state).open.take();
            self.complain(
                consumer,
                &format!("two connections at once: attempt {open:?} is still open"),
            );
        }
    }

    /// The requested ID must be of the last delivered event, and sent by the server.
    fn judge_id(&self, state: &State, stop: Stop) -> Option<String> {
        if stop.events != state.handed {
            return Some(format!(
                "asked to go on after {} events, handed were {}",
                stop.events, state.handed
            ));
        }
        if stop.complete > state.sent {
            return Some(format!("asked for an ID that was not sent: {stop:?}"));
        }
        let last = state.last.as_ref()?;
        if last.incarnation != state.incarnation || !last.read_whole {
            return None;
        }
        let latest = self.log.last_stop(last.sent_to)?;
        (latest.complete > stop.complete).then(|| {
            format!(
                "all was sent in order up to event {}, asked for was what follows {}",
                latest.events, stop.events
            )
        })
    }

    /// The request must not be earlier than the server asked, and the connection before must be closed.
    fn judge_times(&self, state: &mut State, stop: Option<Stop>, at: Instant) -> Option<String> {
        let last = state.last.as_ref()?;
        if last.incarnation != state.incarnation || last.untimed {
            return None;
        }
        let reconnection_time = at_least(state, last, stop);
        if let Some(left_at) = last.left_at {
            let gone_for = at.saturating_duration_since(left_at);
            if reconnection_time >= LONG_WAIT && gone_for < reconnection_time / 2 {
                return Some(format!(
                    "two connections at once: the old one was gone for {gone_for:?} only, \
                     of a wait of {reconnection_time:?}"
                ));
            }
        }
        let due = reconnection_time.max(last.retry_after) + last.clock;
        let waited = at.saturating_duration_since(last.at);
        if waited + SLACK >= due {
            state.waits += 1;
            return None;
        }
        Some(format!("too early: after {waited:?}, due was {due:?}"))
    }

    fn learn_reconnection_time(&self, state: &mut State, stop: Option<Stop>) {
        let Some(last) = &mut state.last else {
            return;
        };
        if last.incarnation != state.incarnation {
            return;
        }
        let last = last.clone();
        state.reconnection_time = at_least(state, &last, stop);
        if let Some(last) = &mut state.last {
            last.retries.clear(); // they are accounted for
        }
    }
}

/// The minimum reconnection time of the client. It has certainly read everything up to the requested ID, and perhaps a part
/// of what followed.
fn at_least(state: &State, last: &Ended, stop: Option<Stop>) -> Duration {
    let read_to = match stop {
        _ if last.read_whole => last.sent_to,
        Some(stop) => stop.complete,
        None => 0,
    };
    let mut least = state.reconnection_time;
    for &(said, time) in &last.retries {
        least = match said < read_to || last.read_whole {
            true => time,
            false => least.min(time),
        };
    }
    least
}

fn difference(entry: &crate::log::Entry, event: &Event) -> Option<String> {
    if event.event_type() != entry.event_type {
        let (got, sent) = (event.event_type(), entry.event_type);
        return Some(format!("the type is {got:?}, sent was {sent:?}"));
    }
    (event.data() != entry.data).then(|| {
        let short = |text: &str| text.chars().take(200).collect::<String>();
        let (got, sent) = (short(event.data()), short(&entry.data));
        format!("the data is {got:?}, sent was {sent:?}")
    })
}

impl State {
    fn new(reconnection_time: Duration) -> Self {
        Self {
            handed: 0,
            lost: 0,
            duplicated: 0,
            incarnation: 0,
            unreached: 0,
            finished: false,
            attempts: 0,
            requests: 0,
            waits: 0,
            left: 0,
            moved: Instant::now(),
            open: None,
            sent: 0,
            reconnection_time,
            last: None,
            what: "the first".to_owned(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state that all parts of the trial share.
pub(crate) type SharedJudge = Arc<Judge>;
