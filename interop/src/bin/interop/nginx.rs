//! nginx in front of a server.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use fetch_event_source_interop::{Ask, Seen};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use tokio::process::Command;

use crate::client::{Client, Who};
use crate::lab::{Lab, Server, system};
use crate::ledger::Event;
use crate::numbers::{BURSTS, Numbers, READ, up_to, with_faults};
use crate::row::{Expect, Outcome, Taps, Trial, end_or_insist};
use crate::suite::{Suite, Tool};
use crate::tap::Tap;

/// The folder of Debian's modules.
pub(crate) const MODULES: &str = "/usr/lib/nginx/modules";

/// Starts it with this configuration.
pub(crate) fn command(
    lab: &Lab,
    port: u16,
    configuration: &str,
    values: &[(&str, &str)],
) -> Result<Command> {
    let scratch = lab.scratch("nginx");
    std::fs::create_dir(&scratch)?;
    let (port, directory) = (port.to_string(), scratch.to_string_lossy());
    let mut all = vec![
        ("port", &*port),
        ("scratch", &*directory),
        ("modules", MODULES),
    ];
    all.extend(values);
    let path = lab.configuration(configuration, &all)?;
    let mut nginx = system("nginx");
    nginx.arg("-e").arg("stderr");
    nginx.arg("-p").arg(&scratch).arg("-c").arg(path);
    Ok(nginx)
}

pub(crate) fn suite() -> Suite {
    Suite {
        name: "nginx in front of Express, TLS",
        needs: vec![Tool::Node, Tool::Nginx],
        trials: vec![
            Trial::new(
                "HTTP/2, `proxy_buffering off`",
                unbuffered,
                Expect::end("Stopped, by HTTP/2.0, nothing held back", 1),
            ),
            Trial::new(
                "a certificate that is not trusted",
                untrusted,
                Expect::end("Certificate", 1),
            ),
            Trial::new(
                "connection cut 5 times",
                connection_dies,
                Expect::end("Stopped", 6),
            ),
            Trial::new(
                "the server behind it gone for a while: 502",
                bad_gateway,
                Expect::end("Stopped", 2),
            ),
            Trial::new(
                "reloaded, `worker_shutdown_timeout 1s`",
                reloaded,
                Expect::end("Stopped", 2),
            ),
            Trial::new(
                "`gzip on`, not asked for",
                |lab, who| compressed(lab, who, None),
                Expect::end("Stopped, not compressed, nothing held back", 1),
            ),
            Trial::new(
                "`gzip on`, asked for",
                |lab, who| compressed(lab, who, Some("gzip")),
                Expect::end("Stopped, compressed, nothing held back", 1),
            ),
            Trial::new(
                "`proxy_buffering on`, HTTP/1.0 behind it",
                buffered,
                Expect::end("Stopped, held back", 1),
            ),
            Trial::new(
                "`proxy_read_timeout 5s`, a quiet stream",
                read_timeout,
                Expect::end("Stopped, cut seen as Disconnected", 2),
            ),
        ],
    }
}

/// nginx in front of Express, with a tap before each.
struct Front {
    front: Tap,
    back: Tap,
    nginx: Server,
    certificate: PathBuf,
    _express: Server,
}

impl Front {
    async fn start(lab: &Lab) -> Result<Self> {
        let express = Numbers::Express.start(lab).await?;
        let back = Tap::before(express.port).await?;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key) = (lab.scratch("certificate.pem"), lab.scratch("key.pem"));
        std::fs::write(&certificate, cert.pem())?;
        std::fs::write(&key, signing_key.serialize_pem())?;
        let upstream = back.port().to_string();
        let values = [
            ("certificate", &*certificate.to_string_lossy()),
            ("key", &*key.to_string_lossy()),
            ("upstream", &*upstream),
        ];
        let nginx = Server::start(lab, |port| command(lab, port, "nginx.conf", &values)).await?;
        Ok(Self {
            front: Tap::before(nginx.port).await?,
            back,
            nginx,
            certificate,
            _express: express,
        })
    }

    fn ask(&self, due: &[Event], path: &str) -> Ask {
        Ask {
            root_certificate: Some(self.certificate.clone()),
            ..up_to(due, self.front.tls_url(path))
        }
    }

    fn taps(&self) -> Taps<'_> {
        Taps {
            requests: &self.back,
            connections: &self.front,
        }
    }
}

/// Whether the server had written much when the first event arrived.
async fn held_back(front: &Front, client: &mut Client) -> Result<&'static str> {
    client.events(1).await?;
    Ok(match front.back.lines("id:") {
        0..50 => "nothing held back",
        _ => "held back",
    })
}

async fn unbuffered(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    front.back.count("id:");
    let due = Numbers::Express.due(50);
    let mut client = lab.clients.start(who, &front.ask(&due, "/sse?every=50"))?;
    let held_back = held_back(&front, &mut client).await?;
    let (outcome, seen) = Outcome::with(client, front.taps(), &due, |seen| seen).await?;
    let version = seen.iter().find_map(|seen| match seen {
        Seen::Open { version, .. } => version.clone(),
        _ => None,
    });
    let outcome = match version {
        Some(version) => outcome.and(&format!("by {version}")),
        None => outcome,
    };
    Ok(outcome.and(held_back))
}

async fn untrusted(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let mut ask = front.ask(&[], "/sse");
    ask.root_certificate = None;
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    Ok(end_or_insist(client, &front.front).await?.0)
}

async fn connection_dies(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let due = Numbers::Express.due(with_faults(5));
    let mut client = lab.clients.start(who, &front.ask(&due, BURSTS))?;
    for _ in 0..5 {
        client.events(READ).await?;
        front.front.cut();
        client.retries().await?;
    }
    Outcome::of(client, front.taps(), &due).await
}

async fn bad_gateway(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let mut front = Front::start(&lab).await?;
    let due = Numbers::Express.due(with_faults(1));
    let mut client = lab.clients.start(who, &front.ask(&due, BURSTS))?;
    client.events(READ).await?;
    front.back.refuse().await;
    front.back.cut();
    for _ in 0..3 {
        client.retries().await?; // the end of the stream, then 502
    }
    front.back.accept()?;
    Outcome::of(client, front.taps(), &due).await
}

/// The worker that has the connection ends it a second later.
async fn reloaded(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let due = Numbers::Express.due(with_faults(1));
    let mut client = lab.clients.start(who, &front.ask(&due, BURSTS))?;
    client.events(READ).await?;
    front.nginx.signal(Signal::HUP)?;
    client.retries().await?;
    Outcome::of(client, front.taps(), &due).await
}

async fn compressed(lab: Arc<Lab>, who: Who, coding: Option<&str>) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    front.back.count("id:");
    let due = Numbers::Express.due(50);
    let mut ask = front.ask(&due, "/gzip/sse?every=50");
    if let Some(coding) = coding {
        ask.headers
            .insert("accept-encoding".to_owned(), coding.to_owned());
    }
    let mut client = lab.clients.start(who, &ask)?;
    let held_back = held_back(&front, &mut client).await?;
    let outcome = Outcome::of(client, front.taps(), &due).await?;
    let request = front.back.requests().pop();
    let asked = request
        .as_ref()
        .and_then(|request| request.header("accept-encoding"));
    let compressed = match asked {
        Some(codings) if codings.contains("gzip") => "compressed",
        _ => "not compressed",
    };
    Ok(outcome.and(compressed).and(held_back))
}

async fn buffered(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    front.back.count("id:");
    let due = Numbers::Express.due(400);
    let mut client = lab
        .clients
        .start(who, &front.ask(&due, "/buffering/sse?every=10"))?;
    let held_back = held_back(&front, &mut client).await?;
    Ok(Outcome::of(client, front.taps(), &due)
        .await?
        .and(held_back))
}

async fn read_timeout(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let front = Front::start(&lab).await?;
    let due = Numbers::Express.due(2);
    let client = lab.clients.start(who, &front.ask(&due, "/quiet"))?;
    let (outcome, seen) = Outcome::with(client, front.taps(), &due, |seen| seen).await?;
    let cut = seen.iter().find_map(|seen| match seen {
        Seen::Retry { error, .. } => Some(error.as_ref().map(|error| error.kind.clone())),
        _ => None,
    });
    ensure!(cut.is_some(), "it was not cut");
    let cut = cut.flatten().unwrap_or_else(|| "a clean end".to_owned());
    Ok(outcome.and(&format!("cut seen as {cut}")))
}
