//! A server of football matches, `GET /matches/N`: an afternoon's in two seconds. Every tenth
//! match's connection breaks off once.

use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::get;
use serde_json::json;
use tokio::time::sleep;

use crate::support::{break_off, last_event_id, respond, serve};

const MINUTES: u64 = 90;
const MINUTE: Duration = Duration::from_millis(22);
const RETRY: Duration = Duration::from_millis(200);
const BREAK: u64 = 45;

pub(crate) async fn start() -> io::Result<String> {
    let kick_off = Instant::now();
    let show = async move |Path(number), headers| show(number, kick_off, headers);
    let url = serve(Router::new().route("/matches/{number}", get(show))).await?;
    Ok(url + "/matches/{}")
}

/// Goals so far: always the same for the same match.
pub(crate) fn score(number: u64, minute: u64) -> (u32, u32) {
    let mut random = fastrand::Rng::with_seed(number);
    let mut score = (0, 0);
    for _ in 0..minute {
        match random.u32(..64) {
            0 => score.0 += 1,
            1 => score.1 += 1,
            _ => {}
        }
    }
    score
}

/// The final score.
pub(crate) fn result(number: u64) -> (u32, u32) {
    score(number, MINUTES)
}

/// Every goal, from the minute on that was seen last.
fn show(number: u64, kick_off: Instant, headers: HeaderMap) -> Response {
    let seen = last_event_id(&headers);
    respond(async move |events| {
        events.send(Event::default().retry(RETRY)).await?;
        for minute in seen + 1..=MINUTES {
            let time = MINUTE * minute as u32;
            sleep(time.saturating_sub(kick_off.elapsed())).await;
            let (home, away) = score(number, minute);
            if minute == 1 || (home, away) != score(number, minute - 1) {
                let goal = json!({"home": home, "away": away, "minute": minute});
                let event = Event::default().event("score").id(minute.to_string());
                events.send(event.data(goal.to_string())).await?;
            }
            if number % 10 == 0 && seen == 0 && minute == BREAK {
                return break_off();
            }
        }
        events
            .send(
                Event::default()
                    .event("final whistle")
                    .data(number.to_string()),
            )
            .await
    })
}
