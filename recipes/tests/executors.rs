//! Without async code, and on another executor: over a server that ends after every three events.

mod support;

use std::thread;

use fetch_event_source::{ErrorKind, EventSource, Finished};
use fetch_event_source_recipes::{blocking::Events, smol::collect};
use support::{Refusing, Server};
use tokio::runtime::Runtime;

/// A server on its own runtime.
fn server() -> (Runtime, Server) {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start());
    (runtime, server)
}

#[test]
fn an_iterator_reconnects() {
    let (_runtime, server) = server();
    let source = EventSource::get(server.url()).retry(support::eager());
    let events = Events::new(source).expect("a runtime");
    let ids: Vec<_> = events
        .map(|event| event.expect("no error").last_event_id().to_owned())
        .collect();
    assert_eq!(ids, support::one_to_nine());
    assert_eq!(server.sent_ids(), ["", "3", "6", "9"]);
}

#[test]
fn an_iterator_ends_after_an_error() {
    let (runtime, _) = server();
    let _entered = runtime.enter();
    let refusing = Refusing::start();
    let source = EventSource::get(refusing.url());
    // An iterator blocks, which a thread of a runtime must not.
    let items = thread::spawn(move || Events::new(source).expect("a runtime").collect::<Vec<_>>());
    let items = items.join().expect("no panic");
    let [Err(error)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!(error.kind(), ErrorKind::NoResponse);
}

#[test]
fn smol_runs_it() {
    let (_runtime, server) = server();
    let source = EventSource::get(server.url()).retry(support::eager());
    let (data, finished) = smol::block_on(collect(source)).expect("no error");
    assert_eq!(data, support::one_to_nine());
    assert_eq!(finished, Finished::NoContent);
}
