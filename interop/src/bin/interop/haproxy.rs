//! haproxy in front of a server: responses that haproxy makes itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use fetch_event_source_interop::Ask;
use tokio::process::Command;

use crate::client::{Who, subscription};
use crate::lab::{Lab, Server, system};
use crate::ledger::Event;
use crate::numbers::{Numbers, up_to};
use crate::row::{Expect, Outcome, Trial, end_or_insist};
use crate::suite::{Suite, Tool};
use crate::tap::Tap;

pub(crate) fn suite() -> Suite {
    Suite {
        name: "haproxy in front of Express",
        needs: vec![Tool::Node, Tool::Haproxy],
        trials: vec![
            Trial::new(
                "no server behind it for a while: 503, `Retry-After: 2`",
                unavailable,
                Expect::end("Stopped, waited long enough", 3),
            ),
            Trial::new(
                "one request in 3 s allowed, then cut: 429, `Retry-After: 6`",
                limited,
                Expect::end("Stopped", 3),
            ),
            Trial::new(
                "429, `Retry-After: 3600`: longer than any client waits",
                |lab, who| hopeless(lab, who, "/429"),
                Expect::end("Status 429", 1),
            ),
            Trial::new(
                "204",
                |lab, who| hopeless(lab, who, "/204"),
                Expect::end("NoContent", 1),
            ),
            Trial::new(
                "307; connection cut behind an `id:` line",
                redirected,
                Expect::end("Stopped, each time from the first URL", 4),
            ),
            Trial::new(
                "`silent-drop`; `response_timeout` 1 s, one retry",
                dropped,
                Expect::end("ResponseTimeout", 2),
            ),
            Trial::new(
                "`timeout server 1s`, a quiet stream",
                server_timeout,
                Expect::end("Stopped", 3),
            ),
        ],
    }
}

/// haproxy in front of Express, with a tap before each.
struct Front {
    front: Tap,
    back: Tap,
    _haproxy: Server,
    _express: Server,
}

impl Front {
    async fn start(lab: &Lab) -> Result<Self> {
        let express = Numbers::Express.start(lab).await?;
        let back = Tap::before(express.port).await?;
        let upstream = back.port().to_string();
        let haproxy = Server::start(lab, |port| command(lab, port, &upstream)).await?;
        Ok(Self {
            front: Tap::before(haproxy.port).await?,
            back,
            _haproxy: haproxy,
            _express: express,
        })
    }

    fn ask(&self, due: &[Event], path: &str) -> Ask {
        up_to(due, self.front.url(path))
    }
}

fn command(lab: &Lab, port: u16, upstream: &str) -> Result<Command> {
    let values = [("port", &*port.to_string()), ("upstream", upstream)];
    let path = lab.configuration("haproxy.cfg", &values)?;
    let mut haproxy = system("haproxy");
    haproxy.arg("-db").arg("-f").arg(path);
    Ok(haproxy)
}

async fn unavailable(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let mut front = Front::start(&lab).await?;
    front.back.refuse().await;
    let due = Numbers::Express.due(20);
    let mut ask = front.ask(&due, "/sse");
    if who == Who::Ours {
        ask.base_delay_ms = Some(100); // the other client waits a second
    }
    let mut client = lab.clients.start(who, &ask)?;
    for _ in 0..2 {
        client.retries().await?;
    }
    front.back.accept()?;
    let outcome = Outcome::of(client, &front.front, &due).await?;
    let requests = front.front.requests();
    let waits = requests.windows(2).map(|pair| pair[1].at - pair[0].at);
    let waited = waits
        .min()
        .is_some_and(|wait| wait >= Duration::from_secs(2));
    Ok(outcome.and(if waited {
        "waited long enough"
    } else {
        "did not wait"
    }))
}

/// A client that asks again too soon is refused, and so is its next request, because refused requests count.
async fn limited(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    front.front.cut_behind("id:", 10, 1);
    let due = Numbers::Express.due(20);
    let mut client = lab.clients.start(who, &front.ask(&due, "/limited"))?;
    if who == Who::JavaScript {
        client.ends_within(Duration::from_secs(10)).await?;
    }
    Outcome::of(client, &front.front, &due).await
}

async fn hopeless(lab: Arc<Lab>, who: Who, path: &str) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let mut ask = subscription(front.front.url(path));
    ask.subscribe = false;
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    Ok(end_or_insist(client, &front.front).await?.0)
}

async fn redirected(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    front.front.cut_behind("id:", 5, 1);
    let due = Numbers::Express.due(20);
    let client = lab.clients.start(who, &front.ask(&due, "/307"))?;
    let outcome = Outcome::of(client, &front.front, &due).await?;
    let requests = front.front.requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    ensure!(paths == ["/307", "/sse", "/307", "/sse"], "{paths:?}");
    Ok(outcome.and("each time from the first URL"))
}

async fn dropped(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let mut ask = subscription(front.front.url("/drop"));
    ask.response_timeout_ms = Some(1000);
    ask.max_retries = Some(1);
    ask.base_delay_ms = Some(100);
    let mut client = lab.clients.start(who, &ask)?;
    if who == Who::JavaScript {
        client.ends_within(Duration::from_secs(4)).await?; // it has no such timeout
    }
    Outcome::of(client, &front.front, &[]).await
}

async fn server_timeout(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let due = Numbers::Express.due(3);
    let client = lab.clients.start(who, &front.ask(&due, "/quiet"))?;
    Outcome::of(client, &front.front, &due).await
}
