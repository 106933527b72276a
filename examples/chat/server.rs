//! A language model behind an API like OpenAI's, with the troubles of one: a token that has
//! expired, too many requests, an answer that is cut.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{break_off, respond, serve};

const WORD_EVERY: Duration = Duration::from_millis(40);
/// The token that is good. One gets it by asking for a fresh one.
const TOKEN: &str = "Bearer token-2";

pub(crate) async fn start() -> io::Result<String> {
    let url = serve(Router::new().route("/v1/chat/completions", post(complete))).await?;
    Ok(url + "/v1/chat/completions")
}

async fn complete(headers: HeaderMap, Json(question): Json<Value>) -> Response {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    if headers
        .get("authorization")
        .is_none_or(|token| token != TOKEN)
    {
        let why = json!({"error": {"message": "the token has expired"}});
        return (StatusCode::UNAUTHORIZED, Json(why)).into_response();
    }
    let text = question["messages"][0]["content"]
        .as_str()
        .unwrap_or_default();
    let count = ANSWERED.fetch_add(1, Ordering::Relaxed);
    if count == 1 {
        let why = json!({"error": {"message": "one request a second, please"}});
        return (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "1")],
            Json(why),
        )
            .into_response();
    }
    let answer = format!("You asked: {text} Streams are\nread as they come, word by word. 🌊");
    let is_cut = count == 3;
    respond(async move |events| {
        events
            .send(chunk(json!({"role": "assistant", "content": ""})))
            .await?;
        let words = answer.split_inclusive([' ', '\n']);
        for (n, word) in words.enumerate() {
            if is_cut && n == 9 {
                return break_off();
            }
            sleep(WORD_EVERY).await;
            events.send(chunk(json!({"content": word}))).await?;
        }
        events.send(Event::default().data("[DONE]")).await
    })
}

fn chunk(delta: Value) -> Event {
    let chunk =
        json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]});
    Event::default().data(chunk.to_string())
}
