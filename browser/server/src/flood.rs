//! As many tokens as one asks for, as fast as they are taken.

use axum::body::Body;
use axum::extract::Query;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Flood {
    tokens: usize,
}

/// As large as what a fetch gives a page at a time.
const CHUNK: usize = 16 * 1024;

pub(crate) async fn answer(Query(Flood { tokens }): Query<Flood>) -> impl IntoResponse {
    let body = Bytes::from(text(tokens));
    let starts = (0..body.len()).step_by(CHUNK);
    let chunks: Vec<_> = starts
        .map(|start| Ok::<_, std::io::Error>(body.slice(start..(start + CHUNK).min(body.len()))))
        .collect();
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (
        headers,
        Body::from_stream(futures_util::stream::iter(chunks)),
    )
}

/// The answer of a language model, token by token.
fn text(tokens: usize) -> String {
    const WORDS: [&str; 8] = [" the", " of", " stream", "ing", " is", " a", ",", " token"];
    let mut text = String::new();
    for number in 0..tokens {
        let word = WORDS[number % WORDS.len()];
        text.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-8f3a2b1c\",\"object\":\"chat.completion.chunk\",\"created\":1795348800,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
        ));
    }
    text
}
