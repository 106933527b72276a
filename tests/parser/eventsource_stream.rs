//! Where eventsource-stream's stream of events is expected, ours can stand.

#![cfg(feature = "eventsource-stream")]

use eventsource_stream::{Event, EventStreamError, Eventsource};
use fetch_event_source::events;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};

/// Somebody else's function, made for their stream.
fn read<E>(
    events: impl Stream<Item = Result<Event, EventStreamError<E>>>,
) -> (Vec<Event>, Option<EventStreamError<E>>) {
    let read = async {
        let mut events = std::pin::pin!(events);
        let mut read = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => read.push(event),
                Err(error) => return (read, Some(error)),
            }
        }
        (read, None)
    };
    read.now_or_never().expect("nothing to wait for")
}

fn chunks<'a>(
    chunks: &'a [&'a str],
    error: Option<&'static str>,
) -> impl Stream<Item = Result<&'a str, &'static str>> + Clone {
    let chunks = chunks.iter().copied().map(Ok);
    stream::iter(chunks.chain(error.map(Err)))
}

/// On a body that their parser reads by the standard.
#[test]
fn the_same_events_come_from_both() {
    let body = [
        "id: 1\nevent: add\nda",
        "ta: a\ndata: b\n\n: ping\n\ndata: c\n\nid: 2\n\n",
        "data:d\n\ndata: e",
    ];
    let body = chunks(&body, None);
    let (theirs, _) = read(body.clone().eventsource());
    let (ours, error) = read(events(body).map_ok(Event::from).err_into());
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 3);
    assert_eq!(
        (&*ours[0].event, &*ours[0].data, &*ours[0].id),
        ("add", "a\nb", "1")
    );
    assert_eq!(
        (&*ours[2].event, &*ours[2].data, &*ours[2].id),
        ("message", "d", "2")
    );
    assert_eq!(error, None);
}

#[test]
fn the_sources_error_is_theirs_too() {
    let (read, error) = read(
        events(chunks(&["data: a\n\nda"], Some("cut")))
            .map_ok(Event::from)
            .err_into(),
    );
    assert_eq!(read.len(), 1);
    assert_eq!(error, Some(EventStreamError::Transport("cut")));
}

#[test]
fn an_event_that_is_too_large_is_a_parsers_error() {
    let events = events(chunks(&["data: a\n\ndata: 123456789\n\n"], None)).max_event_size(8);
    let (read, error) = read(events.map_ok(Event::from).err_into());
    assert_eq!(read.len(), 1);
    let error = error.expect("too large");
    assert!(matches!(error, EventStreamError::Parser(_)), "{error:?}");
    assert!(error.to_string().contains("8 bytes"), "{error}");
}

#[cfg(feature = "reqwest")]
mod client {
    use super::*;
    use fetch_event_source::{Error, EventSource, RetryPolicy};
    use reqwest::Response;

    fn answering(status: u16, body: &'static str) -> EventSource<'static> {
        EventSource::get("http://h/")
            .retry(RetryPolicy::never())
            .fetch(move |_| async move {
                let response = http::Response::builder()
                    .status(status)
                    .header("content-type", "text/event-stream")
                    .body(body)?;
                Ok(Response::from(response))
            })
    }

    #[test]
    fn a_source_can_stand_for_their_stream() {
        let events = answering(200, "id: 1\ndata: a\n\ndata: b\n\n").stream();
        let (read, error) = read(events.map_ok(Event::from).err_into());
        let read: Vec<_> = read
            .iter()
            .map(|event| (&*event.data, &*event.id))
            .collect();
        assert_eq!(read, [("a", "1"), ("b", "1")]);
        assert!(error.is_none());
    }

    #[test]
    fn its_error_is_the_transports() {
        let (read, error) = read(answering(404, "").stream().map_ok(Event::from).err_into());
        assert!(read.is_empty());
        let status = match error {
            Some(EventStreamError::Transport(error)) => error.status(),
            other => panic!("{other:?}"),
        };
        assert_eq!(status, Some(reqwest::StatusCode::NOT_FOUND));
    }

    #[test]
    fn except_an_event_that_is_too_large() {
        let events = answering(200, "data: 123456789\n\n")
            .max_event_size(8)
            .stream();
        let (_, error) = read(
            events
                .map_ok(Event::from)
                .err_into::<EventStreamError<Error>>(),
        );
        assert!(
            matches!(error, Some(EventStreamError::Parser(_))),
            "{error:?}"
        );
    }
}
