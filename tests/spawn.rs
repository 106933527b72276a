//! Every way to write a hook can be spawned.
#![cfg(feature = "testing")]
#![allow(clippy::unused_unit)]

use std::ops::ControlFlow;
use std::time::Duration;

use fetch_event_source::testing::{Reply, ScriptedServer};
use fetch_event_source::{
    BoxError, Error, Event, EventSource, Finished, HookResult, RetryPolicy, Signal,
};

fn server() -> ScriptedServer {
    ScriptedServer::new([
        Reply::ok()
            .event(Event::new("1").with_last_event_id("a"))
            .event(Event::new("2").with_last_event_id("b"))
            .bytes("id: c\ndata: to")
            .cut(),
        Reply::status(503),
        Reply::ok().event(Event::new("3").with_last_event_id("c")),
        Reply::no_content(),
    ])
}

fn source(server: &ScriptedServer) -> EventSource<'static> {
    EventSource::connect_with(server.connect())
        .idempotent(true)
        .retry(RetryPolicy::persistent().jitter(0.0))
}

async fn follow(source: EventSource<'_>, seen: &mut Vec<String>) -> Result<Finished, Error> {
    source
        .on_message(|event| seen.push(event.into_data()))
        .run()
        .await
}

#[tokio::test(start_paused = true)]
async fn a_plain_closure_may_borrow() {
    let server = server();
    let source = source(&server);
    let spawned = tokio::spawn(async move {
        let mut seen = Vec::new();
        let finished = follow(source, &mut seen).await.unwrap();
        (seen, finished)
    });
    let (seen, finished) = spawned.await.unwrap();
    assert_eq!(seen, ["1", "2", "3"]);
    assert_eq!(finished, Finished::NoContent);
    let ids: Vec<_> = server
        .requests()
        .iter()
        .map(|r| r.last_event_id().map(str::to_owned))
        .collect();
    assert_eq!(
        ids,
        [None, Some("b".into()), Some("b".into()), Some("c".into())]
    );
    let times: Vec<_> = server.requests().iter().map(|r| r.at()).collect();
    println!("{times:?}");
}

#[tokio::test(start_paused = true)]
async fn stream_and_signals() {
    let server = server();
    let mut events = source(&server).stream();
    let mut data = vec![];
    while let Some(event) = events.next().await {
        data.push(event.unwrap().into_data());
    }
    assert_eq!(data, ["1", "2", "3"]);
    assert_eq!(events.finished(), Some(&Finished::NoContent));
    let mut signals = source(&self::server())
        .on_error(|f| f.retry_after(Duration::from_secs(9)))
        .signals();
    while let Some(signal) = signals.next().await {
        println!("{:?}", signal.unwrap());
    }
    let (head, mut events) = source(&self::server()).open().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
}
