//! The fault of each connection: a pure function of the seed, the consumer and its number.
//!
//! Each consumer goes through a deck of all that can happen to its kind of connection, shuffled
//! anew each time, so that all of it happens as often.

use fastrand::Rng;

/// Which HTTP a consumer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// How a body goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Transport {
    /// HTTP/1.1 without a body.
    Http1,
    /// Ends with the connection.
    Close,
    Chunked,
    Length,
    Gzip,
    Http2,
}

/// The phase of a connection in which the fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Connect,
    BeforeRequest,
    BeforeHead,
    InHead,
    /// After the whole head.
    Head,
    BodyStart,
    ByteOrderMark,
    Comment,
    Retry,
    Id,
    Type,
    Data,
    Crlf,
    Character,
    /// After all lines of an event, before its blank line.
    BeforeBlank,
    BetweenEvents,
    /// In a chunk's size or end, in a gzip block, in a frame's header.
    Framing,
    /// The body has ended, the connection has not.
    AfterEnd,
}

/// The fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// A clean end of the body: the last chunk, the length, gzip's trailer, END_STREAM, or the end of a close-delimited
    /// connection.
    End,
    /// The connection ends without that.
    Fin,
    Reset,
    /// The server sends nothing more.
    Stall,
    RstStream,
    GoAway,
    /// A GOAWAY that lets this stream finish, and then its end.
    Drain,
    Status(Refusal),
    Redirect(Target),
    /// The port refuses connections for a while.
    Refused,
}

/// A status that opens no stream, with its `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Refusal {
    Unavailable(RetryAfter),
    TooMany(RetryAfter),
    /// Another status that may pass.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RetryAfter {
    None,
    Zero,
    PastDate,
    Second,
    DateInASecond,
}

/// Where a redirect leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    SamePort,
    OtherPort,
    /// The port refuses connections.
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell {
    pub(crate) fault: Fault,
    pub(crate) phase: Phase,
    pub(crate) transport: Transport,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) cell: Cell,
    /// What follows a redirect.
    pub(crate) then: Cell,
    /// After how many events.
    pub(crate) quota: usize,
    /// The server asks for a reconnection time that is long enough to see that the old connection is closed before the wait,
    /// not after it.
    pub(crate) long_wait: bool,
    /// The seed of all random choices in it.
    pub(crate) seed: u64,
}

/// The phases of a body in every framing.
const BODY: [Phase; 11] = [
    Phase::BodyStart,
    Phase::ByteOrderMark,
    Phase::Comment,
    Phase::Retry,
    Phase::Id,
    Phase::Type,
    Phase::Data,
    Phase::Crlf,
    Phase::Character,
    Phase::BeforeBlank,
    Phase::BetweenEvents,
];

const REFUSALS: [Refusal; 9] = [
    Refusal::Unavailable(RetryAfter::None),
    Refusal::Unavailable(RetryAfter::Zero),
    Refusal::Unavailable(RetryAfter::PastDate),
    Refusal::Unavailable(RetryAfter::Second),
    Refusal::Unavailable(RetryAfter::DateInASecond),
    Refusal::TooMany(RetryAfter::None),
    Refusal::TooMany(RetryAfter::Zero),
    Refusal::TooMany(RetryAfter::Second),
    Refusal::Other,
];

/// How the connection can end under a body, or before it.
const BREAKS: [Fault; 3] = [Fault::Fin, Fault::Reset, Fault::Stall];

/// All that can happen.
pub(crate) fn deck(protocol: Protocol) -> Vec<Cell> {
    let mut deck = bodies(protocol);
    let transport = match protocol {
        Protocol::Http1 => Transport::Http1,
        Protocol::Http2 => Transport::Http2,
    };
    let mut add = |fault, phase| {
        deck.push(Cell {
            fault,
            phase,
            transport,
        });
    };
    add(Fault::Refused, Phase::Connect);
    for fault in [Fault::Fin, Fault::Reset] {
        add(fault, Phase::BeforeRequest);
    }
    for fault in BREAKS {
        add(fault, Phase::BeforeHead);
        add(fault, Phase::InHead);
    }
    if protocol == Protocol::Http2 {
        add(Fault::RstStream, Phase::BeforeHead);
        add(Fault::GoAway, Phase::BeforeHead);
    }
    for refusal in REFUSALS {
        add(Fault::Status(refusal), Phase::Head);
    }
    for target in [Target::SamePort, Target::OtherPort, Target::Nobody] {
        add(Fault::Redirect(target), Phase::Head);
    }
    deck
}

/// All that can happen to bodies.
fn bodies(protocol: Protocol) -> Vec<Cell> {
    let transports: &[Transport] = match protocol {
        Protocol::Http1 => &[
            Transport::Close,
            Transport::Chunked,
            Transport::Length,
            Transport::Gzip,
        ],
        Protocol::Http2 => &[Transport::Http2],
    };
    transports
        .iter()
        .flat_map(|&transport| body(transport))
        .collect()
}

fn body(transport: Transport) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |fault, phase| {
        cells.push(Cell {
            fault,
            phase,
            transport,
        });
    };
    for phase in BODY {
        add(Fault::End, phase);
        add(Fault::Reset, phase);
        add(Fault::Stall, phase);
        if transport != Transport::Close {
            add(Fault::Fin, phase);
        }
        if transport == Transport::Http2 {
            add(Fault::RstStream, phase);
            add(Fault::GoAway, phase);
            add(Fault::Drain, phase);
        }
    }
    if matches!(
        transport,
        Transport::Chunked | Transport::Gzip | Transport::Http2
    ) {
        for fault in BREAKS {
            add(fault, Phase::Framing);
        }
    }
    if transport != Transport::Close {
        for fault in BREAKS {
            add(fault, Phase::AfterEnd);
        }
    }
    cells
}

/// The consumer of the plans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traveller {
    pub(crate) protocol: Protocol,
    /// Whether it detects silence.
    pub(crate) notices_silence: bool,
}

impl Traveller {
    fn bodies(self) -> Vec<Cell> {
        self.bearable(bodies(self.protocol))
    }

    fn deck(self) -> Vec<Cell> {
        self.bearable(deck(self.protocol))
    }

    /// Leaves out faults that would block it for ever. Before the head another timeout runs.
    fn bearable(self, mut cells: Vec<Cell>) -> Vec<Cell> {
        let is_silence = |cell: &Cell| cell.fault == Fault::Stall && cell.phase > Phase::Head;
        cells.retain(|cell| self.notices_silence || !is_silence(cell));
        cells
    }
}

/// The plans of one consumer.
pub(crate) struct Itinerary {
    seed: u64,
    traveller: Traveller,
    /// The deck, until each card was played often enough.
    plans: Vec<Plan>,
    /// How many events a connection brings after that.
    quota: usize,
}

impl Itinerary {
    pub(crate) fn new(seed: u64, traveller: Traveller, rounds: usize, events: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let bodies = traveller.bodies();
        let mut weights = Vec::new();
        let mut plans = Vec::new();
        for _ in 0..rounds {
            let mut cells = traveller.deck();
            rng.shuffle(&mut cells);
            for cell in cells {
                weights.push(weight(&mut rng, cell));
                plans.push(plan(
                    &mut rng,
                    cell,
                    bodies[rng_index(seed, plans.len(), bodies.len())],
                ));
            }
        }
        // A little less than the whole log, because a cut needs room after it.
        let share = events as f64 * 0.9 / weights.iter().sum::<f64>();
        for (plan, weight) in plans.iter_mut().zip(&weights) {
            plan.quota = (weight * share) as usize;
        }
        let quota = 4 * events / plans.len().max(1) + 10;
        Self {
            seed,
            traveller,
            plans,
            quota,
        }
    }

    /// Returns the plan of the connection with this number.
    pub(crate) fn plan(&self, number: usize) -> Plan {
        if let Some(plan) = self.plans.get(number) {
            return plan.clone();
        }
        let mut rng =
            Rng::with_seed(self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let cells = self.traveller.bodies();
        let cell = cells[rng.usize(..cells.len())];
        Plan {
            quota: self.quota,
            ..plan(&mut rng, cell, cell)
        }
    }

    /// The minimum number of connections.
    pub(crate) fn len(&self) -> usize {
        self.plans.len()
    }
}

fn rng_index(seed: u64, number: usize, len: usize) -> usize {
    Rng::with_seed(seed.wrapping_add(number as u64)).usize(..len)
}

fn plan(rng: &mut Rng, cell: Cell, then: Cell) -> Plan {
    let carries_many = matches!(cell.transport, Transport::Chunked | Transport::Http2);
    Plan {
        cell,
        then,
        quota: 0,
        long_wait: carries_many && cell.fault == Fault::Stall && cell.phase == Phase::BetweenEvents,
        seed: rng.u64(..),
    }
}

/// How much of the log a connection delivers: often nothing, usually some, sometimes much.
fn weight(rng: &mut Rng, cell: Cell) -> f64 {
    let brings = match cell.phase {
        Phase::BodyStart | Phase::ByteOrderMark => false,
        Phase::Head => matches!(
            cell.fault,
            Fault::Redirect(Target::SamePort | Target::OtherPort)
        ),
        phase => phase > Phase::Head,
    };
    match rng.u8(..10) {
        _ if !brings => 0.0,
        0 | 1 => 0.0,
        2 => 0.01,
        _ => -(1.0 - rng.f64()).ln(),
    }
}
