//! Notifications go on in a new session where the old one is over.

mod support;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fetch_event_source::reqwest::Client;
use fetch_event_source_recipes::mcp_session::notifications;

/// What came: the session, and the ID, of each GET.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.to_str().expect("text"));
    value.unwrap_or_default().to_owned()
}

/// Each session has one event and breaks off; after three it is gone.
async fn events(State(asked): State<Asked>, headers: HeaderMap) -> Response {
    let session = header(&headers, "mcp-session-id");
    let mut asked = asked.lock().expect("no panic");
    asked.push((session.clone(), header(&headers, "last-event-id")));
    let times = asked.iter().filter(|(asked, _)| *asked == session).count();
    let event = |id| {
        (
            [("content-type", "text/event-stream")],
            format!("retry: 1\nid: {id}\ndata: {session}\n\n"),
        )
    };
    match (session.as_str(), times) {
        ("2", 3) => StatusCode::NO_CONTENT.into_response(),
        (_, 3) => StatusCode::NOT_FOUND.into_response(),
        (_, times) => event(times).into_response(),
    }
}

#[tokio::test]
async fn a_new_session_begins_without_the_id() {
    let asked = Asked::default();
    let begun = Arc::new(Mutex::new(0));
    let initialize = async move || {
        let mut begun = begun.lock().expect("no panic");
        *begun += 1;
        [("mcp-session-id", begun.to_string())]
    };
    let routes = Router::new()
        .route("/mcp", get(events).post(initialize))
        .with_state(asked.clone());
    let url = format!("{}/mcp", support::start(routes).await);
    let mut events = notifications(Client::new(), url)
        .retry(support::eager())
        .stream();
    let mut data = Vec::new();
    while let Some(event) = events.next().await {
        data.push(event.expect("no error").into_data());
    }
    assert_eq!(data, ["1", "1", "2", "2"]);
    let asked = asked.lock().expect("no panic");
    let asked: Vec<_> = asked
        .iter()
        .map(|(session, id)| (&session[..], &id[..]))
        .collect();
    assert_eq!(
        asked,
        [
            ("1", ""),
            ("1", "1"),
            ("1", "2"),
            ("2", ""),
            ("2", "1"),
            ("2", "2")
        ]
    );
}

#[tokio::test]
async fn a_server_that_knows_no_session_is_not_asked_for_ever() {
    let routes = Router::new().route(
        "/mcp",
        get(async || StatusCode::NOT_FOUND).post(async || [("mcp-session-id", "x")]),
    );
    let url = format!("{}/mcp", support::start(routes).await);
    let result = notifications(Client::new(), url)
        .retry(support::eager())
        .run()
        .await;
    assert_eq!(result.unwrap_err().status(), Some(StatusCode::NOT_FOUND));
}
