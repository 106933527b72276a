//! A server to try things on: `GET /` counts, and breaks off once; `POST /` says back what it was
//! told, word by word, as language models do.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::get;
use tokio::time::sleep;

use crate::support::{break_off, last_event_id, respond, serve};

const COUNT: u64 = 12;
const BREAK: u64 = 5;
const EVERY: Duration = Duration::from_millis(150);

pub(crate) async fn start() -> io::Result<String> {
    let url = serve(Router::new().route("/", get(count).post(echo))).await?;
    Ok(url + "/")
}

async fn count(headers: HeaderMap) -> Response {
    let seen = last_event_id(&headers);
    respond(async move |events| {
        events
            .send(Event::default().comment("welcome").retry(EVERY * 2))
            .await?;
        for n in seen + 1..=COUNT {
            events.send(event(n)).await?;
            if n == BREAK && seen == 0 {
                return break_off();
            }
            sleep(EVERY).await;
        }
        Ok(())
    })
}

fn event(n: u64) -> Event {
    let event = Event::default().id(n.to_string());
    match n % 3 {
        0 => event
            .event("price")
            .data(format!(r#"{{"symbol":"ACME","price":{}}}"#, 40 + n)),
        1 => event.data(format!("message {n}")),
        _ => event
            .event("note")
            .data(format!("the note {n}\nhas two lines")),
    }
}

async fn echo(body: String) -> Response {
    respond(async move |events| {
        for word in body.split_whitespace() {
            events.send(Event::default().data(word)).await?;
            sleep(EVERY).await;
        }
        events.send(Event::default().data("[DONE]")).await
    })
}
