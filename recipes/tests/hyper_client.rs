//! hyper alone, without reqwest's client.

mod support;

use fetch_event_source::RetryPolicy;
use fetch_event_source_recipes::hyper_client::through_hyper;
use support::{Refusing, Server};

#[tokio::test]
async fn it_goes_on_after_each_end() {
    let server = Server::start().await;
    assert_eq!(
        support::ids(through_hyper(&server.url())).await,
        support::one_to_nine()
    );
    assert_eq!(server.sent_ids(), ["", "3", "6", "9"]);
}

#[tokio::test]
async fn a_connection_that_was_never_made_is_seen() {
    let port = Refusing::start();
    let mut events = through_hyper(&port.url())
        .retry(RetryPolicy::never())
        .stream();
    let error = events
        .next()
        .await
        .expect("an item")
        .expect_err("nobody is there");
    assert!(error.is_connect(), "{error:?}");
}
