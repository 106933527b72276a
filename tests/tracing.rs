//! Logs by `tracing`: the spans, events and fields that the crate's documentation lists, in their order, and none for single
//! events. (log.rs checks that they hold no secret.)

mod client;
mod support;

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use client::{in_memory, ms, next_data, secs};
use fetch_event_source::{BoxError, EventSource, EventStream, RetryPolicy, reqwest};
use futures_util::{StreamExt, stream};
use support::{MemoryServer, Reply};
use tracing::{
    Event, Instrument, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    span,
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::{LookupSpan, Registry},
};

/// Writes down all of ours, as lines.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn add(&self, line: String) {
        self.0.lock().expect("no panic").push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    /// What the future tells on its way.
    async fn listen<T>(&self, future: impl Future<Output = T>) -> T {
        let subscriber = Registry::default().with(self.clone());
        future.with_subscriber(subscriber).await
    }
}

/// A span's fields, as they stand.
struct Fields(String);

/// Fields, one after the other; the message by itself.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        }
        .expect("a string takes all");
    }
}

fn is_ours(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target().starts_with("fetch_event_source")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut line = Line::default();
        attrs.record(&mut line);
        let span = context.span(id).expect("it is new");
        if is_ours(attrs.metadata()) {
            let level = attrs.metadata().level();
            self.add(format!(
                "{level} {}{{{} }}",
                attrs.metadata().name(),
                line.fields
            ));
        }
        span.extensions_mut().insert(Fields(line.fields));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut line = Line::default();
        values.record(&mut line);
        let span = context.span(id).expect("it is there");
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            fields.0.push_str(&line.fields);
        };
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !is_ours(event.metadata()) {
            return;
        }
        assert_eq!(event.metadata().target(), "fetch_event_source");
        let mut line = Line::default();
        event.record(&mut line);
        let span = context.event_span(event);
        let within = span.map_or("-", |span| span.name());
        let level = event.metadata().level();
        self.add(format!("{level} {within}: {}{}", line.message, line.fields));
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("it is there");
        if is_ours(span.metadata()) {
            let extensions = span.extensions();
            let fields = &extensions.get::<Fields>().expect("they were put there").0;
            self.add(format!("/{}{{{fields} }}", span.name()));
        }
    }
}

/// What a source tells until its end.
async fn reported(source: EventSource<'static>) -> Vec<String> {
    let recorder = Recorder::default();
    let items = source.stream().for_each(async |_| ());
    recorder.listen(items).await;
    recorder.lines()
}

#[tokio::test(start_paused = true)]
async fn attempts_are_spans_and_their_ends_and_retries_events() {
    let server = MemoryServer::script([
        Reply::status(503, ""),
        Reply::ok("id: 7\ndata: a\n\ndata: b\n\n").fin(),
        Reply::status(404, ""),
    ]);
    let policy = RetryPolicy::persistent().jitter(0.0);
    assert_eq!(
        reported(in_memory(&server).retry(policy)).await,
        [
            "DEBUG attempt{ attempt=1 }",
            "DEBUG attempt: requesting attempt=1",
            "DEBUG attempt: ended attempt=1 reason=\"status\" status=503",
            "/attempt{ attempt=1 method=\"GET\" host=\"memory.test\" resumes=false status=503 }",
            "INFO -: retrying attempt=1 reason=\"status\" status=503 delay_ms=1000 retries=1",
            "DEBUG attempt{ attempt=2 }",
            "DEBUG attempt: requesting attempt=2",
            "DEBUG attempt: open attempt=2 status=200",
            "DEBUG attempt: ended attempt=2 reason=\"clean_end\"",
            "/attempt{ attempt=2 method=\"GET\" host=\"memory.test\" resumes=false status=200 }",
            "INFO -: retrying attempt=2 reason=\"clean_end\" delay_ms=1000 retries=1",
            "DEBUG attempt{ attempt=3 }",
            "DEBUG attempt: requesting attempt=3",
            "DEBUG attempt: ended attempt=3 reason=\"status\" status=404",
            "/attempt{ attempt=3 method=\"GET\" host=\"memory.test\" resumes=true status=404 }",
            "WARN -: over attempt=3 reason=\"status\" status=404",
        ]
    );
}

/// The logs of a source about the end of its only attempt, and about its own end.
async fn end_of(
    reply: Reply,
    options: impl FnOnce(EventSource<'static>) -> EventSource<'static>,
) -> Vec<String> {
    let server = MemoryServer::script([reply]);
    let mut lines = reported(options(in_memory(&server).retry(RetryPolicy::never()))).await;
    lines.retain(|line| line.contains(": ended") || line.contains(": over"));
    lines
}

#[tokio::test(start_paused = true)]
async fn a_successful_last_attempt_logs_no_end() {
    assert_eq!(
        end_of(Reply::no_content(), |source| source).await,
        ["DEBUG attempt: over attempt=1 finished=\"no_content\""]
    );
    assert_eq!(
        end_of(Reply::ok("data: a\n\n"), |source| source.until(|_| true)).await,
        ["DEBUG attempt: over attempt=1 finished=\"end_marker\""]
    );
}

#[tokio::test(start_paused = true)]
async fn each_end_has_its_name() {
    let failed = |reason: &str| {
        [
            format!("DEBUG attempt: ended attempt=1 reason={reason}"),
            format!("WARN -: over attempt=1 reason={reason}"),
        ]
    };
    assert_eq!(
        end_of(Reply::ok("").fin(), |source| source.until(|_| true)).await,
        failed("\"incomplete\"")
    );
    assert_eq!(
        end_of(Reply::empty(), |source| source.response_timeout(secs(1))).await,
        failed("\"response_timeout\"")
    );
    assert_eq!(
        end_of(Reply::ok(""), |source| source.idle_timeout(secs(1))).await,
        failed("\"idle_timeout\"")
    );
    assert_eq!(
        end_of(Reply::ok(""), |source| source.event_timeout(secs(1))).await,
        failed("\"event_timeout\"")
    );
    assert_eq!(
        end_of(Reply::ok("data: 123456789\n\n"), |source| {
            source.max_event_size(4)
        })
        .await,
        failed("\"event_too_large\"")
    );
    assert_eq!(
        end_of(Reply::ok(""), |source| source
            .validate(|_| Err("no".into())))
        .await,
        failed("\"validate\"")
    );
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        end_of(Reply::raw(page), |source| source).await,
        failed("\"content_type\" status=200")
    );
    assert_eq!(
        end_of(Reply::empty().fin(), |source| source).await,
        failed("\"no_response\"")
    );
    assert_eq!(
        end_of(Reply::ok("").fin(), |source| source).await,
        [
            "DEBUG attempt: ended attempt=1 reason=\"clean_end\"",
            "DEBUG -: over attempt=1 finished=\"ended\"",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_on_error_is_logged() {
    let refused = || Reply::status(404, "");
    let ended = "DEBUG attempt: ended attempt=1 reason=\"status\" status=404";
    assert_eq!(
        end_of(refused(), |source| source
            .on_error(|failure| failure.stop()))
        .await,
        [ended, "DEBUG -: over attempt=1 finished=\"stopped\""]
    );
    let fail =
        |source: EventSource<'static>| source.on_error(|_| Err::<(), _>(BoxError::from("no")));
    assert_eq!(
        end_of(refused(), fail).await,
        [ended, "WARN -: over attempt=1 reason=\"hook\""]
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_attempt_there_is_no_number() {
    assert_eq!(
        end_of(Reply::no_content(), |source| source.last_event_id("\n")).await,
        ["WARN -: over reason=\"invalid_last_event_id\""]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_hook_is_logged() {
    let span = "/attempt{ attempt=1 method=\"GET\" host=\"memory.test\" resumes=false status=200 }";
    let stopped = ["DEBUG attempt: over attempt=1 finished=\"stopped\"", span];
    let failed = [
        "DEBUG attempt: ended attempt=1 reason=\"hook\"",
        span,
        "WARN -: over attempt=1 reason=\"hook\"",
    ];
    for (breaks, end) in [(true, &stopped[..]), (false, &failed)] {
        let recorder = Recorder::default();
        let server = MemoryServer::script([Reply::ok("data: a\n\n")]);
        let run = in_memory(&server)
            .on_message(async |_| match breaks {
                true => Ok(std::ops::ControlFlow::Break(())),
                false => Err(BoxError::from("no")),
            })
            .run();
        let result = recorder.listen(run).await;
        assert_eq!(result.is_ok(), breaks);
        let lines = recorder.lines();
        assert_eq!(lines[lines.len() - end.len()..], *end);
    }
}

#[tokio::test(start_paused = true)]
async fn the_name_is_in_all_logs() {
    let server = MemoryServer::script([
        Reply::status(503, ""),
        Reply::ok("error: no\nid: \u{1}\ndata: a\n\n").fin(),
        Reply::status(404, ""),
    ]);
    let policy = RetryPolicy::persistent().jitter(0.0);
    let lines = reported(in_memory(&server).retry(policy).name("prices")).await;
    assert!(lines.len() > 12, "{lines:?}");
    for line in lines {
        assert!(line.contains(" source=\"prices\""), "{line}");
    }
}

/// How many there were, and not what they said.
#[tokio::test(start_paused = true)]
async fn ignored_lines_are_one_warning_a_connection() {
    let body = "error: secret\nfoo\ndata: a\n\nerror: secret\n\n";
    let server = MemoryServer::script([Reply::ok(body).fin(), Reply::ok("data: a\n\n").fin()]);
    let mut lines = reported(in_memory(&server)).await;
    lines.retain(|line| line.starts_with("WARN"));
    assert_eq!(
        lines,
        ["WARN attempt: ignored lines of unknown fields attempt=1 lines=3"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_of_a_handle_is_logged_and_ends_the_span() {
    let server = MemoryServer::script([
        Reply::ok("data: a\n\n"),
        Reply::ok("data: b\n\n"),
        Reply::ok("data: c\n\n"),
    ]);
    let mut events = in_memory(&server).stream();
    let recorder = Recorder::default();
    let wait = async |events: &mut EventStream| {
        let quiet = tokio::time::timeout(secs(1), events.next()).await;
        quiet.expect_err("no event");
    };
    let script = async {
        let handle = events.handle();
        next_data(&mut events).await;
        handle.reconnect();
        next_data(&mut events).await;
        handle.pause();
        wait(&mut events).await;
        handle.resume();
        next_data(&mut events).await;
        handle.close();
        assert!(events.next().await.is_none());
    };
    recorder.listen(script).await;
    let mut lines = recorder.lines();
    lines.retain(|line| !line.contains("requesting") && !line.starts_with("DEBUG attempt{"));
    assert_eq!(
        lines,
        [
            "DEBUG attempt: open attempt=1 status=200",
            "DEBUG attempt: steered attempt=1 by=\"reconnect\"",
            "/attempt{ attempt=1 method=\"GET\" host=\"memory.test\" resumes=false status=200 }",
            "DEBUG attempt: open attempt=2 status=200",
            "DEBUG attempt: steered attempt=2 by=\"pause\"",
            "/attempt{ attempt=2 method=\"GET\" host=\"memory.test\" resumes=false status=200 }",
            "DEBUG -: steered attempt=2 by=\"resume\"",
            "DEBUG attempt: open attempt=3 status=200",
            "DEBUG attempt: over attempt=3 finished=\"aborted\"",
            "/attempt{ attempt=3 method=\"GET\" host=\"memory.test\" resumes=false status=200 }",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_that_cannot_be_sent_is_a_warning() {
    let server = MemoryServer::script([Reply::ok("id: \u{1}\ndata: a\n\n").fin()]);
    let lines = reported(in_memory(&server)).await;
    let warnings: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    assert_eq!(
        warnings,
        [
            "WARN attempt: the last event ID cannot be carried by a header: sent without it attempt=2"
        ]
    );
}

/// However many events and chunks there are: the lines are about the attempt.
#[tokio::test]
async fn single_events_are_not_logged() {
    let source = |chunks: usize| {
        let source = EventSource::get("http://host/").fetch(move |_| async move {
            let chunk = ": c\nid: 1\nevent: e\ndata: x\nretry: 1\n\n".repeat(10);
            let chunks = (0..chunks).map(move |_| Ok::<_, BoxError>(chunk.clone()));
            let body = reqwest::Body::wrap_stream(stream::iter(chunks));
            let response = http::Response::builder().header("content-type", "text/event-stream");
            Ok(response.body(body)?.into())
        });
        source.retry(RetryPolicy::never())
    };
    let few = reported(source(1)).await;
    assert_eq!(few.len(), 6, "{few:?}");
    assert_eq!(few, reported(source(500)).await);
}

/// What works on the connection tells of it within the attempt, and the attempt within what polls it; hooks do not
/// run within the attempt.
#[tokio::test(start_paused = true)]
async fn spans_nest_as_the_work_does() {
    let recorder = Recorder::default();
    let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
    let tell = |what: &str| tracing::info!(target: "fetch_event_source", "{what}");
    let fetch = server.fetch();
    let client = reqwest::Client::new();
    let url = server.url("/");
    let source = EventSource::from_fn(move |_| {
        let request = client.get(&url);
        async move {
            tokio::time::sleep(ms(1)).await;
            tell("asked");
            Ok(request)
        }
    });
    let run = source
        .retry(RetryPolicy::never())
        .fetch(move |request| {
            let response = fetch(request);
            async move {
                tokio::time::sleep(ms(1)).await;
                tell("fetched");
                response.await
            }
        })
        .on_message(async |_| {
            tokio::time::sleep(ms(1)).await;
            tell("handled");
        })
        .run();
    let job = async { run.instrument(tracing::info_span!("job")).await };
    recorder.listen(job).await.expect("no error");
    let mut lines = recorder.lines();
    lines.retain(|line| line.starts_with("INFO"));
    assert_eq!(
        lines,
        [
            "INFO attempt: asked",
            "INFO attempt: fetched",
            "INFO job: handled"
        ]
    );
}
