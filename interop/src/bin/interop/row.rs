//! A row of the table: what is tried, what is expected of this crate, and the results.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fetch_event_source_interop::{Seen, Trouble};
use tokio::time::timeout;

use crate::client::{Client, Who};
use crate::lab::Lab;
use crate::ledger::{Count, Event};
use crate::tap::Tap;

/// Longer than a JavaScript client keeps an unused connection.
const UNUSED: Duration = Duration::from_secs(6);

/// More requests than this crate sends if no request can succeed.
const ENOUGH: usize = 3;

/// Longer than any row takes.
const LIMIT: Duration = Duration::from_secs(120);

type Running = Pin<Box<dyn Future<Output = Result<Outcome>>>>;

/// A row, which is run with each client.
pub(crate) struct Trial {
    pub(crate) tried: String,
    run: Box<dyn Fn(Arc<Lab>, Who) -> Running>,
    expect: Expect,
}

/// What is expected of this crate. (Nothing is expected of the other client.)
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Missing, with an error.
    pub(crate) missing: usize,
    pub(crate) requests: usize,
    pub(crate) end: &'static str,
}

impl Trial {
    pub(crate) fn new<R>(
        tried: impl Into<String>,
        run: impl Fn(Arc<Lab>, Who) -> R + 'static,
        expect: Expect,
    ) -> Self
    where
        R: Future<Output = Result<Outcome>> + 'static,
    {
        Self {
            tried: tried.into(),
            run: Box::new(move |lab, who| Box::pin(run(lab, who))),
            expect,
        }
    }

    pub(crate) async fn run(&self, lab: &Arc<Lab>) -> Row {
        // Each with a separate server.
        let ours = self.outcome(lab, Who::Ours);
        let javascript = self.outcome(lab, Who::JavaScript);
        let (ours, javascript) = tokio::join!(ours, javascript);
        let mut complaints = Vec::new();
        match &ours {
            Ok(outcome) => complaints.extend(self.expect.complaints(outcome)),
            Err(error) => complaints.push(format!("ours: {error:#}")),
        }
        if let Err(error) = &javascript {
            complaints.push(format!("javascript: {error:#}"));
        }
        Row {
            tried: self.tried.clone(),
            ours: ours.ok(),
            javascript: javascript.ok(),
            complaints,
        }
    }

    async fn outcome(&self, lab: &Arc<Lab>, who: Who) -> Result<Outcome> {
        let outcome = timeout(LIMIT, (self.run)(lab.clone(), who)).await;
        outcome.context("it takes too long")?
    }
}

impl Expect {
    /// Nothing lost, this number of requests, and this end.
    pub(crate) fn end(end: &'static str, requests: usize) -> Self {
        Self {
            missing: 0,
            requests,
            end,
        }
    }

    fn complaints(&self, seen: &Outcome) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut demand = |what: &str, due: String, seen: String| {
            if due != seen {
                complaints.push(format!("{what}: {seen}, not {due}"));
            }
        };
        let number = |number: usize| number.to_string();
        demand("lost", number(0), number(seen.count.lost));
        demand("missing", number(self.missing), number(seen.count.missing));
        demand("twice", number(0), number(seen.count.twice));
        demand("empty", number(0), number(seen.count.empty));
        demand("wrong", number(0), number(seen.count.wrong));
        demand("requests", number(self.requests), number(seen.requests));
        demand(
            "open at once",
            number(seen.most_open.min(1)),
            number(seen.most_open),
        );
        demand("left open", number(0), number(seen.left_open));
        demand("end", self.end.to_owned(), seen.end.clone());
        complaints
    }
}

/// The results of a client.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) count: Count,
    pub(crate) requests: usize,
    pub(crate) most_open: usize,
    pub(crate) left_open: usize,
    pub(crate) end: String,
}

/// The taps that count requests and connections.
#[derive(Clone, Copy)]
pub(crate) struct Taps<'a> {
    pub(crate) requests: &'a Tap,
    pub(crate) connections: &'a Tap,
}

impl<'a> From<&'a Tap> for Taps<'a> {
    fn from(tap: &'a Tap) -> Self {
        Self {
            requests: tap,
            connections: tap,
        }
    }
}

impl Outcome {
    /// Waits for the end of a client, and counts.
    pub(crate) async fn of(
        client: Client,
        taps: impl Into<Taps<'_>>,
        due: &[Event],
    ) -> Result<Self> {
        Ok(Self::with(client, taps, due, |seen| seen).await?.0)
    }

    /// The same, after earlier processes.
    pub(crate) async fn after(
        before: Vec<Seen>,
        client: Client,
        taps: impl Into<Taps<'_>>,
        due: &[Event],
    ) -> Result<Self> {
        let all = |seen| [before, seen].concat();
        Ok(Self::with(client, taps, due, all).await?.0)
    }

    /// The same, with other events to compare than those received.
    pub(crate) async fn with(
        mut client: Client,
        taps: impl Into<Taps<'_>>,
        due: &[Event],
        compared: impl FnOnce(Vec<Seen>) -> Vec<Seen>,
    ) -> Result<(Self, Vec<Seen>)> {
        let taps = taps.into();
        let end = client.ends().await?;
        let requests = taps.requests.requests().len();
        let left_open = taps.connections.left_open(UNUSED).await;
        let seen = compared(client.quit().await?);
        let outcome = Self {
            count: Count::of(due, &seen),
            requests,
            most_open: taps.connections.most_open(),
            left_open,
            end: describe(&end),
        };
        Ok((outcome, seen))
    }

    /// Adds a note about its end.
    pub(crate) fn and(mut self, what: &str) -> Self {
        self.end = format!("{}, {what}", self.end);
        self
    }
}

/// For rows in which no request can succeed: waits until the client gives up, or has sent so many requests that the
/// harness stops it. Requests inside TLS are counted by their connections.
pub(crate) async fn end_or_insist(mut client: Client, tap: &Tap) -> Result<(Outcome, Seen)> {
    let end = tokio::select! {
        end = client.ends() => Some(end?),
        _ = tap.asked(ENOUGH + 1) => None,
    };
    let (end, described) = match end {
        Some(end) => (end.clone(), describe(&end)),
        None => (client.stop().await?, "still asking when stopped".to_owned()),
    };
    let outcome = Outcome {
        count: Count::default(),
        requests: tap.times_asked(),
        most_open: tap.most_open(),
        left_open: tap.left_open(UNUSED).await,
        end: described,
    };
    client.quit().await?;
    Ok((outcome, end))
}

fn describe(end: &Seen) -> String {
    match end {
        Seen::Finished { how } => how.clone(),
        Seen::Error { error } => with_status(error),
        other => format!("{other:?}"),
    }
}

fn with_status(error: &Trouble) -> String {
    match error.status {
        Some(status) => format!("{} {status}", error.kind),
        None => error.kind.clone(),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            due,
            lost,
            missing,
            twice,
            empty,
            wrong,
        } = self.count;
        if due > 0 {
            write!(f, "{lost} lost, {twice} twice of {due}; ")?;
        }
        if missing > 0 {
            write!(f, "{missing} missing, and said so; ")?;
        }
        if empty > 0 {
            write!(f, "{empty} empty; ")?;
        }
        if wrong > 0 {
            write!(f, "{wrong} wrong; ")?;
        }
        let s = if self.requests == 1 { "" } else { "s" };
        write!(f, "{} request{s}; ", self.requests)?;
        if self.most_open > 1 {
            write!(f, "{} open at once; ", self.most_open)?;
        }
        write!(f, "{} left open; {}", self.left_open, self.end)
    }
}

/// The results of both clients.
pub(crate) struct Row {
    pub(crate) tried: String,
    pub(crate) ours: Option<Outcome>,
    pub(crate) javascript: Option<Outcome>,
    pub(crate) complaints: Vec<String>,
}
