//! Hooks run anywhere: every way to write one compiles in an `async fn`, and that function can be spawned, and be
//! called by an axum handler. (What does not compile, and what rustc says to it: the package `messages`.)
#![cfg(feature = "testing")]

use std::convert::Infallible;
use std::ops::ControlFlow;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use fetch_event_source::testing::{Reply, ScriptedServer};
use fetch_event_source::{
    BoxError, Error, Event, EventSource, EventStream, Finished, HookResult, JsonStream, Next,
    ResponseHead, RetryPolicy, Signal, Signals,
};
use tokio::sync::mpsc::{Sender, channel};

/// Two events and a clean end.
fn source() -> EventSource<'static> {
    let events = ["a", "b"].map(Event::new);
    let server = ScriptedServer::new([Reply::ok().events(events)]);
    EventSource::connect_with(server.connect())
}

/// Somebody's own type, whose methods a hook calls.
#[derive(Default)]
struct Reader {
    seen: String,
}

impl Reader {
    fn keep(&mut self, event: &Event) {
        self.seen.push_str(event.data());
    }

    async fn look(&self, event: &Event, sender: &Sender<String>) {
        let seen = format!("{}{}", self.seen, event.data());
        sender.send(seen).await.expect("a receiver");
    }
}

/// What a function says that has no use for the end.
fn nothing(result: Result<Finished, Error>) {
    assert_eq!(result.expect("no error"), Finished::Ended);
}

/// What `?` and `Ok` make of it.
fn question<E: From<Error>>(result: Result<Finished, Error>) -> Result<Finished, E> {
    Ok(result?)
}

/// For each thing that a hook may return, and what a function returns that has such a hook: each way to write it.
macro_rules! hooks {
    ($($name:ident: $value:expr, $Out:ty, $end:expr;)+) => {$(
        mod $name {
            use super::*;

            async fn owns(source: EventSource<'static>) -> $Out {
                let (prefix, mut lines) = (String::from("> "), Vec::new());
                let hook = move |event: Event| {
                    lines.push(format!("{prefix}{}", event.data()));
                    assert!(lines.len() <= 2);
                    $value
                };
                $end(source.on_message(hook).run().await)
            }

            async fn owns_in_a_future(source: EventSource<'static>) -> $Out {
                let (sender, mut receiver) = channel(2);
                let hook = move |event: Event| {
                    let sender = sender.clone();
                    async move {
                        sender.send(event.into_data()).await.expect("a receiver");
                        $value
                    }
                };
                let result = source.on_message(hook).run().await;
                assert_eq!(receiver.recv().await.expect("it was sent"), "a");
                $end(result)
            }

            async fn borrows_by_mut(source: EventSource<'_>) -> $Out {
                let mut answer = String::new();
                let hook = |event: Event| {
                    answer.push_str(event.data());
                    $value
                };
                let result = source.on_message(hook).run().await;
                assert_eq!(answer, "ab");
                $end(result)
            }

            async fn borrows(source: EventSource<'_>, sender: &Sender<String>) -> $Out {
                let hook = async |event: Event| {
                    sender.send(event.into_data()).await.expect("a receiver");
                    $value
                };
                $end(source.on_message(hook).run().await)
            }

            impl Reader {
                async fn $name(&self, source: EventSource<'_>, sender: &Sender<String>) -> $Out {
                    let hook = async |event: Event| {
                        self.look(&event, sender).await;
                        $value
                    };
                    $end(source.on_message(hook).run().await)
                }
            }

            /// A trait, because other methods have the same names.
            trait ByMut {
                fn follow(&mut self, source: EventSource<'_>) -> impl Future<Output = $Out> + Send;
            }

            impl ByMut for Reader {
                async fn follow(&mut self, source: EventSource<'_>) -> $Out {
                    let hook = |event: Event| {
                        self.keep(&event);
                        $value
                    };
                    $end(source.on_message(hook).run().await)
                }
            }

            #[tokio::test]
            async fn is_spawned() {
                let _ = tokio::spawn(owns(source())).await.expect("no panic");
                let _ = tokio::spawn(owns_in_a_future(source())).await.expect("no panic");
                let _ = tokio::spawn(borrows_by_mut(source())).await.expect("no panic");
                let (sender, mut receiver) = channel(4);
                let borrowing = async move {
                    let _ = borrows(source(), &sender).await;
                    let _ = Reader::default().$name(source(), &sender).await;
                };
                tokio::spawn(borrowing).await.expect("no panic");
                for sent in ["a", "b", "a", "b"] {
                    assert_eq!(receiver.recv().await.expect("it was sent"), sent);
                }
                let by_mut = async {
                    let mut reader = Reader::default();
                    let _ = reader.follow(source()).await;
                    reader.seen
                };
                assert_eq!(tokio::spawn(by_mut).await.expect("no panic"), "ab");
            }
        }
    )+};
}

hooks! {
    unit: (), (), nothing;
    flow: ControlFlow::<()>::Continue(()), (), nothing;
    boxed: Ok::<(), BoxError>(()), Result<Finished, BoxError>, question;
    boxed_flow: HookResult::Ok(ControlFlow::<()>::Continue(())), HookResult<Finished>, question;
    of_anyhow: anyhow::Ok(()), anyhow::Result<Finished>, question;
    error: Ok::<(), Error>(()), Result<Finished, Error>, question;
    infallible: Ok::<(), Infallible>(()), Result<Finished, Error>, question;
}

/// The other hooks, in all forms, and `?` in each.
async fn all_hooks(source: EventSource<'_>, log: &Sender<String>) -> HookResult<Vec<String>> {
    let mut seen = Vec::new();
    source
        .on_open(async |response: ResponseHead| -> HookResult {
            Ok(log.send(response.status().to_string()).await?)
        })
        .on_message(|event| -> HookResult {
            seen.push(event.into_data().parse()?);
            Ok(())
        })
        .on_error(async |failure| {
            log.send(failure.error().to_string()).await?;
            Ok::<_, BoxError>(failure.follow_policy())
        })
        .on_close(|end| match end.retries() {
            0 => end.reconnect(),
            _ => end.finish(),
        })
        .run()
        .await?;
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn all_hooks_of_a_source_are_spawned() {
    let replies = [
        Reply::ok().event(Event::new("1")),
        Reply::status(503),
        Reply::no_content(),
    ];
    let server = ScriptedServer::new(replies);
    let source = EventSource::connect_with(server.connect()).idempotent(true);
    let (sender, mut receiver) = channel(4);
    let spawned = tokio::spawn(async move { all_hooks(source, &sender).await });
    let seen = spawned.await.expect("no panic").expect("no error");
    assert_eq!(seen, ["1"]);
    assert_eq!(receiver.recv().await.as_deref(), Some("200 OK"));
    assert!(
        receiver
            .recv()
            .await
            .is_some_and(|line| line.starts_with("status 503"))
    );
}

/// A hook that never comes back has a type, too.
#[test]
fn hooks_may_be_todo() {
    #[allow(clippy::todo)]
    fn later(source: EventSource<'_>) -> EventSource<'_> {
        source
            .on_open(|_| todo!())
            .on_message(async |_| todo!())
            .on_error(|_| todo!())
            .on_close(async |_| unreachable!())
    }
    drop(later(source()));
}

/// A handler of axum's, with a hook that borrows and a `?`.
async fn handler(State(server): State<ScriptedServer>) -> Result<String, String> {
    let mut answer = String::new();
    EventSource::connect_with(server.connect())
        .on_message(|event| answer.push_str(event.data()))
        .run()
        .await
        .map_err(|error| error.to_string())?;
    Ok(answer)
}

#[tokio::test]
async fn an_axum_handler_runs_hooks() {
    let events = ["a", "b"].map(Event::new);
    let server = ScriptedServer::new([Reply::ok().events(events)]);
    let _: Router = Router::new()
        .route("/", get(handler))
        .with_state(server.clone());
    let answered = tokio::spawn(handler(State(server)))
        .await
        .expect("no panic");
    assert_eq!(answered.as_deref(), Ok("ab"));
}

/// Hooks over ours, as an SDK has them.
trait Typed<'h>: Sized {
    fn on_number(self, hook: impl FnMut(i32) + Send + 'h) -> Self;
}

impl<'h> Typed<'h> for EventSource<'h> {
    fn on_number(self, mut hook: impl FnMut(i32) + Send + 'h) -> Self {
        self.on_message(move |event| -> HookResult {
            hook(event.data().parse()?);
            Ok(())
        })
    }
}

#[tokio::test]
async fn an_sdk_writes_typed_hooks() {
    let server = ScriptedServer::new([Reply::ok().events(["1", "2"].map(Event::new))]);
    let source = EventSource::connect_with(server.connect());
    let sum = tokio::spawn(async move {
        let mut sum = 0;
        source
            .on_number(|number| sum += number)
            .run()
            .await
            .map(|_| sum)
    });
    assert_eq!(sum.await.expect("no panic").expect("no error"), 3);
}

/// A source is covariant in what its hooks borrow: a source that borrows nothing can be passed to a function that sets a hook
/// that does.
#[tokio::test(start_paused = true)]
async fn a_function_that_borrows_accepts_any_source() {
    fn shorter<'a>(source: EventSource<'static>) -> EventSource<'a> {
        source
    }
    async fn follow(source: EventSource<'_>, seen: &mut Vec<String>) -> Result<Finished, Error> {
        source
            .on_message(|event| seen.push(event.into_data()))
            .run()
            .await
    }
    let spawned = tokio::spawn(async {
        let mut seen = Vec::new();
        let finished = follow(shorter(source()), &mut seen).await;
        finished.map(|finished| (seen, finished))
    });
    let (seen, finished) = spawned.await.expect("no panic").expect("no error");
    assert_eq!(
        (seen, finished),
        (vec!["a".into(), "b".into()], Finished::Ended)
    );
}

/// A struct that holds any of these has async methods by `&self`.
#[test]
fn futures_and_streams_are_send_sync_and_unpin() {
    fn is<T: Send + Sync + Unpin>() {}
    fn all<T: Send + Sync + Unpin>(_: T) {}
    is::<EventSource<'_>>();
    is::<EventStream>();
    is::<Signals>();
    is::<Next<'_, EventStream>>();
    is::<Next<'_, Signals>>();
    is::<JsonStream<EventStream, String>>();
    let borrowed = String::new();
    let hook = async |_: Event| assert!(!borrowed.is_empty());
    all(source().on_message(hook).run());
    all(source().open());
}

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

fn subscription(server: &ScriptedServer) -> EventSource<'static> {
    EventSource::connect_with(server.connect())
        .idempotent(true)
        .retry(RetryPolicy::persistent().jitter(0.0))
}

#[tokio::test(start_paused = true)]
async fn a_spawned_hook_misses_nothing() {
    let server = server();
    let source = subscription(&server);
    let spawned = tokio::spawn(async move {
        let mut seen = Vec::new();
        let hook = |event: Event| seen.push(event.into_data());
        let finished = source.on_message(hook).run().await;
        finished.map(|finished| (seen, finished))
    });
    let (seen, finished) = spawned.await.expect("no panic").expect("no error");
    assert_eq!(seen, ["1", "2", "3"]);
    assert_eq!(finished, Finished::NoContent);
    let ids = server.requests();
    let ids: Vec<_> = ids.iter().map(|request| request.last_event_id()).collect();
    assert_eq!(ids, [None, Some("b"), Some("b"), Some("c")]);
}

#[tokio::test(start_paused = true)]
async fn streams_signals_and_open_miss_nothing() {
    let mut data = Vec::new();
    let mut events = subscription(&server()).stream();
    while let Some(event) = events.next().await {
        data.push(event.expect("no error").into_data());
    }
    assert_eq!(data, ["1", "2", "3"]);
    assert_eq!(events.finished(), Some(&Finished::NoContent));

    let mut data = Vec::new();
    let mut signals = subscription(&server()).signals();
    while let Some(signal) = signals.next().await {
        if let Signal::Event(event) = signal.expect("no error") {
            data.push(event.into_data());
        }
    }
    assert_eq!(data, ["1", "2", "3"]);

    let (head, mut events) = subscription(&server()).open().await.expect("it opens");
    assert_eq!(head.status(), 200);
    let event = events.next().await.expect("an event").expect("no error");
    assert_eq!(event.data(), "1");
}
