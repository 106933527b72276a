//! A server of live values, of many types. They are not kept: a client that was away has missed them. It ends
//! each stream after a while, cleanly or not.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::get;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::interval;

use crate::support::{break_off, respond, serve};

const EVERY: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(700);
/// How many events a connection lives.
const LIFE: std::ops::Range<u32> = 250..500;

pub(crate) async fn start() -> io::Result<String> {
    let (values, _) = broadcast::channel(64);
    tokio::spawn(measure(values.clone()));
    let listen = get(async move || listen(values.subscribe()));
    Ok(serve(Router::new().route("/live", listen)).await? + "/live")
}

/// Random walks.
async fn measure(values: broadcast::Sender<Event>) {
    let mut prices = [
        ("ACME", 41.50),
        ("GLOBEX", 120.0),
        ("INITECH", 8.75),
        ("HOOLI", 310.0),
    ];
    let mut sensors = [
        ("boiler", 71.0, "°C"),
        ("tank", 55.0, "%"),
        ("pump", 30.0, "kW"),
    ];
    let mut clock = interval(EVERY);
    for count in 0_u64.. {
        clock.tick().await;
        let event = match count {
            _ if count % 100 == 50 => alert(count / 100),
            _ if count % 4 == 3 => {
                let (name, value, unit) = &mut sensors[fastrand::usize(..3)];
                *value = (*value + step(4.0)).clamp(0.0, 100.0);
                let data = json!({"name": name, "value": value, "unit": unit});
                Event::default().event("sensor").data(data.to_string())
            }
            _ => {
                let (symbol, price) = &mut prices[fastrand::usize(..4)];
                *price *= 1.0 + step(0.01);
                let data = json!({"symbol": symbol, "price": price});
                Event::default().event("price").data(data.to_string())
            }
        };
        let _ = values.send(event); // fails if no client listens
    }
}

fn alert(count: u64) -> Event {
    const ALERTS: [&str; 3] = [
        "the boiler wants water",
        "the market is nervous",
        "the tank was filled",
    ];
    let text = json!(ALERTS[count as usize % ALERTS.len()]);
    Event::default().event("alert").data(text.to_string())
}

fn step(width: f64) -> f64 {
    (fastrand::f64() - 0.5) * width
}

fn listen(mut values: broadcast::Receiver<Event>) -> Response {
    respond(async move |events| {
        events.send(Event::default().retry(RETRY)).await?;
        for _ in 0..fastrand::u32(LIFE) {
            match values.recv().await {
                Ok(value) => events.send(value).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {} // only the latest matter
                Err(closed) => return Err(io::Error::other(closed)),
            }
        }
        match fastrand::bool() {
            true => Ok(()),
            false => break_off(),
        }
    })
}
