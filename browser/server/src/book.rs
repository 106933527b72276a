//! What the server has seen, by the name of the stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use crate::Shared;
use crate::cors;

#[derive(Default)]
pub(crate) struct Book(Mutex<HashMap<String, Page>>);

/// What came for one stream.
#[derive(Default, Clone, Serialize)]
pub(crate) struct Page {
    /// In the order in which they came, preflights (OPTIONS) among them.
    requests: Vec<Request>,
    /// Streams that are open now.
    open: usize,
    /// The most that were open at a time.
    most_open: usize,
}

#[derive(Clone, Serialize)]
struct Request {
    method: String,
    headers: HashMap<String, String>,
}

impl Book {
    /// Notes a request. Returns how many of this method had come before it.
    pub(crate) fn note(&self, name: &str, method: &Method, headers: &HeaderMap) -> usize {
        let mut pages = self.pages();
        let page = pages.entry(name.to_owned()).or_default();
        let same = |request: &&Request| request.method == method.as_str();
        let before = page.requests.iter().filter(same).count();
        page.requests.push(Request {
            method: method.to_string(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.to_string(), value.into_owned())
                })
                .collect(),
        });
        before
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<String, Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is open, until this is dropped.
pub(crate) struct Open {
    shared: Arc<Shared>,
    name: String,
}

impl Open {
    pub(crate) fn new(shared: Arc<Shared>, name: String) -> Self {
        let mut pages = shared.book.pages();
        let page = pages.entry(name.clone()).or_default();
        page.open += 1;
        page.most_open = page.most_open.max(page.open);
        drop(pages);
        Self { shared, name }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut pages = self.shared.book.pages();
        pages.entry(self.name.clone()).or_default().open -= 1;
    }
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// The page of a stream, for any origin.
pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(Name { name }): Query<Name>,
) -> impl IntoResponse {
    let page = shared.book.pages().get(&name).cloned().unwrap_or_default();
    (cors::headers(cors::Cors::Simple), Json(page))
}
