//! A server, described by what its connections deliver, and a subscriber that follows its policy.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::*;

/// Checks a property for many values, the same in every run.
pub(super) fn for_any<S: Strategy>(
    values: S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, random).run(&values, check);
    outcome.expect("a law that holds");
}

/// How a block is delivered.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Event(Option<EcoString>),
    KeepAlive,
    /// A block without data.
    Id(EcoString),
}

/// The events of one connection, how long it stays open after them, and how it ends.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) blocks: Vec<Block>,
    pub(super) retry: Option<Duration>,
    pub(super) lasts: Duration,
    pub(super) end: End,
}

pub(super) fn event(id: &str) -> Block {
    Block::Event(Some(id.into()))
}

pub(super) fn number(id: u64) -> Block {
    event(&id.to_string())
}

/// A connection that breaks off after 5 ms.
pub(super) fn cut(blocks: impl Into<Vec<Block>>) -> Connection {
    Connection {
        blocks: blocks.into(),
        retry: None,
        lasts: millis(5),
        end: End::Broken,
    }
}

#[derive(Debug)]
pub(super) struct Subscriber {
    session: Session,
    is_idempotent: bool,
    position: EcoString,
    now: Duration,
    /// When each request was sent.
    pub(super) requests: Vec<Duration>,
    /// The result, if the policy gave up.
    pub(super) gave_up: Option<Outcome>,
}

impl Subscriber {
    pub(super) fn new(policy: RetryPolicy, is_idempotent: bool) -> Self {
        Self {
            session: session(policy),
            is_idempotent,
            position: EcoString::new(),
            now: Duration::ZERO,
            requests: Vec::new(),
            gave_up: None,
        }
    }

    /// Subscribes to this server, which gets the number of the request, from 1, and its
    /// Last-Event-ID. Sends at most this many requests.
    pub(super) fn of(
        policy: RetryPolicy,
        is_idempotent: bool,
        most: u64,
        mut server: impl FnMut(u64, &str) -> Connection,
    ) -> Self {
        let mut subscriber = Self::new(policy, is_idempotent);
        for nth in 1..=most {
            subscriber.send();
            let connection = server(nth, &subscriber.position);
            subscriber.read(&connection);
            subscriber.end(connection.end);
            if subscriber.gave_up.is_some() {
                break;
            }
        }
        subscriber
    }

    /// Sends the next request when it is due.
    pub(super) fn send(&mut self) {
        if let Phase::Waiting { until } = self.session.phase() {
            self.now = until;
            assert_eq!(self.session.expired(self.now), None);
        }
        self.session.next_attempt(self.now);
        let sent = self.session.begin(self.is_idempotent);
        assert_eq!(sent, Ok(true));
        self.requests.push(self.now);
    }

    pub(super) fn read(&mut self, connection: &Connection) {
        self.session.opened(self.now, &self.position);
        if let Some(retry) = connection.retry {
            self.session.received_retry(retry);
        }
        for block in &connection.blocks {
            if let Block::Event(_) | Block::KeepAlive = block {
                self.session.delivered(matches!(block, Block::KeepAlive));
            }
            if let Block::Event(Some(id)) | Block::Id(id) = block {
                self.position = id.clone();
                self.session.committed(id);
            }
        }
        let ends = self.now + connection.lasts;
        if self.session.awaits_health() {
            self.session.found_open(self.now);
            let deadline = self.session.deadline().expect("health to wait for");
            if deadline < ends {
                self.session.found_open(deadline);
                assert!(!self.session.awaits_health());
            }
        }
        self.now = ends;
    }

    fn end(&mut self, end: End) {
        let next = NextRequest {
            idempotent: Some(self.is_idempotent),
            available: true,
            is_only_one: false,
        };
        let outcome = outcome(&mut self.session, end, next, self.now);
        if !is_retry(outcome) {
            self.gave_up = Some(outcome);
        }
    }

    /// A handle gives this order, and the connection is dropped.
    pub(super) fn order(&mut self, order: Order, chance: f64) {
        self.session.ordered(order, self.now, chance);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn retries(&self) -> u32 {
        self.session.streak.retries
    }

    /// The time between one request and the next, in milliseconds.
    pub(super) fn gaps(&self) -> Vec<u128> {
        self.requests
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_millis())
            .collect()
    }
}
