//! A server of notifications: their IDs are numbers, and new ones come with or without a client. Its
//! connections do not live long.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::{break_off, last_event_id, respond, serve};

/// How many there will be, and how often.
pub(crate) const COUNT: u64 = 80;
const EVERY: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_millis(100);

pub(crate) async fn start() -> io::Result<String> {
    let (latest, _) = watch::channel(0);
    let publishing = latest.clone();
    tokio::spawn(async move {
        for id in 1..=COUNT {
            sleep(EVERY).await;
            publishing.send_replace(id);
        }
    });
    let subscribe = get(move |headers: HeaderMap| subscribe(headers, latest.subscribe()));
    let url = serve(Router::new().route("/notifications", subscribe)).await?;
    Ok(url + "/notifications")
}

pub(crate) fn notification(id: u64) -> String {
    const WHAT: [&str; 4] = [
        "a comment on your post",
        "a new follower",
        "a message",
        "a reminder",
    ];
    format!("{} ({id} of {COUNT})", WHAT[id as usize % WHAT.len()])
}

async fn subscribe(headers: HeaderMap, mut latest: watch::Receiver<u64>) -> Response {
    let seen = last_event_id(&headers);
    if seen >= COUNT {
        return StatusCode::NO_CONTENT.into_response(); // nothing more will come
    }
    let last = COUNT.min(seen + fastrand::u64(5..25));
    respond(async move |events| {
        events.send(Event::default().retry(RETRY)).await?;
        for id in seen + 1..=last {
            let published = latest.wait_for(|&latest| latest >= id).await;
            published.map_err(io::Error::other)?;
            let event = Event::default().event("notification").id(id.to_string());
            events.send(event.data(notification(id))).await?;
        }
        match fastrand::bool() {
            true => Ok(()),
            false => break_off(),
        }
    })
}
