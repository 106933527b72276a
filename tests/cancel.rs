//! Cancelled anywhere: every way to end or to pause a source, in every state, for every style of listening.
//!
//! Each cell of this table is played over real sockets and, with paused time, in memory. Over sockets the server
//! sees the connection close within 200 ms; in memory it is closed before anything else happens, and no request
//! comes for a day. In both nothing is delivered after, a stream that is kept is fused, and what was paused
//! resumes with the right `Last-Event-ID`.
//!
//! | state \ way | drop | close | abort | pause | panic | break | stop | fail |
//! |---|---|---|---|---|---|---|---|---|
//! | no byte of the response | ● | ● | ● | ● | ● | d | d | d |
//! | half of the head | ● | ● | ● | ● | ● | d | d | d |
//! | the head, nothing of the body | ● | ● | ● | ● | ● | d | d | d |
//! | in the middle of a line | ● | ● | ● | ● | ● | d | d | d |
//! | in the middle of an event | ● | ● | ● | ● | ● | d | d | d |
//! | in the body of a refusal | ● | ● | ● | ● | ● | d | d | d |
//! | in the delay | ● | ● | ● | ● | ● | d | d | d |
//! | in the future of `from_fn` | ● | ● | ● | ● | ● | e | e | ● |
//! | in the future of `fetch` | ● | ● | ● | ● | ● | e | e | f |
//! | in `on_open` | ● | ● | ● | ● | ● | ● | e | ● |
//! | in `on_message`, more events read | ● | ● | ● | ● | ● | ● | e | ● |
//! | with an event in the hands of who reads a stream, more of them read | ● | ● | ●¹ | ● | ● | d | d | d |
//! | in `on_error` | ● | ● | ● | ● | ● | e | ● | ● |
//! | in `on_close` | ● | ● | ● | ● | ● | e | ● | ● |
//! | in the call of `from_fn` | g | ● | ● | ● | ● | e | e | e |
//! | in the call of `fetch` | g | ● | ● | ● | ● | e | e | e |
//! | in `validate` | g | ● | ● | ● | ● | e | e | ● |
//! | in `until` | g | ● | ● | ● | ● | e | ● | e |
//! | in the call of `on_error` | g | ● | ● | ● | ● | e | ● | ● |
//!
//! Hooks are in force in every style, so each row but the reader's own is for all of them.
//!
//! - ¹ A reader of a stream does not poll meanwhile, so an abort takes effect with its next poll.
//! - *panic*: of the function, the hook or the future that runs there; where none of the caller's runs but
//!   `abort_on`'s future, of that.
//! - *stop*: `Failure::stop`, `StreamEnd::finish`, the end marker of `until`. *fail*: an error of the function.
//! - d: no function of the caller's is running that could say so.
//! - e: its return type has no such value.
//! - f: that is a failure of the attempt, which is retried: no way to cancel.
//! - g: it is called within a poll, and what is being polled cannot be dropped.
//!
//! A connection that is not made yet, its SYN unanswered, is looked at by itself, for no server sees it close: none
//! must come later.

mod client;
mod support;

use std::{
    any::Any,
    fmt,
    future::pending,
    ops::{ControlFlow, Deref},
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use client::{
    AT_ONCE, DAY, Log, http, in_memory, kind, ms, over_tcp, secs, sent_id, standard, word,
};
use fetch_event_source::{
    Action, BoxError, Error, Event, EventSource, EventStream, Failure, Finished, Handle,
    ReadyState, Signals, reqwest,
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::join_all,
    stream::{self, FusedStream},
};
use support::{Exchange, Fetching, MemoryServer, Server, ServerCore, black_hole};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// Longer than any wait of these tests should take.
const PATIENCE: Duration = secs(10);

/// A busy machine may be late by itself, so a cell that was late has another two chances.
const CHANCES: usize = 3;

const ONE: &str = "id: 1\ndata: a\n\n";

/// Events that arrive in one read.
const THREE: &str = "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n";

#[tokio::test]
async fn over_sockets_the_server_sees_the_close_and_nothing_follows() {
    let played = stream::iter(Cell::all()).map(|cell| async move {
        let mut late = Ok(Duration::ZERO);
        for _ in 0..CHANCES {
            late = play(cell, Home::sockets().await).await;
            if late.as_ref().map_or(true, |&late| late <= AT_ONCE) {
                break;
            }
        }
        (cell, late.and_then(in_time))
    });
    let failed = failures(played.buffer_unordered(16).collect().await);
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn in_time(late: Duration) -> Result<Duration, String> {
    match late {
        _ if late <= AT_ONCE => Ok(late),
        _ => Err(format!("{CHANCES} times over: closed after {late:?}")),
    }
}

#[tokio::test(start_paused = true)]
async fn in_memory_the_connection_is_dropped_at_once_and_nothing_follows() {
    let mut played = Vec::new();
    for cell in Cell::all() {
        played.push((cell, play(cell, Home::memory()).await));
    }
    let failed = failures(played);
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[tokio::test]
async fn an_unfinished_connect_is_cancelled() {
    let ways = [
        Way::Nothing,
        Way::Drop,
        Way::Close,
        Way::Abort,
        Way::Pause,
        Way::Panic,
    ];
    let state = State::NoByte;
    let cells = ways
        .into_iter()
        .flat_map(|way| STYLES.map(|style| Cell { way, state, style }));
    join_all(cells.map(|cell| async move {
        let Some(hole) = black_hole().await else {
            return; // not to be had on this system
        };
        let source = EventSource::new(http().get(hole.url("/s"))).retry(standard());
        let mut listener = Listener::start(source, Gate::new(cell));
        sleep(ms(20)).await; // its SYN has left, and was not answered
        listener.act().await;
        let (time, comes) = match cell.way {
            Way::Nothing => (PATIENCE, true),
            _ => (ms(1300), false), // it would have been sent again after a second
        };
        assert_eq!(hole.somebody_comes_within(time).await, comes, "{cell}");
        assert_eq!(listener.log.lines(), cell.words_after(), "{cell}");
    }))
    .await;
}

/// The table above, counted: a cell that is forgotten, or never occurs, shows.
#[test]
fn the_table_is_played_in_full() {
    let count = |way| Cell::all().filter(|cell| cell.way == way).count();
    let outside = 7 * 3;
    let futures = 2 * 3;
    let hooks = 4 * 3;
    let in_hand = 2; // nobody has an event in hand under `run()`
    let calls = 5 * 3;
    let asynchronous = outside + futures + hooks + in_hand;
    assert_eq!(count(Way::Nothing), asynchronous);
    assert_eq!(count(Way::Drop), asynchronous);
    for way in [Way::Close, Way::Abort, Way::Pause, Way::Panic] {
        assert_eq!(count(way), asynchronous + calls, "{way}");
    }
    assert_eq!(count(Way::Break), 2 * 3);
    assert_eq!(count(Way::Stop), 4 * 3);
    assert_eq!(count(Way::Fail), 7 * 3);
}

/// Plays a cell, and says how long the server had to wait for the close, or what was wrong.
async fn play(cell: Cell, home: Home) -> Result<Duration, String> {
    let playing = async {
        let mut scene = Scene::bring(cell, home).await;
        scene.play().await
    };
    AssertUnwindSafe(playing)
        .catch_unwind()
        .await
        .map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic".to_owned())
        .lines()
        .collect::<Vec<_>>()
        .join(" ")
}

fn failures(played: Vec<(Cell, Result<Duration, String>)>) -> Vec<String> {
    assert_eq!(played.len(), Cell::all().count());
    let failed = |(cell, result): (Cell, Result<_, String>)| {
        let why = result.err()?;
        Some(format!("{cell}: {why}"))
    };
    played.into_iter().filter_map(failed).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The control: nothing is done, and all stays as it is.
    Nothing,
    Drop,
    Close,
    Abort,
    Pause,
    Panic,
    Break,
    Stop,
    Fail,
}

const WAYS: [Way; 9] = [
    Way::Nothing,
    Way::Drop,
    Way::Close,
    Way::Abort,
    Way::Pause,
    Way::Panic,
    Way::Break,
    Way::Stop,
    Way::Fail,
];

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Drop => "drop",
            Self::Close => "close",
            Self::Abort => "abort",
            Self::Pause => "pause",
            Self::Panic => "panic",
            Self::Break => "break",
            Self::Stop => "stop",
            Self::Fail => "fail",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NoByte,
    HalfHead,
    Head,
    HalfLine,
    HalfEvent,
    Refusal,
    Delay,
    FromFnFuture,
    FetchFuture,
    OnOpen,
    OnMessage,
    InHand,
    OnError,
    OnClose,
    FromFn,
    Fetch,
    Validate,
    Until,
    OnErrorCall,
}

const STATES: [State; 19] = [
    State::NoByte,
    State::HalfHead,
    State::Head,
    State::HalfLine,
    State::HalfEvent,
    State::Refusal,
    State::Delay,
    State::FromFnFuture,
    State::FetchFuture,
    State::OnOpen,
    State::OnMessage,
    State::InHand,
    State::OnError,
    State::OnClose,
    State::FromFn,
    State::Fetch,
    State::Validate,
    State::Until,
    State::OnErrorCall,
];

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoByte => "before any byte of the response",
            Self::HalfHead => "with half of the head",
            Self::Head => "with the head and nothing of the body",
            Self::HalfLine => "in the middle of a line",
            Self::HalfEvent => "in the middle of an event",
            Self::Refusal => "in the body of a refusal",
            Self::Delay => "in the delay",
            Self::FromFnFuture => "in the future of from_fn",
            Self::FetchFuture => "in the future of fetch",
            Self::OnOpen => "in on_open",
            Self::OnMessage => "in on_message, with more events read",
            Self::InHand => "with an event in hand and more of them read",
            Self::OnError => "in on_error",
            Self::OnClose => "in on_close",
            Self::FromFn => "in the call of from_fn",
            Self::Fetch => "in the call of fetch",
            Self::Validate => "in validate",
            Self::Until => "in until",
            Self::OnErrorCall => "in the call of on_error",
        })
    }
}

impl State {
    fn is_in_a_call(self) -> bool {
        use State::*;
        matches!(self, FromFn | Fetch | Validate | Until | OnErrorCall)
    }

    fn is_in_a_future(self) -> bool {
        matches!(self, Self::FromFnFuture | Self::FetchFuture)
    }

    fn is_in_a_hook(self) -> bool {
        use State::*;
        matches!(self, OnOpen | OnMessage | OnError | OnClose)
    }

    /// Code of the caller's own is running there: not only `abort_on`'s future.
    fn is_the_callers(self) -> bool {
        let is_the_readers = self == Self::InHand;
        self.is_in_a_call() || self.is_in_a_future() || self.is_in_a_hook() || is_the_readers
    }

    fn has_a_connection(self) -> bool {
        use State::*;
        !matches!(
            self,
            Delay | FromFnFuture | OnError | OnClose | FromFn | Fetch | OnErrorCall
        )
    }

    /// Its `Open` was delivered, and no `Disconnected` yet. (A hook is called before its signal is delivered.)
    fn is_open(self) -> bool {
        use State::*;
        matches!(
            self,
            Head | HalfLine | HalfEvent | OnMessage | InHand | Until
        )
    }

    /// The first event was handed over before.
    fn is_past_an_event(self) -> bool {
        use State::*;
        matches!(
            self,
            HalfLine | HalfEvent | Delay | FromFnFuture | InHand | OnClose | FromFn
        )
    }

    /// The first connection has ended, and what follows is decided.
    fn is_past_an_end(self) -> bool {
        matches!(self, Self::Delay | Self::FromFnFuture | Self::FromFn)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Stream,
    Signals,
    Run,
}

const STYLES: [Style; 3] = [Style::Stream, Style::Signals, Style::Run];

/// One scene.
#[derive(Clone, Copy, Debug)]
struct Cell {
    way: Way,
    state: State,
    style: Style,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {:?}", self.way, self.state, self.style)
    }
}

impl Cell {
    fn all() -> impl Iterator<Item = Self> {
        let cells = STATES.into_iter().flat_map(|state| {
            let styles = STYLES.into_iter();
            styles.flat_map(move |style| WAYS.map(|way| Self { way, state, style }))
        });
        cells.filter(Self::occurs)
    }

    /// The table at the top.
    fn occurs(&self) -> bool {
        if self.state == State::InHand && self.style == Style::Run {
            return false;
        }
        use State::*;
        match (self.way, self.state) {
            (Way::Nothing | Way::Drop, state) => !state.is_in_a_call(),
            (Way::Close | Way::Abort | Way::Pause | Way::Panic, _) => true,
            (Way::Break, OnOpen | OnMessage) => true,
            (Way::Stop, OnError | OnClose | Until | OnErrorCall) => true,
            (Way::Fail, state) if state.is_in_a_hook() => true,
            (Way::Fail, FromFnFuture | Validate | OnErrorCall) => true,
            (Way::Break | Way::Stop | Way::Fail, _) => false,
        }
    }

    /// While a reader has an event, it does not poll the stream, so `abort_on`'s future is not polled.
    fn takes_effect_with_the_next_poll(&self) -> bool {
        self.state == State::InHand && self.way == Way::Abort
    }

    /// The reports until the state is reached: of the hooks under `run()`, otherwise of the items.
    fn words_before(&self) -> Vec<String> {
        let hooks = self.style == Style::Run;
        let is_in = |state| hooks && self.state == state;
        let opened = self.state.is_open() || self.state.is_past_an_event() || is_in(State::OnOpen);
        let mut words = Vec::new();
        if opened && self.style != Style::Stream {
            words.push("open".to_owned());
        }
        if self.state.is_past_an_event() || is_in(State::OnMessage) {
            words.push("event a".to_owned());
        }
        match (self.style, self.state) {
            (Style::Signals, state) if state.is_past_an_end() => {
                let delay = delay(state);
                words.push("disconnected".to_owned());
                words.push(format!("retry 1 in {delay:?} after a clean end"));
            }
            (Style::Signals, State::OnClose) => words.push("disconnected".to_owned()),
            (Style::Run, state) if state.is_past_an_end() || state == State::OnClose => {
                words.push("close".to_owned());
            }
            (Style::Run, State::OnError | State::OnErrorCall) => {
                words.push("error no response".to_owned());
            }
            _ => {}
        }
        words
    }

    /// The reports of the end.
    fn words_after(&self) -> Vec<String> {
        let error = match self.state {
            State::Validate => "another error",
            State::FromFnFuture => "no request",
            _ => "a hook",
        };
        let end = match self.way {
            Way::Nothing | Way::Drop => return Vec::new(),
            Way::Pause if self.style == Style::Signals && self.state.is_open() => {
                return vec!["disconnected".to_owned()];
            }
            Way::Pause => return Vec::new(),
            // The reader panics, and drops the stream.
            Way::Panic if self.state == State::InHand => return Vec::new(),
            Way::Panic => "panicked".to_owned(),
            Way::Close | Way::Abort => "finished: Aborted".to_owned(),
            Way::Stop if self.state == State::OnClose => "finished: Ended".to_owned(),
            Way::Stop if self.state == State::Until => "finished: EndMarker".to_owned(),
            Way::Break | Way::Stop => "finished: Stopped".to_owned(),
            Way::Fail => format!("failed: {error}"),
        };
        let mut words = Vec::new();
        match (self.style, self.way, self.state) {
            // What the hook was shown is handed over, and then it is over.
            (Style::Signals, Way::Break, State::OnOpen) => words.push("open".to_owned()),
            (Style::Stream | Style::Signals, Way::Break, State::OnMessage) => {
                words.push("event a".to_owned());
            }
            // It is a failure of the attempt, whose stream was open.
            (Style::Signals, Way::Fail, State::OnMessage) => words.push("disconnected".to_owned()),
            // A failure of the attempt is for `on_error` to see; its own error is none.
            (Style::Run, Way::Fail, state)
                if !matches!(state, State::OnError | State::OnErrorCall) =>
            {
                words.push(format!("error {error}"));
            }
            _ => {}
        }
        words.push(end);
        if self.style != Style::Run {
            words.push("fused".to_owned());
        }
        words
    }

    /// The ID that is to be sent next, after it all.
    fn id(&self) -> &'static str {
        let delivered = match (self.state, self.style) {
            (State::OnMessage, Style::Run) => {
                !matches!(self.way, Way::Drop | Way::Panic | Way::Fail | Way::Nothing)
            }
            // It is not in the reader's hands yet.
            (State::OnMessage, _) => self.way == Way::Break,
            (state, _) => state.is_past_an_event(),
        };
        match delivered {
            true => "1",
            false => "0",
        }
    }
}

/// How long the source waits after a clean end; not at all in the state that asks for another request.
fn delay(state: State) -> Duration {
    match state {
        State::FromFn | State::FromFnFuture => Duration::ZERO,
        _ => secs(3),
    }
}

/// Where the server is.
enum Home {
    Sockets(Server),
    Memory(MemoryServer),
}

impl Deref for Home {
    type Target = ServerCore;

    fn deref(&self) -> &ServerCore {
        match self {
            Self::Sockets(server) => server,
            Self::Memory(server) => server,
        }
    }
}

type Fetch = Box<dyn FnMut(reqwest::Request) -> Fetching + Send>;

impl Home {
    async fn sockets() -> Self {
        Self::Sockets(Server::start().await)
    }

    fn memory() -> Self {
        Self::Memory(MemoryServer::start())
    }

    fn source(&self) -> EventSource<'static> {
        match self {
            Self::Sockets(server) => over_tcp(server),
            Self::Memory(server) => in_memory(server),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Sockets(server) => server.url("/s"),
            Self::Memory(server) => server.url("/s"),
        }
    }

    fn fetch(&self) -> Fetch {
        match self {
            Self::Sockets(_) => Box::new(|request| {
                Box::pin(async { http().execute(request).await.map_err(Into::into) })
            }),
            Self::Memory(server) => Box::new(server.fetch()),
        }
    }

    /// Lets the client do all that it can do by now.
    async fn settle(&self) {
        match self {
            // What has not reached the client's end of a socket by then is only another state of the table.
            Self::Sockets(_) => sleep(ms(5)).await,
            Self::Memory(_) => sleep(ms(1)).await,
        }
    }

    /// Longer than any delay, where that costs nothing.
    fn a_while(&self) -> Duration {
        match self {
            Self::Sockets(_) => ms(20),
            Self::Memory(_) => DAY,
        }
    }
}

/// What the caller's code does where it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    GoOn,
    Panic,
    Break,
    Stop,
    Fail,
}

/// Stops the caller's code once, until the test says what it does.
#[derive(Clone)]
struct Gate {
    cell: Cell,
    reached: watch::Sender<bool>,
    act: watch::Sender<Option<Act>>,
    /// Whether `abort_on`'s future ends, and whether by a panic.
    abort: watch::Sender<Option<Way>>,
    handle: Arc<OnceLock<Handle>>,
    /// How many futures are stopped.
    inside: Arc<AtomicUsize>,
    called: Arc<AtomicBool>,
}

/// Counts a future as long as it is there.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Gate {
    fn new(cell: Cell) -> Self {
        Self {
            cell,
            reached: watch::Sender::new(false),
            act: watch::Sender::new(None),
            abort: watch::Sender::new(None),
            handle: Arc::default(),
            inside: Arc::default(),
            called: Arc::default(),
        }
    }

    /// Whether it is here, and for the first time.
    fn stops(&self, here: State) -> bool {
        here == self.cell.state && !self.called.swap(true, SeqCst)
    }

    /// In a future: waits for the test.
    async fn pass(&self, here: State) -> Act {
        if !self.stops(here) {
            return Act::GoOn;
        }
        self.inside.fetch_add(1, SeqCst);
        let _inside = Inside(Arc::clone(&self.inside));
        self.reached.send_replace(true);
        let mut acts = self.act.subscribe();
        let act = *acts.wait_for(Option::is_some).await.expect("a test");
        match act.expect("something to do") {
            Act::Panic => panic_on_purpose(),
            act => act,
        }
    }

    /// In a call: acts at once, because no other code can run meanwhile.
    fn call(&self, here: State) -> Act {
        if !self.stops(here) {
            return Act::GoOn;
        }
        self.reached.send_replace(true);
        let handle = self.handle.get().expect("a source");
        match self.cell.way {
            Way::Close => handle.close(),
            Way::Pause => handle.pause(),
            Way::Abort => drop(self.abort.send_replace(Some(Way::Abort))),
            Way::Panic => panic_on_purpose(),
            Way::Stop => return Act::Stop,
            Way::Fail => return Act::Fail,
            Way::Nothing | Way::Drop | Way::Break => unreachable!("not in a call"),
        }
        Act::GoOn
    }

    fn ends_by_abort_on(&self) -> bool {
        match self.cell.way {
            Way::Abort => true,
            Way::Panic => !self.cell.state.is_the_callers(),
            _ => false,
        }
    }

    /// The future of `abort_on`.
    async fn aborted(self) {
        let mut aborts = self.abort.subscribe();
        let way = *aborts.wait_for(Option::is_some).await.expect("a test");
        if way == Some(Way::Panic) {
            panic_on_purpose();
        }
    }
}

/// Without a word on standard error, for to write a backtrace takes the time that is measured.
fn panic_on_purpose() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

/// A source and its listener.
struct Listener {
    cell: Cell,
    gate: Gate,
    handle: Handle,
    log: Log,
    task: JoinHandle<()>,
}

/// Nobody goes on listening behind the next scene's back.
impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    fn start(source: EventSource<'static>, gate: Gate) -> Self {
        let source = match gate.ends_by_abort_on() {
            true => source.abort_on(gate.clone().aborted()),
            false => source,
        };
        let handle = source.handle();
        gate.handle.set(handle.clone()).expect("once");
        let (cell, log) = (gate.cell, Log::new());
        let (ours, reported) = (gate.clone(), log.clone());
        let hooks = match cell.style {
            Style::Run => Some(log.clone()),
            Style::Stream | Style::Signals => None, // the items are reported
        };
        let source = hooked(source, &gate, hooks);
        let task = match cell.style {
            Style::Stream => {
                let finished = |events: &EventStream| events.finished().copied();
                let word = |event: &Event| format!("event {}", event.data());
                tokio::spawn(listen(source.stream(), word, finished, ours, reported))
            }
            Style::Signals => {
                let finished = |signals: &Signals| signals.finished().copied();
                tokio::spawn(listen(source.signals(), word, finished, ours, reported))
            }
            Style::Run => tokio::spawn(run(source, reported)),
        };
        Self {
            cell,
            gate,
            handle,
            log,
            task,
        }
    }

    async fn act(&mut self) {
        let state = self.cell.state;
        match self.cell.way {
            Way::Nothing => {}
            _ if state.is_in_a_call() => {} // it is done
            Way::Drop => {
                self.task.abort();
                let end = (&mut self.task).await;
                assert!(end.is_err_and(|end| end.is_cancelled()));
            }
            Way::Close => self.handle.close(),
            Way::Pause => self.handle.pause(),
            way if self.gate.ends_by_abort_on() => drop(self.gate.abort.send_replace(Some(way))),
            Way::Panic => self.tell(Act::Panic),
            Way::Break => self.tell(Act::Break),
            Way::Stop => self.tell(Act::Stop),
            Way::Fail => self.tell(Act::Fail),
            Way::Abort => unreachable!("it is `abort_on`'s"),
        }
    }

    fn tell(&self, act: Act) {
        self.gate.act.send_replace(Some(act));
    }

    /// Lets stopped code continue.
    fn let_go_on(&self) {
        if self.gate.act.borrow().is_none() {
            self.tell(Act::GoOn);
        }
    }

    async fn wait_for(&self, word: &str) {
        self.wait_until(word, |it| it.log.lines().iter().any(|line| line == word))
            .await;
    }

    async fn wait_until(&self, what: &str, look: impl Fn(&Self) -> bool) {
        let looking = async {
            while !look(self) {
                sleep(ms(1)).await;
            }
        };
        let found = timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "waited for {what}: {:?}", self.log.lines());
    }
}

/// A source brought into a state, and its server.
struct Scene {
    cell: Cell,
    home: Home,
    listener: Listener,
    request: Option<Exchange>,
}

impl Scene {
    async fn bring(cell: Cell, home: Home) -> Self {
        let gate = Gate::new(cell);
        let source = source(&home, &gate).last_event_id("0");
        let mut scene = Self {
            cell,
            home,
            listener: Listener::start(source, gate),
            request: None,
        };
        scene.serve().await;
        scene
    }

    /// Brings it into its state, from the server's side.
    async fn serve(&mut self) {
        let state = self.cell.state;
        if state != State::Fetch {
            let request = self.home.accept().await;
            match state {
                State::HalfHead => request.send("HTTP/1.1 200 OK\r\nContent-Ty").await,
                State::Refusal => {
                    let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot";
                    request.send(head).await;
                }
                State::Head | State::FetchFuture | State::Validate => request.ok().await,
                State::OnOpen | State::OnMessage | State::InHand | State::Until => {
                    request.ok_with(THREE).await;
                }
                _ if state.is_past_an_event() => request.ok_with(ONE).await,
                _ => {}
            }
            if state.is_past_an_event() {
                self.listener.wait_for("event a").await;
            }
            match state {
                State::HalfLine => request.send("id: 2\nda").await,
                State::HalfEvent => request.send("id: 2\ndata: b\n").await,
                _ => {}
            }
            if state.has_a_connection() {
                self.request = Some(request);
            } else {
                request.finish();
            }
        }
        if state.is_the_callers() {
            let mut reached = self.listener.gate.reached.subscribe();
            let reached = timeout(PATIENCE, reached.wait_for(|reached| *reached)).await;
            assert!(reached.is_ok(), "it does not get there");
        } else {
            let there = |it: &Listener| match state {
                State::Head => it.handle.state() == ReadyState::Open,
                State::Delay => it.handle.state() == ReadyState::Connecting,
                _ => true,
            };
            self.listener.wait_until("it gets there", there).await;
            self.home.settle().await;
        }
    }

    /// The scene itself. Gives how long it took until the server saw the close.
    async fn play(&mut self) -> Duration {
        let cell = self.cell;
        let acted = Instant::now();
        self.listener.act().await;
        if cell.way == Way::Nothing {
            self.check_nothing_happened().await;
            return Duration::ZERO;
        }
        let mut late = Duration::ZERO;
        if !cell.takes_effect_with_the_next_poll() {
            late = self.closed_since(acted).await;
            if cell.state.is_in_a_future() {
                let left = self.listener.gate.inside.load(SeqCst);
                assert_eq!(left, 0, "a future of the caller's is left");
            }
        }
        self.listener.let_go_on();
        if cell.takes_effect_with_the_next_poll() {
            late = self.closed_since(acted).await;
        }
        self.check_nothing_comes_after().await;
        if cell.way == Way::Pause {
            self.check_resume().await;
        }
        late
    }

    /// Waits until the server has seen the close.
    async fn closed_since(&self, acted: Instant) -> Duration {
        match (&self.home, &self.request) {
            (Home::Sockets(_), Some(request)) => {
                request.wait_closed().await;
                let closed = request.closed_at().expect("it is closed");
                closed.saturating_duration_since(acted)
            }
            _ => {
                self.home.settle().await;
                assert_eq!(self.home.open_connections(), 0, "the connection is open");
                Duration::ZERO
            }
        }
    }

    /// The control. Without it the other cells would prove little.
    async fn check_nothing_happened(&self) {
        self.home.settle().await;
        let connections = usize::from(self.cell.state.has_a_connection());
        assert_eq!(self.home.open_connections(), connections);
        assert_eq!(self.listener.log.lines(), self.cell.words_before());
        assert!(!self.listener.task.is_finished());
        assert_eq!(self.listener.handle.last_event_id(), self.cell.id());
    }

    async fn check_nothing_comes_after(&self) {
        if let Some(request) = &self.request {
            // Whether it can still be written is the system's affair.
            let _ = request.try_send("\r\n\r\ndata: late\n\n").await;
        }
        self.home.settle().await;
        self.home.expect_no_request(self.home.a_while()).await;
        let words = [self.cell.words_before(), self.cell.words_after()].concat();
        assert_eq!(self.listener.log.lines(), words);
        let state = match self.cell.way {
            Way::Pause => ReadyState::Paused,
            _ => ReadyState::Closed,
        };
        assert_eq!(self.listener.handle.state(), state);
        assert_eq!(self.listener.handle.last_event_id(), self.cell.id());
        assert!(self.home.max_open_connections() <= 1);
    }

    async fn check_resume(&self) {
        self.listener.handle.resume();
        let request = self.home.accept().await;
        assert_eq!(sent_id(&request), [self.cell.id()]);
        request.ok_with("id: 9\ndata: z\n\n").await;
        self.listener.wait_for("event z").await;
        let words = match self.cell.style {
            Style::Stream => &["event z"][..],
            Style::Signals | Style::Run => &["open", "event z"],
        };
        let reported = self.listener.log.lines();
        assert_eq!(reported[reported.len() - words.len()..], *words);
        self.home.settle().await;
        assert_eq!(self.listener.handle.last_event_id(), "9");
        assert_eq!(self.home.open_connections(), 1);
        assert_eq!(self.home.max_open_connections(), 1);
    }
}

/// A source with the functions of the caller's that the state is about.
fn source(home: &Home, gate: &Gate) -> EventSource<'static> {
    let state = gate.cell.state;
    let source = match state {
        State::FromFn | State::FromFnFuture => from_fn(home, gate),
        State::Fetch | State::FetchFuture => home.source().fetch(fetch(home, gate)),
        _ => home.source(),
    };
    let gate = gate.clone();
    match state {
        State::Validate => source.validate(move |_| match gate.call(state) {
            Act::Fail => Err("on purpose".into()),
            _ => Ok(()),
        }),
        State::Until => source.until(move |_| gate.call(state) == Act::Stop),
        _ => source,
    }
}

/// The first request is as any; of the second, after a clean end, it is about.
fn from_fn(home: &Home, gate: &Gate) -> EventSource<'static> {
    let (url, gate) = (home.url(), gate.clone());
    let source = EventSource::from_fn(move |attempt| {
        let second = attempt.number() == 2;
        if second {
            gate.call(State::FromFn);
        }
        let (url, gate) = (url.clone(), gate.clone());
        async move {
            if second && gate.pass(State::FromFnFuture).await == Act::Fail {
                return Err("on purpose".into());
            }
            Ok(http().get(url))
        }
    });
    let policy = standard().base_delay(delay(State::FromFn));
    source.fetch(home.fetch()).retry(policy)
}

fn fetch(home: &Home, gate: &Gate) -> impl FnMut(reqwest::Request) -> Fetching + Send + use<> {
    let (mut fetch, gate) = (home.fetch(), gate.clone());
    move |request| {
        gate.call(State::Fetch);
        let (response, gate) = (fetch(request), gate.clone());
        Box::pin(async move {
            let response = response.await?;
            gate.pass(State::FetchFuture).await;
            Ok(response)
        })
    }
}

fn answer(act: Act, failure: &Failure) -> Result<Action, BoxError> {
    match act {
        Act::Stop => Ok(failure.stop()),
        Act::Fail => Err("on purpose".into()),
        _ => Ok(failure.follow_policy()),
    }
}

fn flow(act: Act) -> Result<ControlFlow<()>, BoxError> {
    match act {
        Act::Break => Ok(ControlFlow::Break(())),
        Act::Fail => Err("on purpose".into()),
        _ => Ok(ControlFlow::Continue(())),
    }
}

/// Reads a stream to its end, whatever that is, and keeps it.
async fn listen<S, T>(
    mut stream: S,
    word: impl Fn(&T) -> String,
    finished: impl Fn(&S) -> Option<Finished>,
    gate: Gate,
    log: Log,
) where
    S: Stream<Item = Result<T, Error>> + FusedStream + Unpin,
{
    let end = loop {
        match AssertUnwindSafe(stream.next()).catch_unwind().await {
            Ok(Some(Ok(item))) => {
                let word = word(&item);
                log.add(&word);
                if word == "event a" {
                    gate.pass(State::InHand).await;
                }
            }
            Ok(Some(Err(error))) => break format!("failed: {}", kind(&error)),
            Ok(None) => {
                let finished = finished(&stream).expect("a reason");
                break format!("finished: {finished:?}");
            }
            Err(_) => break "panicked".to_owned(),
        }
    };
    log.add(end);
    let ended = |stream: &mut S| matches!(stream.next().now_or_never(), Some(None));
    let fused = (0..3).all(|_| stream.is_terminated() && ended(&mut stream));
    log.add(if fused { "fused" } else { "not fused" });
    pending().await
}

/// Runs hooks to the end, whatever that is, and keeps what ran.
async fn run(source: EventSource<'static>, log: Log) {
    let mut running = source.run();
    log.add(match AssertUnwindSafe(&mut running).catch_unwind().await {
        Ok(Ok(finished)) => format!("finished: {finished:?}"),
        Ok(Err(error)) => format!("failed: {}", kind(&error)),
        Err(_) => "panicked".to_owned(),
    });
    pending().await
}

/// With all hooks, which the gate may stop, and which tell the log, if there is one.
fn hooked(source: EventSource<'static>, gate: &Gate, log: Option<Log>) -> EventSource<'static> {
    let state = gate.cell.state;
    let tell = move |word: String| {
        if let Some(log) = &log {
            log.add(word);
        }
    };
    let [open, message, error, close] = std::array::from_fn(|_| (gate.clone(), tell.clone()));
    let source = source
        .on_open(move |_| {
            let (gate, tell) = open.clone();
            tell("open".to_owned());
            async move { flow(gate.pass(State::OnOpen).await) }
        })
        .on_message(move |event| {
            let (gate, tell) = message.clone();
            tell(format!("event {}", event.data()));
            async move { flow(gate.pass(State::OnMessage).await) }
        })
        .on_close(move |end| {
            let (gate, tell) = close.clone();
            tell("close".to_owned());
            async move {
                match gate.pass(State::OnClose).await {
                    Act::Stop => Ok(end.finish()),
                    Act::Fail => Err(BoxError::from("on purpose")),
                    _ => Ok(end.follow_policy()),
                }
            }
        });
    let (gate, tell) = error;
    let word = |failure: &Failure| format!("error {}", kind(failure.error()));
    if state == State::OnErrorCall {
        return source.on_error(move |failure| {
            tell(word(&failure));
            answer(gate.call(state), &failure)
        });
    }
    source.on_error(move |failure| {
        tell(word(&failure));
        let gate = gate.clone();
        async move { answer(gate.pass(State::OnError).await, &failure) }
    })
}
