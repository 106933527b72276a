//! A server that sends a file in events: base64, a piece in each, whose ID is how far it goes. It
//! breaks off in the middle, once.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::support::{break_off, last_event_id, respond, serve};

const LENGTH: usize = 5 * 1024 * 1024 + 321;
const PIECE: usize = 64 * 1024;
/// The connection breaks off after this many bytes.
const BREAK: usize = LENGTH / 3;
const RETRY: Duration = Duration::from_millis(300);

pub(crate) async fn start() -> io::Result<String> {
    let url = serve(Router::new().route("/file", get(send_file))).await?;
    Ok(url + "/file")
}

async fn send_file(headers: HeaderMap) -> Response {
    let mut sent = last_event_id(&headers) as usize;
    let is_first = sent == 0;
    respond(async move |events| {
        let file = file();
        let hash = hex(&Sha256::digest(&file));
        let about = json!({"length": LENGTH, "sha256": hash});
        let about = Event::default().event("about").data(about.to_string());
        events.send(about.retry(RETRY)).await?;
        while let Some(piece) = file.get(sent..).and_then(|rest| rest.chunks(PIECE).next()) {
            sent += piece.len();
            let event = Event::default().event("piece").id(sent.to_string());
            events
                .send(event.data(BASE64_STANDARD.encode(piece)))
                .await?;
            if is_first && sent > BREAK {
                return break_off();
            }
        }
        events
            .send(Event::default().event("end").data("whole"))
            .await
    })
}

/// Always the same bytes, all kinds of them.
fn file() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| random.u8(..))
        .take(LENGTH)
        .collect()
}
