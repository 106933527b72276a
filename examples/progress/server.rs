//! A server that does long jobs: `POST /jobs` starts one and says where its events are. The job
//! goes on with or without a client, and a client sees it from the beginning, or after its
//! `Last-Event-ID`. The first connection breaks off.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::{break_off, last_event_id, respond, serve};

const TOTAL: u64 = 240;
const FRAME_EVERY: Duration = Duration::from_millis(12);
const RETRY: Duration = Duration::from_millis(400);
/// The first connection breaks off after this many frames.
const BREAK: u64 = 90;
/// Which step begins with which frame.
const STEPS: [(u64, &str); 3] = [(0, "reading"), (40, "rendering"), (200, "writing")];

/// One job, for all who ask.
#[derive(Clone)]
struct Job {
    done: watch::Sender<u64>,
    has_broken: Arc<AtomicBool>,
}

pub(crate) async fn start() -> io::Result<String> {
    let job = Job {
        done: watch::Sender::new(0),
        has_broken: Arc::default(),
    };
    let starting = job.clone();
    let routes = Router::new()
        .route("/jobs", post(async move || begin(starting)))
        .route("/jobs/1", get(async move |headers| watch_job(headers, job)));
    Ok(serve(routes).await? + "/jobs")
}

fn begin(job: Job) -> Json<Value> {
    tokio::spawn(async move {
        for done in 1..=TOTAL {
            sleep(FRAME_EVERY).await;
            job.done.send_replace(done);
        }
    });
    Json(json!({"events": "/jobs/1"}))
}

/// An event for each frame, whose ID is its number, and one for each step.
fn watch_job(headers: HeaderMap, job: Job) -> Response {
    let seen = last_event_id(&headers);
    let mut done = job.done.subscribe();
    respond(async move |events| {
        events.send(Event::default().retry(RETRY)).await?;
        for frame in seen..TOTAL {
            if let Some((_, step)) = STEPS.iter().find(|(first, _)| *first == frame) {
                events
                    .send(Event::default().event("step").data(step))
                    .await?;
            }
            let waited = done.wait_for(|&done| done > frame).await;
            waited.map_err(io::Error::other)?;
            let progress = json!({"done": frame + 1, "total": TOTAL});
            let event = Event::default()
                .event("progress")
                .id((frame + 1).to_string());
            events.send(event.data(progress.to_string())).await?;
            if frame == BREAK && !job.has_broken.swap(true, Ordering::Relaxed) {
                return break_off();
            }
        }
        let result = json!({"file": "film.mkv", "bytes": 73_400_320});
        events
            .send(Event::default().event("finished").data(result.to_string()))
            .await
    })
}
