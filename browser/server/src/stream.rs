//! A stream that goes as its script says.

use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use tokio::time::sleep;

use crate::book::Open;
use crate::script::Script;
use crate::{Shared, cors};

/// A browser drops what a page has not read when its connection breaks off. So the page gets time to read.
const BEFORE_CUT: Duration = Duration::from_millis(150);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(script): Query<Script>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let before = shared.book.note(&script.name, &method, &headers);
    let mut response = match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => stream_or_refusal(shared, &script, before, &uri, &headers).await,
    };
    response.headers_mut().extend(cors::headers(script.cors));
    response
}

async fn stream_or_refusal(
    shared: Arc<Shared>,
    script: &Script,
    before: usize,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    if script.hold {
        let _open = Open::new(shared, script.name.clone());
        return pending().await;
    }
    if script.redirect {
        let query = uri
            .query()
            .unwrap_or_default()
            .replace("redirect=true", "redirect=false");
        let elsewhere = [(LOCATION, format!("/sse?{query}"))];
        return (StatusCode::FOUND, elsewhere).into_response();
    }
    if let Some(status) = script.status.filter(|_| before < script.times) {
        return refusal(shared, script, status);
    }
    let id = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let id = String::from_utf8_lossy(id.unwrap_or_default());
    let first = script.after(&id);
    let open = Open::new(shared, script.name.clone());
    let body = Body::from_stream(events(script.clone(), first, open));
    let mut response = Response::new(body);
    let sent = response.headers_mut();
    let content_type = HeaderValue::from_str(&script.content_type);
    sent.insert(
        CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("none")),
    );
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=600")); // a cache would harm
    if script.gzip {
        sent.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn refusal(shared: Arc<Shared>, script: &Script, status: u16) -> Response {
    let open = Open::new(shared, script.name.clone());
    let is_endless = script.endless;
    let body = Body::from_stream(stream! {
        let _open = open;
        yield Ok::<_, io::Error>(Bytes::from_static(b"not now"));
        while is_endless {
            yield Ok(Bytes::from(vec![b'.'; 16 * 1024]));
            sleep(Duration::from_millis(1)).await;
        }
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, body).into_response();
    if let Some(after) = script.after {
        response.headers_mut().insert(RETRY_AFTER, after.into());
    }
    response
}

/// The events from this number on.
fn events(
    script: Script,
    first: u64,
    open: Open,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    let mut encoder = script
        .gzip
        .then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    let mut encode = move |text: String| -> io::Result<Bytes> {
        let Some(encoder) = &mut encoder else {
            return Ok(text.into());
        };
        encoder.write_all(text.as_bytes())?;
        encoder.flush()?;
        Ok(std::mem::take(encoder.get_mut()).into())
    };
    stream! {
        let _open = open;
        for number in first.. {
            if script.last.is_some_and(|last| number > last) {
                break;
            }
            let sent = number - first;
            if script.cut.is_some_and(|cut| sent == cut) {
                yield encode("id: 999\ndata: torn".to_owned());
                sleep(BEFORE_CUT).await;
                yield Err(io::ErrorKind::ConnectionReset.into());
                break;
            }
            if script.silent.is_some_and(|silent| sent == silent) {
                pending::<()>().await;
            }
            yield encode(format!("event: tick\nid: {}{number}\ndata: number {number}\n\n", script.id));
            sleep(Duration::from_millis(script.every)).await;
        }
    }
}
