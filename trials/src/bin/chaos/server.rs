//! The server: ports for each consumer, and the faults of its connections.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::body::Body;
use crate::judge::{Begun, Ended, SharedJudge};
use crate::plan::{Cell, Fault, Itinerary, Phase, Plan, Protocol, Refusal, RetryAfter, Target};
use crate::port::Port;
use crate::request::HOP;
use crate::{http1, http2};

/// The addresses of the server.
pub(crate) struct Ports {
    main: Port,
    /// Where redirects lead.
    other: Port,
    /// A port that always refuses connections.
    nobody: Port,
}

impl Ports {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            main: Port::new()?,
            other: Port::new()?,
            nobody: Port::new()?,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.main.address
    }
}

pub(crate) struct Server {
    pub(crate) judge: SharedJudge,
    pub(crate) itineraries: Vec<Itinerary>,
    pub(crate) ports: Vec<Ports>,
}

impl Server {
    /// Serves the consumers, one after the other number, in the protocol of each.
    pub(crate) async fn serve(self, protocols: Vec<Protocol>) -> io::Result<()> {
        let server = Rc::new(self);
        let tasks = protocols
            .into_iter()
            .enumerate()
            .flat_map(|(consumer, protocol)| {
                [false, true]
                    .map(|other| spawn_local(listen(server.clone(), consumer, protocol, other)))
            });
        for served in futures_util::future::join_all(tasks).await {
            served.map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// Returns the plan of the next attempt of this consumer.
    pub(crate) fn plan(&self, consumer: usize, attempt: usize) -> Plan {
        self.itineraries[consumer].plan(attempt)
    }

    /// Returns the exchange that begins with this request; `None` if nothing follows.
    pub(crate) async fn begin(
        &self,
        consumer: usize,
        begun: Begun,
        is_hop: bool,
        at: Instant,
    ) -> Option<Exchange> {
        let plan = self.plan(consumer, begun.attempt);
        let mut exchange = Exchange::new(consumer, begun, plan, is_hop, at);
        if exchange.begun.events == self.judge.log.entries.len() {
            self.judge.ended(consumer, None);
            return None;
        }
        if is_hop {
            self.judge.coverage.count(exchange.plan.cell);
        }
        let (cell, quota) = (exchange.cell, exchange.plan.quota);
        self.judge.set_plan(consumer, cell, quota);
        self.prepare_refusal(&mut exchange).await;
        Some(exchange)
    }

    /// Called when the client left before the end of the answer.
    pub(crate) fn leave(&self, exchange: &Exchange) {
        let ended = Ended {
            untimed: true,
            ..exchange.end(Instant::now())
        };
        let consumer = exchange.consumer;
        self.judge.left(consumer, exchange.begun.incarnation);
        self.judge.ended(consumer, Some(ended));
    }

    /// Called before the answer: closes the port if the next attempt should be refused.
    async fn prepare_refusal(&self, exchange: &mut Exchange) {
        let next = self.plan(exchange.consumer, exchange.begun.attempt + 1);
        if next.cell.fault != Fault::Refused || exchange.goes_on() {
            return;
        }
        let unreached = self.judge.state(exchange.consumer).unreached;
        let leads_nowhere = exchange.cell.fault == Fault::Redirect(Target::Nobody);
        let main = &self.ports[exchange.consumer].main;
        main.set_listening(false).await;
        exchange.refused_beyond = Some(unreached + u32::from(leads_nowhere));
    }

    /// Called after the answer: a closed port opens again as soon as the consumer failed to connect.
    pub(crate) async fn refuse(&self, exchange: &Exchange) {
        let Some(unreached) = exchange.refused_beyond else {
            return;
        };
        let consumer = exchange.consumer;
        let was_refused = self.judge.until_unreached(consumer, unreached).await;
        let attempt = exchange.begun.attempt + 1;
        if was_refused {
            self.judge.coverage.count(self.plan(consumer, attempt).cell);
        } else {
            self.judge.complain(consumer, "nobody came to be refused");
        }
        self.judge.state(consumer).attempts = attempt + 1;
        self.ports[consumer].main.set_listening(true).await;
    }

    /// Whether the next attempt needs a new connection.
    pub(crate) fn next_needs_a_connection(&self, exchange: &Exchange) -> bool {
        let next = self
            .plan(exchange.consumer, exchange.begun.attempt + 1)
            .cell;
        !exchange.goes_on() && matches!(next.phase, Phase::Connect | Phase::BeforeRequest)
    }

    /// Where this exchange is redirected to.
    pub(crate) fn location(&self, exchange: &Exchange, target: Target) -> String {
        let ports = &self.ports[exchange.consumer];
        let attempt = exchange.begun.attempt;
        match target {
            Target::SamePort => format!("{HOP}{attempt}"),
            Target::OtherPort => format!("http://{}{HOP}{attempt}", ports.other.address),
            Target::Nobody => format!("http://{}{HOP}{attempt}", ports.nobody.address),
        }
    }
}

async fn listen(
    server: Rc<Server>,
    consumer: usize,
    protocol: Protocol,
    other: bool,
) -> io::Result<()> {
    let ports = &server.ports[consumer];
    let port = if other { &ports.other } else { &ports.main };
    port.serve(|stream, at| {
        let server = server.clone();
        spawn_local(async move {
            if !other && turns_away(&server, consumer, &stream) {
                return turn_away(&server, consumer, stream, at).await;
            }
            match protocol {
                Protocol::Http1 => http1::serve(server, consumer, stream, at).await,
                Protocol::Http2 => http2::serve(server, consumer, stream, at).await,
            }
        });
    })
    .await
}

/// Whether the plan is to close a connection as soon as it is accepted.
fn turns_away(server: &Server, consumer: usize, stream: &TcpStream) -> bool {
    let plan = server.plan(consumer, server.judge.state(consumer).attempts);
    // Ignore a client that has left already.
    let peeked = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
    plan.cell.phase == Phase::BeforeRequest && !matches!(peeked, Ok(0))
}

async fn turn_away(server: &Server, consumer: usize, stream: TcpStream, at: Instant) {
    let judge = &server.judge;
    let plan = server.plan(consumer, judge.state(consumer).attempts);
    let attempt = judge.connected(consumer, at).await;
    let incarnation = judge.state(consumer).incarnation;
    judge.set_plan(consumer, plan.cell, 0);
    judge.coverage.count(plan.cell);
    if plan.cell.fault == Fault::Reset {
        reset_when_dropped(&stream);
    }
    let begun = Begun {
        attempt,
        incarnation,
        events: 0,
        start: 0,
    };
    let mut exchange = Exchange::new(consumer, begun, plan, false, Instant::now());
    server.prepare_refusal(&mut exchange).await;
    judge.ended(consumer, Some(exchange.end(Instant::now())));
    drop(stream);
    server.refuse(&exchange).await;
}

/// Its close will be a reset.
pub(crate) fn reset_when_dropped(stream: &TcpStream) {
    // It only fails if the socket is gone.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A request and what is known of its answer.
pub(crate) struct Exchange {
    pub(crate) consumer: usize,
    pub(crate) begun: Begun,
    pub(crate) plan: Plan,
    pub(crate) cell: Cell,
    pub(crate) rng: Rng,
    pub(crate) last_write: Instant,
    /// The port is closed until the consumer failed to connect more often than this.
    refused_beyond: Option<u32>,
    /// How it ended, if not reported to the judge yet.
    pub(crate) to_tell: Option<Ended>,
    /// The longest time without a byte to the client.
    silence: Duration,
    body: Option<Body>,
    /// How much of the body was sent.
    sent: usize,
}

impl Exchange {
    pub(crate) fn new(
        consumer: usize,
        begun: Begun,
        plan: Plan,
        is_hop: bool,
        at: Instant,
    ) -> Self {
        Self {
            consumer,
            begun,
            cell: if is_hop { plan.then } else { plan.cell },
            rng: Rng::with_seed(!plan.seed),
            plan,
            last_write: at,
            refused_beyond: None,
            to_tell: None,
            silence: Duration::ZERO,
            body: None,
            sent: 0,
        }
    }

    /// Breaks off an unexpected request, because an earlier exchange went differently. Returns the fault.
    pub(crate) fn out_of_turn(&mut self) -> Fault {
        if self.cell.fault != Fault::Reset {
            self.cell.fault = Fault::Fin;
        }
        self.cell.phase = Phase::BeforeHead;
        self.cell.fault
    }

    /// Returns the planned body.
    pub(crate) fn set_body(&mut self, server: &Server) {
        let log = &server.judge.log;
        let Begun { events, start, .. } = self.begun;
        let body = Body::new(log, start, events, &self.plan, self.cell.phase);
        self.cell.phase = body.phase;
        self.body = Some(body);
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.bytes)
    }

    /// Returns the bytes after the cut.
    pub(crate) fn more(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.more)
    }

    pub(crate) fn pieces(&mut self) -> Vec<usize> {
        let rng = &mut self.rng;
        self.body
            .as_ref()
            .map_or_else(Vec::new, |body| body.pieces(rng))
    }

    /// Called before a write, after which this much of the body is sent.
    pub(crate) fn writes(&mut self, server: &Server, sent: usize) {
        let now = Instant::now();
        self.silence = self.silence.max(now - self.last_write);
        self.last_write = now;
        self.sent = sent;
        if let Some(body) = &self.body {
            if sent > 0 {
                server.judge.sent(self.consumer, body.in_log(sent));
            }
        }
    }

    /// Records the end at this time, before the fault happens.
    pub(crate) fn end(&self, at: Instant) -> Ended {
        let body = self.body.as_ref();
        Ended {
            at,
            incarnation: self.begun.incarnation,
            read_whole: false,
            clock: Duration::ZERO,
            retry_after: Duration::ZERO,
            retries: body.map_or_else(Vec::new, |body| body.retries(self.sent)),
            sent_to: body.map_or(self.begun.start, |body| body.in_log(self.sent)),
            untimed: false,
            left_at: None,
        }
    }

    /// Called when the attempt is redirected.
    fn goes_on(&self) -> bool {
        let fault = self.cell.fault;
        matches!(fault, Fault::Redirect(target) if target != Target::Nobody)
    }

    /// How much of the body was sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// How long after the last byte the client gives up, at least. Before the body its timeout runs from the start of
    /// connecting, which the server does not know.
    pub(crate) fn clock(&self, idle: Duration) -> Duration {
        match self.body {
            Some(_) => idle,
            None => Duration::ZERO,
        }
    }

    /// Whether a timeout of the client may have expired although nothing was wrong.
    pub(crate) fn was_slow(&self, idle: Duration) -> bool {
        self.silence > idle / 2
    }

    /// Sometimes gives the client time to read.
    pub(crate) async fn pause(&mut self) {
        match self.rng.u8(..40) {
            0 => tokio::time::sleep(Duration::from_millis(1)).await,
            1..20 => tokio::task::yield_now().await,
            _ => {}
        }
    }
}

impl Refusal {
    pub(crate) fn status(self, rng: &mut Rng) -> u16 {
        match self {
            Self::Unavailable(_) => 503,
            Self::TooMany(_) => 429,
            Self::Other => [408, 425, 500, 502, 504][rng.usize(..5)],
        }
    }

    /// The headers that ask for a wait, and how long it is.
    pub(crate) fn headers(self) -> (Vec<(&'static str, String)>, Duration) {
        let (Self::Unavailable(after) | Self::TooMany(after)) = self else {
            return (Vec::new(), Duration::ZERO);
        };
        let now = SystemTime::now();
        let second = Duration::from_secs(1);
        let value = match after {
            RetryAfter::None => return (Vec::new(), Duration::ZERO),
            RetryAfter::Zero => "0".to_owned(),
            RetryAfter::PastDate => httpdate::fmt_http_date(now - 60 * second),
            RetryAfter::Second => "1".to_owned(),
            RetryAfter::DateInASecond => httpdate::fmt_http_date(now + second),
        };
        let mut headers = vec![("retry-after", value)];
        if after == RetryAfter::DateInASecond {
            headers.push(("date", httpdate::fmt_http_date(now)));
        }
        let is_long = matches!(after, RetryAfter::Second | RetryAfter::DateInASecond);
        (headers, if is_long { second } else { Duration::ZERO })
    }
}

/// The body of a refusal, which must not be parsed as the stream.
pub(crate) const REFUSAL: &str = "id: wrong\nretry: 1\ndata: not part of the log\n\n";
