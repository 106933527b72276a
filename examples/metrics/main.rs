//! Metrics of subscriptions, for Prometheus: what `Handle::stats` gives, read when it is scraped.
//! `cargo run --example metrics` brings a server along, scrapes itself once, and prints that;
//! `cargo run --example metrics -- URL...` listens there until Ctrl-C.

mod exporter;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use axum::{Router, routing::get};
use clap::Parser;
use fetch_event_source::reqwest::{self, Url};
use fetch_event_source::{BoxError, EventStream, RetryPolicy, fetch_event_source};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::exporter::Subscriptions;
use crate::support::{describe, exit_code, printable, say};

/// Exports the counters of event streams to Prometheus
#[derive(Parser)]
struct Arguments {
    /// Streams to listen to [default: two of a built-in server, whose metrics are printed once]
    #[arg(value_name = "URL", value_parser = support::url)]
    urls: Vec<Url>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let urls = Arguments::parse().urls;
    let result = match urls.is_empty() {
        true => demo().await,
        false => export(urls).await,
    };
    exit_code("metrics", result)
}

async fn export(urls: Vec<Url>) -> Result<(), BoxError> {
    let mut subscriptions = Subscriptions::default();
    for (number, url) in urls.into_iter().enumerate() {
        let events = subscribe(url.as_str());
        // Not by its URL, which may hold secrets.
        subscriptions.add(format!("source-{}", number + 1), events.handle());
        tokio::spawn(consume(events, None));
    }
    let metrics = serve(subscriptions).await?;
    say(format_args!("{metrics}, until Ctrl-C"))?;
    Ok(tokio::signal::ctrl_c().await?)
}

/// Two subscriptions to a server that breaks off half-way.
async fn demo() -> Result<(), BoxError> {
    let server = server::start().await?;
    let mut subscriptions = Subscriptions::default();
    let (sender, mut consumed) = mpsc::channel(1);
    for name in ["prices", "alerts"] {
        let events = subscribe(&format!("{server}/{name}"));
        subscriptions.add(name.to_owned(), events.handle());
        tokio::spawn(consume(events, Some(sender.clone())));
    }
    let metrics = serve(subscriptions).await?;
    for _ in 0..2 * server::EVENTS {
        consumed.recv().await.ok_or("the subscriptions ended")?;
    }
    say(reqwest::get(metrics).await?.text().await?.trim_end())?;
    Ok(())
}

fn subscribe(url: &str) -> EventStream {
    fetch_event_source(url)
        .retry(RetryPolicy::persistent())
        .stream()
}

/// What an application does with its events would be here.
async fn consume(mut events: EventStream, consumed: Option<mpsc::Sender<()>>) {
    while let Some(event) = events.next().await {
        match (event, &consumed) {
            (Ok(_), Some(consumed)) => drop(consumed.send(()).await), // fails at the demo's end
            (Ok(event), None) => {
                let (event_type, data) = (event.event_type(), event.data());
                let shown = say(printable(&format!("{event_type} {data}")));
                if shown.is_err() {
                    return; // nothing reads the output any more; the metrics go on
                }
            }
            (Err(error), _) => eprintln!("metrics: {}", describe(&error)),
        }
    }
}

/// Serves the metrics on a free port; gives their URL.
async fn serve(subscriptions: Subscriptions) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/metrics", listener.local_addr()?);
    let exporter = exporter::Exporter::new(subscriptions);
    let routes = Router::new().route("/metrics", get(async move || exporter.scrape()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}
