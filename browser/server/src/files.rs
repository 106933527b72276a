//! Files of a folder.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::Shared;

pub(crate) async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let is_inside = path.split('/').all(|part| part != "..");
    let mut file = shared.folder.join(path);
    if path.is_empty() || path.ends_with('/') {
        file.push("index.html");
    }
    // npm's modules name each other without their extension.
    if file.extension().is_none() {
        file.set_extension("js");
    }
    match tokio::fs::read(&file).await {
        Ok(bytes) if is_inside => ([(CONTENT_TYPE, content_type(&file))], bytes).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
