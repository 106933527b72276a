//! nginx with nchan: a hub that keeps the messages and has its own format of IDs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use fetch_event_source::reqwest::{Client as Http, Method};
use fetch_event_source_interop::Seen;
use tokio::time::sleep;

use crate::client::{Client, Who, last_id, subscription};
use crate::lab::{Lab, Server};
use crate::ledger::Event;
use crate::nginx;
use crate::numbers::up_to;
use crate::row::{Expect, Outcome, Trial, end_or_insist};
use crate::suite::{Suite, Tool};
use crate::tap::Tap;

pub(crate) fn suite() -> Suite {
    let stopped = |requests| Expect::end("Stopped", requests);
    Suite {
        name: "nginx + nchan",
        needs: vec![Tool::Node, Tool::Nchan],
        trials: vec![
            Trial::new("live events", live, stopped(1)),
            Trial::new("client killed 3 times (SIGKILL)", client_dies, stopped(4)),
            Trial::new("server killed 3 times (SIGKILL)", server_dies, stopped(4)),
            Trial::new(
                "connection cut 10 times, behind an `id:` line",
                connection_dies,
                stopped(11),
            ),
            Trial::new(
                "two channels in one stream, IDs like `1795324271:[1],0`; cut 5 times",
                two_channels,
                stopped(6),
            ),
            Trial::new(
                "`ping` events without data; `idle_timeout` 3 s",
                pings,
                stopped(1),
            ),
            Trial::new(
                "the channel is deleted",
                deleted,
                Expect::end("Ended, reported 410 Gone", 1),
            ),
            Trial::new(
                "`Accept: application/json`",
                not_acceptable,
                Expect::end("Status 403", 1),
            ),
        ],
    }
}

async fn start(lab: &Lab) -> Result<Server> {
    Server::start(lab, |port| nginx::command(lab, port, "nchan.conf", &[])).await
}

/// A publisher.
struct Publisher {
    http: Http,
    server: String,
}

impl Publisher {
    fn to(server: &Server) -> Self {
        Self {
            http: Http::new(),
            server: format!("http://127.0.0.1:{}/publish", server.port),
        }
    }

    async fn publish(&self, channel: &str, events: &[Event]) -> Result<()> {
        for event in events {
            self.send(Method::POST, channel, event.data.clone()).await?;
        }
        Ok(())
    }

    async fn delete(&self, channel: &str) -> Result<()> {
        self.send(Method::DELETE, channel, String::new()).await
    }

    async fn send(&self, method: Method, channel: &str, body: String) -> Result<()> {
        let url = format!("{}?to={channel}", self.server);
        let response = self.http.request(method, url).body(body).send().await?;
        ensure!(response.status().is_success(), "{}", response.status());
        Ok(())
    }
}

fn due(events: usize) -> Vec<Event> {
    let numbered = |n| Event::numbered(n, None, "message");
    (1..=events).map(numbered).collect()
}

async fn live(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let due = due(100);
    let mut client = lab
        .clients
        .start(who, &up_to(&due, tap.url("/subscribe?to=a")))?;
    client.opens().await?;
    Publisher::to(&server).publish("a", &due).await?;
    Outcome::of(client, &tap, &due).await
}

async fn client_dies(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let publisher = Publisher::to(&server);
    let due = due(80);
    let mut ask = up_to(&due, tap.url("/subscribe?to=a"));
    let mut seen = Vec::new();
    for part in due[..60].chunks(20) {
        let mut client = lab.clients.start(who, &ask)?;
        client.opens().await?;
        publisher.publish("a", &part[..15]).await?;
        client.events(15).await?;
        seen.extend(client.kill().await?);
        ask.last_event_id = last_id(&seen);
        publisher.publish("a", &part[15..]).await?; // there is no subscriber
    }
    publisher.publish("a", &due[60..]).await?;
    let client = lab.clients.start(who, &ask)?;
    Outcome::after(seen, client, &tap, &due).await
}

/// Its messages are in memory, so they must be read before it is killed.
async fn server_dies(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let mut server = start(&lab).await?;
    let mut tap = Tap::before(server.port).await?;
    let due = due(80);
    let mut client = lab
        .clients
        .start(who, &up_to(&due, tap.url("/subscribe?to=a")))?;
    client.opens().await?;
    for part in due[..60].chunks(20) {
        Publisher::to(&server).publish("a", part).await?;
        client.events(20).await?;
        tap.refuse().await;
        let port = server.port;
        server.kill().await?;
        client.retries().await?;
        // Its IDs begin with the time in seconds: within the same second it would count from 0 again.
        sleep(Duration::from_millis(1100)).await;
        let command = |port| nginx::command(&lab, port, "nchan.conf", &[]);
        server = Server::start_on(&lab, port, command).await?;
        tap.accept()?;
        client.opens().await?;
    }
    Publisher::to(&server).publish("a", &due[60..]).await?;
    Outcome::of(client, &tap, &due).await
}

async fn connection_dies(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    tap.cut_behind("id:", 5, 10);
    let due = due(80);
    Publisher::to(&server).publish("a", &due).await?;
    let mut ask = up_to(&due, tap.url("/subscribe?to=a"));
    ask.base_delay_ms = Some(100); // the server sends no `retry:`
    let client = lab.clients.start(who, &ask)?;
    Outcome::of(client, &tap, &due).await
}

async fn two_channels(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    tap.cut_behind("id:", 5, 5);
    let due: Vec<_> = due(40).into_iter().zip(0..).collect();
    let due = due.into_iter().map(|(event, n)| event.in_lane(n % 2));
    let due: Vec<_> = due.collect();
    let publisher = Publisher::to(&server);
    let (all, last) = due.split_at(due.len() - 1);
    for event in all {
        let channel = ["a", "b"][usize::from(event.lane)];
        publisher
            .publish(channel, std::slice::from_ref(event))
            .await?;
    }
    let mut ask = up_to(&due, tap.url("/both?to=a&and=b"));
    ask.base_delay_ms = Some(100);
    let mut client = lab.clients.start(who, &ask)?;
    // The server chooses the order between channels, so the last event is published after all others passed.
    ensure!(tap.requested(6).await, "it did not come back 5 times");
    client.events(30).await?;
    publisher.publish("b", last).await?;
    let outcome = Outcome::of(client, &tap, &due).await?;
    ensure!(
        tap.requests()
            .last()
            .and_then(|request| request.header("last-event-id"))
            .is_some_and(|id| id.contains('[')),
        "IDs are not of both channels"
    );
    Ok(outcome)
}

async fn pings(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    tap.count("event: ping");
    let due = due(1);
    let mut ask = up_to(&due, tap.url("/pings?to=a"));
    ask.idle_timeout_ms = Some(3000);
    let client = lab.clients.start(who, &ask)?;
    ensure!(tap.went_by("event: ping", 4).await, "no pings");
    Publisher::to(&server).publish("a", &due).await?;
    Outcome::of(client, &tap, &due).await
}

async fn deleted(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let publisher = Publisher::to(&server);
    let due = due(3);
    publisher.publish("a", &due).await?;
    let mut ask = subscription(tap.url("/subscribe?to=a"));
    ask.subscribe = false;
    let mut client: Client = lab.clients.start(who, &ask)?;
    client.events(3).await?;
    publisher.delete("a").await?;
    let (outcome, seen) = Outcome::with(client, &tap, &due, |seen| seen).await?;
    let gone = |seen: &Seen| matches!(seen, Seen::Comment { text } if text.contains("410 Gone"));
    Ok(match seen.iter().any(gone) {
        true => outcome.and("reported 410 Gone"),
        false => outcome,
    })
}

async fn not_acceptable(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let mut ask = subscription(tap.url("/subscribe?to=a"));
    ask.headers
        .insert("accept".to_owned(), "application/json".to_owned());
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    Ok(end_or_insist(client, &tap).await?.0)
}
