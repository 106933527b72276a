//! A middleware of reqwest-middleware's sees each attempt, and may change it.

mod support;

use async_trait::async_trait;
use fetch_event_source::reqwest::{Client, Request, Response};
use fetch_event_source_recipes::middleware::through_middleware;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use support::{Refusing, Server};

/// Signs each request.
struct Sign;

#[async_trait]
impl Middleware for Sign {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let id = request.headers().get("last-event-id").cloned();
        let signature = id.unwrap_or(http::HeaderValue::from_static("none"));
        request.headers_mut().insert("x-signature", signature);
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn it_sees_every_attempt_with_its_headers() {
    let server = Server::start().await;
    let client = ClientBuilder::new(Client::new()).with(Sign).build();
    let source = through_middleware(Client::new().get(server.url()), client);

    assert_eq!(support::ids(source).await, support::one_to_nine());
    let signatures = server.requests(|request| request.headers["x-signature"].clone());
    assert_eq!(signatures, ["none", "3", "6", "9"]);
}

#[tokio::test]
async fn a_connection_that_was_never_made_is_seen_through_it() {
    let port = Refusing::start();
    let client = ClientBuilder::new(Client::new()).with(Sign).build();
    let source = through_middleware(Client::new().post(port.url()).body("question"), client);
    support::is_sent_again_where_it_was_never_sent(source).await;
}
