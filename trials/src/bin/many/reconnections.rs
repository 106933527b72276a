//! One reconnection after the other: nothing may be left behind.

use std::time::Duration;

use clap::ValueEnum;
use fetch_event_source::{EventSource, RetryPolicy};
use reqwest::Client;
use serde::{Deserialize, Serialize};

use crate::goal::Goal;
use crate::machine::{self, Held, Server};
use crate::{Args, BoxError};

/// After this many, everything that is kept for reuse exists.
const WARM: usize = 100;

/// How much the heap may grow, in bytes for each reconnection. Kept buffers differ by some hundred bytes between
/// measurements; a timer or header value left behind each time would be more.
const SLACK: f64 = 4.0;

/// The protocol.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1, a connection for each.
    Http1,
    /// HTTP/2 without TLS, all on one.
    Http2,
}

/// The results of a client, and its memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    events: usize,
    early: Held,
    late: Held,
}

/// A process: takes an event from each of many connections.
pub(crate) async fn count(
    args: &Args,
    protocol: Protocol,
    server: &str,
) -> Result<String, BoxError> {
    let client = Client::builder().no_proxy();
    let client = match protocol {
        Protocol::Http1 => client.pool_max_idle_per_host(0),
        Protocol::Http2 => client.http2_prior_knowledge(),
    };
    let source = EventSource::new(client.build()?.get(format!("http://{server}/")));
    // Set all timeouts, so that all timers exist.
    let mut events = source
        .retry(RetryPolicy::persistent().server_delay_bounds(Duration::ZERO..))
        .response_timeout(Duration::from_secs(60))
        .idle_timeout(Duration::from_secs(60))
        .event_timeout(Duration::from_secs(60))
        .stream();
    let mut early = None;
    let mut number = 0;
    while number <= args.reconnections {
        let event = events.next().await.ok_or("it ended")??;
        number += 1;
        if event.data() != number.to_string() {
            return Err(format!("{:?} came in the place of {number}", event.data()).into());
        }
        if number == WARM {
            early = Some(Held::at_rest().await?);
        }
    }
    let figures = Figures {
        events: number,
        early: early.ok_or("too few reconnections")?,
        late: Held::at_rest().await?,
    };
    Ok(serde_json::to_string(&figures)?)
}

pub(crate) fn judge(args: &Args, goals: &mut Vec<Goal>) -> Result<(), BoxError> {
    for (name, protocol) in [("HTTP/1.1", "http1"), ("HTTP/2", "http2")] {
        let server = Server::start()?;
        let figures: Figures = machine::run(&["reconnections", protocol, server.answers()])?;
        let Figures {
            events,
            early,
            late,
        } = figures;
        let times = (args.reconnections - WARM) as f64;
        let mut goal = |what: &str, value: f64, bound: f64, unit: &'static str| {
            let name = format!("reconnections, {name}: {what}");
            goals.push(Goal::at_most(name, value, bound, unit));
        };
        goal("heap, growth", late.heap - early.heap, SLACK * times, " B");
        goal("tasks, growth", late.tasks - early.tasks, 0.0, "");
        goal(
            "descriptors, growth",
            late.descriptors - early.descriptors,
            0.0,
            "",
        );
        let name = format!("reconnections, {name}: events, one from each");
        goals.push(Goal::at_least(
            name,
            events as f64,
            args.reconnections as f64 + 1.0,
            "",
        ));
    }
    Ok(())
}
