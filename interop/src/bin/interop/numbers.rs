//! Servers with a log of numbered events: Express, better-sse, sse-starlette. Each part fails, at the worst moment.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fetch_event_source_interop::{Ask, Marker};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::sleep;

use crate::client::{Who, last_id, subscription};
use crate::lab::{Lab, Server};
use crate::ledger::Event;
use crate::row::{Expect, Outcome, Trial};
use crate::suite::{Suite, Tool};
use crate::tap::Tap;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    Express,
    BetterSse,
    Starlette,
}

pub(crate) fn suites() -> Vec<Suite> {
    let all = [Numbers::Express, Numbers::BetterSse, Numbers::Starlette];
    all.map(Numbers::suite).into()
}

impl Numbers {
    fn suite(self) -> Suite {
        let (name, needs) = match self {
            Self::Express => ("Express", vec![Tool::Node]),
            Self::BetterSse => ("better-sse", vec![Tool::Node]),
            Self::Starlette => ("sse-starlette", vec![Tool::Node, Tool::Python]),
        };
        let stopped = |requests| Expect::end("Stopped", requests);
        let mut trials = vec![
            Trial::new(
                "live events",
                move |lab, who| live(lab, who, self),
                stopped(1),
            ),
            Trial::new(
                "client killed 3 times (SIGKILL)",
                move |lab, who| client_dies(lab, who, self),
                stopped(4),
            ),
            Trial::new(
                "server killed 3 times (SIGKILL)",
                move |lab, who| server_dies(lab, who, self),
                stopped(4),
            ),
            Trial::new(
                "connection cut 10 times, behind an `id:` line",
                move |lab, who| connection_dies(lab, who, self),
                stopped(11),
            ),
        ];
        if self == Self::Express {
            trials.extend([
                Trial::new(
                    "server replaced 3 times, gracefully",
                    move |lab, who| server_is_replaced(lab, who, self),
                    stopped(4),
                ),
                Trial::new(
                    "connection goes dead silently; `idle_timeout` 2 s",
                    move |lab, who| connection_goes_dead(lab, who, self),
                    stopped(2),
                ),
                Trial::new(
                    "server hangs for a while (SIGSTOP); `idle_timeout`, `response_timeout` 2 s",
                    move |lab, who| server_hangs(lab, who, self),
                    stopped(3),
                ),
                Trial::new(
                    "the handler fails at the fifth event",
                    move |lab, who| handler_fails(lab, who, self),
                    Expect {
                        missing: 16,
                        ..Expect::end("Hook", 1)
                    },
                ),
            ]);
        }
        Suite {
            name,
            needs,
            trials,
        }
    }

    pub(crate) fn command(self, lab: &Lab, port: u16) -> Command {
        let mut command = match self {
            Self::Express => lab.node("servers/express.js"),
            Self::BetterSse => lab.node("servers/better-sse.js"),
            Self::Starlette => {
                let mut python = lab.python();
                python.arg(lab.home.join("servers/starlette_numbers.py"));
                python
            }
        };
        command.arg(port.to_string());
        command
    }

    pub(crate) async fn start(self, lab: &Lab) -> Result<Server> {
        Server::start(lab, |port| Ok(self.command(lab, port))).await
    }

    async fn start_on(self, lab: &Lab, port: u16) -> Result<Server> {
        Server::start_on(lab, port, |port| Ok(self.command(lab, port))).await
    }

    /// The first `count` events.
    pub(crate) fn due(self, events: usize) -> Vec<Event> {
        let (event_type, id): (_, fn(usize) -> String) = match self {
            Self::Express => ("message", |n| n.to_string()),
            Self::BetterSse => ("tick", |n| format!("00000000-0000-4000-8000-{n:012}")),
            Self::Starlette => ("tick", |n| n.to_string()),
        };
        (1..=events)
            .map(|n| Event::numbered(n, Some(id(n)), event_type))
            .collect()
    }
}

/// A fault follows after this many more events…
pub(crate) const READ: usize = 20;

/// …and a connection delivers at most this many, so that the last event cannot arrive before all faults are over,
/// however late a fault is.
pub(crate) const BURSTS: &str = "/sse?burst=24";

/// The number of expected events for this many faults: more than all earlier connections can deliver, and not more than
/// the last one can.
pub(crate) const fn with_faults(faults: usize) -> usize {
    24 * faults + 4
}

/// Until the last of them came.
pub(crate) fn up_to(due: &[Event], url: String) -> Ask {
    let last = due.last().map(|last| Marker::Data(last.data.clone()));
    Ask {
        last,
        ..subscription(url)
    }
}

async fn live(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = numbers.due(200);
    let client = lab.clients.start(who, &up_to(&due, tap.url("/sse")))?;
    Outcome::of(client, &tap, &due).await
}

async fn client_dies(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = numbers.due(with_faults(3));
    let mut ask = up_to(&due, tap.url(BURSTS));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut client = lab.clients.start(who, &ask)?;
        client.events(READ).await?;
        seen.extend(client.kill().await?);
        ask.last_event_id = last_id(&seen);
    }
    let client = lab.clients.start(who, &ask)?;
    Outcome::after(seen, client, &tap, &due).await
}

async fn server_dies(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let mut server = numbers.start(&lab).await?;
    let mut tap = Tap::before(server.port).await?;
    let due = numbers.due(with_faults(3));
    let mut client = lab.clients.start(who, &up_to(&due, tap.url(BURSTS)))?;
    for _ in 0..3 {
        client.events(READ).await?;
        let port = server.port;
        tap.refuse().await;
        server.kill().await?;
        client.retries().await?;
        server = numbers.start_on(&lab, port).await?;
        tap.accept()?;
    }
    Outcome::of(client, &tap, &due).await
}

async fn connection_dies(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    tap.cut_behind("id:", 5, 10);
    let due = numbers.due(80);
    let client = lab.clients.start(who, &up_to(&due, tap.url("/sse")))?;
    Outcome::of(client, &tap, &due).await
}

async fn server_is_replaced(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let mut server = numbers.start(&lab).await?;
    let mut tap = Tap::before(server.port).await?;
    let due = numbers.due(with_faults(3));
    let mut client = lab.clients.start(who, &up_to(&due, tap.url(BURSTS)))?;
    for _ in 0..3 {
        client.events(READ).await?;
        let port = server.port;
        tap.refuse().await;
        server.end().await?;
        client.retries().await?;
        server = numbers.start_on(&lab, port).await?;
        tap.accept()?;
    }
    Outcome::of(client, &tap, &due).await
}

async fn connection_goes_dead(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = numbers.due(with_faults(1));
    let mut ask = up_to(&due, tap.url(BURSTS));
    ask.idle_timeout_ms = Some(2000);
    let mut client = lab.clients.start(who, &ask)?;
    client.events(READ).await?;
    tap.stall();
    if who == Who::JavaScript {
        client.ends_within(Duration::from_secs(4)).await?; // it has no such timeout
    }
    Outcome::of(client, &tap, &due).await
}

async fn server_hangs(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = numbers.due(200);
    let mut ask = up_to(&due, tap.url("/sse?every=20"));
    ask.idle_timeout_ms = Some(2000);
    ask.response_timeout_ms = Some(2000);
    let mut client = lab.clients.start(who, &ask)?;
    client.events(READ).await?;
    server.signal(Signal::STOP)?;
    match who {
        Who::Ours => {
            client.retries().await?;
            client.retries().await?;
        }
        Who::JavaScript => sleep(Duration::from_secs(4)).await, // it waits, whatever happens
    }
    server.signal(Signal::CONT)?;
    Outcome::of(client, &tap, &due).await
}

/// An error of the caller's code: this crate ends, and leaves nothing open.
async fn handler_fails(lab: Arc<Lab>, who: Who, numbers: Numbers) -> Result<Outcome> {
    let server = numbers.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = numbers.due(20);
    let mut ask = up_to(&due, tap.url("/sse"));
    ask.fails_at = due.get(4).map(|fifth| Marker::Data(fifth.data.clone()));
    let client = lab.clients.start(who, &ask)?;
    Outcome::of(client, &tap, &due).await
}
