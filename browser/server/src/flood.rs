//! As many tokens as one asks for, as fast as they are taken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::Query;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Flood {
    tokens: usize,
}

pub(crate) async fn answer(Query(Flood { tokens }): Query<Flood>) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, made(tokens))
}

/// Made once, so that a request does not wait for it.
fn made(tokens: usize) -> Bytes {
    static TEXTS: Mutex<BTreeMap<usize, Bytes>> = Mutex::new(BTreeMap::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let text = texts.entry(tokens).or_insert_with(|| text(tokens).into());
    text.clone()
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
