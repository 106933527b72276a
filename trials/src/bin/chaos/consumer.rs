//! The consumers: by `stream()`, by `signals()`, by `run()`, and by each of them in turn, dropped
//! and started again.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use fastrand::Rng;
use fetch_event_source::{
    Action, Error, ErrorKind, Event, EventSource, Failure, Finished, Handle, RetryPolicy, Signal,
};
use futures_util::{Stream, StreamExt};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::judge::SharedJudge;
use crate::plan::Protocol;
use crate::request::INCARNATION;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Stream,
    Signals,
    Callbacks,
    /// All three of them in turn, each dropped at some moment.
    Restarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Persistent,
    Standard,
}

/// The kind of a consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) style: Style,
    pub(crate) protocol: Protocol,
    pub(crate) policy: Policy,
    /// Whether its client keeps connections for the next request: with HTTP/2 only.
    pub(crate) pools: bool,
    /// Whether it has an idle clock.
    pub(crate) notices_silence: bool,
}

pub(crate) struct Consumer {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) judge: SharedJudge,
    pub(crate) address: SocketAddr,
    pub(crate) seed: u64,
}

/// How a source came to its end.
enum Life {
    Over(Result<Finished, Error>),
    Dropped,
}

/// When a source is dropped, if it has not ended before.
#[derive(Debug, Clone, Copy)]
enum Death {
    Never,
    AfterEvents(usize),
    After(Duration),
    /// While a hook has the event with this number, which is not delivered yet. (Without hooks: before that event.)
    InHook(usize),
}

impl Consumer {
    /// Consumes the log, and reports to the judge.
    pub(crate) async fn consume(self) -> Result<(), reqwest::Error> {
        let client = self.client()?;
        let mut id = None;
        for incarnation in 0.. {
            let mut rng = Rng::with_seed(self.seed.wrapping_add(incarnation as u64));
            let death = self.death(&mut rng);
            let style = match self.kind.style {
                Style::Restarted => {
                    [Style::Stream, Style::Signals, Style::Callbacks][incarnation % 3]
                }
                style => style,
            };
            let named = self.judge.incarnate(self.number);
            let request = client
                .get(format!("http://{}/log", self.address))
                .header(INCARNATION, named);
            let source = self.source(request, id.as_deref(), &mut rng);
            let handle = source.handle();
            match self.live(style, source, death, &mut rng).await {
                Life::Over(result) => {
                    self.report(result);
                    return Ok(());
                }
                Life::Dropped => id = self.last_event_id(&handle, &mut rng).or(id),
            }
            sleep(Duration::from_millis(rng.u64(1..4))).await;
        }
        Ok(())
    }

    fn client(&self) -> Result<Client, reqwest::Error> {
        let client = Client::builder().no_proxy();
        let client = match self.kind.protocol {
            Protocol::Http1 => client.http1_only(),
            Protocol::Http2 => client.http2_prior_knowledge(),
        };
        match self.kind.pools {
            true => client.build(),
            false => client.pool_max_idle_per_host(0).build(),
        }
    }

    fn death(&self, rng: &mut Rng) -> Death {
        if self.kind.style != Style::Restarted {
            return Death::Never;
        }
        // Often enough to interrupt something, and rarely enough to make progress.
        match rng.u8(..4) {
            0 => Death::AfterEvents(rng.usize(..3_000)),
            1 => Death::InHook(rng.usize(..3_000)),
            _ => Death::After(Duration::from_millis(rng.u64(..600))),
        }
    }

    fn source(
        &self,
        request: RequestBuilder,
        id: Option<&str>,
        rng: &mut Rng,
    ) -> EventSource<'static> {
        let request = request.header("accept-encoding", "gzip");
        let clocks = self.judge.clocks;
        let source = started_from(request, id, rng)
            .retry(self.policy(rng.u64(..)))
            .response_timeout(clocks.idle);
        match self.kind.notices_silence {
            true => source.idle_timeout(clocks.idle),
            false => source,
        }
    }

    fn policy(&self, seed: u64) -> RetryPolicy {
        let base_delay = self.judge.clocks.base_delay;
        let bounds = Duration::from_millis(1)..=Duration::from_secs(5);
        let policy = match self.kind.policy {
            Policy::Persistent => RetryPolicy::persistent()
                .factor(1.5)
                .max_delay(base_delay * 3)
                .jitter(0.5)
                .jitter_seed(seed),
            Policy::Standard => RetryPolicy::standard(),
        };
        policy.base_delay(base_delay).server_delay_bounds(bounds)
    }

    /// The answer to a failure. The standard's policy treats every status as final; here the source continues, and must
    /// still follow `Retry-After`.
    fn decision(&self) -> impl FnMut(Failure) -> Action + Send + 'static {
        let (judge, number, policy) = (self.judge.clone(), self.number, self.kind.policy);
        move |failure| {
            if failure.error().is_connect() {
                judge.unreached(number);
            }
            match failure.error().status() {
                Some(_) if policy == Policy::Standard => failure.retry(),
                _ => failure.follow_policy(),
            }
        }
    }

    async fn live(
        &self,
        style: Style,
        source: EventSource<'static>,
        death: Death,
        rng: &mut Rng,
    ) -> Life {
        let life = async {
            match style {
                Style::Signals => {
                    let signals = source.on_error(self.decision()).signals();
                    self.watch(signals, death, rng).await
                }
                Style::Callbacks => self.call(source, death, rng).await,
                Style::Stream | Style::Restarted => {
                    let events = source.on_error(self.decision()).stream();
                    let finished =
                        |events: &fetch_event_source::EventStream| events.finished().copied();
                    self.listen(events, finished, death, rng, |_, event| Some(event))
                        .await
                }
            }
        };
        match death {
            Death::After(time) => tokio::select! {
                biased;
                () = sleep(time) => Life::Dropped,
                life = life => life,
            },
            _ => life.await,
        }
    }

    /// Takes the items of a stream, of which some are events.
    async fn listen<S, T>(
        &self,
        stream: S,
        finished: impl Fn(&S) -> Option<Finished>,
        death: Death,
        rng: &mut Rng,
        mut event: impl FnMut(&Self, T) -> Option<Event>,
    ) -> Life
    where
        S: Stream<Item = Result<T, Error>> + Unpin,
    {
        let mut stream = stream;
        let mut events = 0;
        loop {
            if let Death::AfterEvents(most) | Death::InHook(most) = death {
                if events == most {
                    return Life::Dropped;
                }
            }
            match stream.next().await {
                Some(Ok(item)) => {
                    if let Some(event) = event(self, item) {
                        self.judge.handed(self.number, &event);
                        events += 1;
                        Pause::drawn(rng).take().await;
                    }
                }
                Some(Err(error)) => return Life::Over(Err(error)),
                None => return Life::Over(finished(&stream).ok_or(ErrorKind::Incomplete.into())),
            }
        }
    }

    /// Signals must come in their order, too.
    async fn watch(
        &self,
        signals: fetch_event_source::Signals,
        death: Death,
        rng: &mut Rng,
    ) -> Life {
        let mut is_open = false;
        let finished = |signals: &fetch_event_source::Signals| signals.finished().copied();
        let event = |consumer: &Self, signal| {
            let belongs = match &signal {
                Signal::Open(_) => !std::mem::replace(&mut is_open, true),
                Signal::Disconnected => std::mem::replace(&mut is_open, false),
                Signal::Event(_)
                | Signal::Comment(_)
                | Signal::ReconnectionTime(_)
                | Signal::LastEventId(_)
                | Signal::Ignored(_) => is_open,
                Signal::Retrying { .. } => !is_open,
                _ => false,
            };
            if !belongs {
                let complaint = format!("a signal out of turn: {signal:?}");
                consumer.judge.complain(consumer.number, &complaint);
            }
            match signal {
                Signal::Event(event) => Some(event),
                _ => None,
            }
        };
        self.listen(signals, finished, death, rng, event).await
    }

    async fn call(&self, source: EventSource<'static>, death: Death, rng: &mut Rng) -> Life {
        let dies = &Notify::new();
        let mut events = 0;
        let (judge, number) = (&self.judge, self.number);
        let run = source
            .on_error(self.decision())
            .on_close(|end| end.follow_policy())
            .on_message(move |event| {
                let pause = Pause::drawn(rng);
                let before = events;
                events += 1;
                async move {
                    pause.take().await;
                    if matches!(death, Death::InHook(most) if before == most) {
                        dies.notify_one();
                        pending::<()>().await;
                    }
                    judge.handed(number, &event);
                    if matches!(death, Death::AfterEvents(most) if before + 1 == most) {
                        dies.notify_one();
                    }
                }
            })
            .run();
        let run = pin!(run);
        tokio::select! {
            biased;
            () = dies.notified() => Life::Dropped,
            result = run => Life::Over(result),
        }
    }

    fn report(&self, result: Result<Finished, Error>) {
        let as_it_should = matches!(result, Ok(Finished::NoContent));
        self.judge
            .finished(self.number, as_it_should, &format!("{result:?}"));
    }

    /// The ID to start again from: of the handle, which must agree with the last event.
    fn last_event_id(&self, handle: &Handle, rng: &mut Rng) -> Option<String> {
        let said = handle.last_event_id();
        let handed = self.judge.state(self.number).handed;
        let log = &self.judge.log;
        let said_events = log.stop(said.as_bytes()).map(|stop| stop.events);
        if said_events.unwrap_or_default() != handed {
            let complaint =
                format!("the handle says {said:?}, that is {said_events:?} events of {handed}");
            self.judge.complain(self.number, &complaint);
        }
        let seen = handed
            .checked_sub(1)
            .map(|last| log.entries[last].id.clone());
        if rng.bool() && !said.is_empty() {
            return Some(said);
        }
        seen
    }
}

/// An ID can be given in two ways.
fn started_from(request: RequestBuilder, id: Option<&str>, rng: &mut Rng) -> EventSource<'static> {
    match id {
        None => EventSource::new(request),
        Some(id) if rng.bool() => EventSource::new(request.header("last-event-id", id.as_bytes())),
        Some(id) => EventSource::new(request).last_event_id(id),
    }
}

/// Now and then a consumer has something else to do.
enum Pause {
    None,
    Yield,
    Sleep,
}

impl Pause {
    fn drawn(rng: &mut Rng) -> Self {
        match rng.u16(..3_000) {
            0 => Self::Sleep,
            1..40 => Self::Yield,
            _ => Self::None,
        }
    }

    async fn take(self) {
        match self {
            Self::None => {}
            Self::Yield => tokio::task::yield_now().await,
            Self::Sleep => sleep(Duration::from_millis(2)).await,
        }
    }
}
