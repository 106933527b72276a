//! Events read as JSON: one by one, by their type, and as a stream.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::io;

use fetch_event_source::{Event, JsonError, JsonStream, JsonStreamError, JsonStreamExt, events};
use futures_util::stream::FusedStream;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn event(event_type: &str, data: &str) -> Event {
    Event::new(data).with_type(event_type)
}

fn cause(error: &JsonError) -> String {
    error.source().unwrap().to_string()
}

mod the_data {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Answer {
        #[allow(dead_code)]
        choices: Vec<BTreeMap<String, u8>>,
    }

    fn fault<T: DeserializeOwned>(data: &str) -> JsonError {
        let event = event("delta", data).with_last_event_id("7");
        event.json::<T>().err().unwrap()
    }

    #[test]
    fn its_error_says_path_type_and_id_and_has_serdes_as_its_source() {
        let error = fault::<Answer>(r#"{"choices": [{}, {"text": "secret"}]}"#);
        assert_eq!(error.path(), "choices[1].text");
        assert_eq!(error.event_type(), "delta");
        assert_eq!(error.last_event_id(), "7");
        assert!(!error.is_unknown_type());
        assert_eq!(
            error.to_string(),
            r#"event "delta" with ID "7": its data is not the expected JSON, at "choices[1].text""#
        );
        let source = error.source().unwrap();
        let source: &serde_json::Error = source.downcast_ref().unwrap();
        assert!(source.is_data());
        assert_eq!((source.line(), source.column()), (1, 34));
    }

    #[test]
    fn without_a_path_and_an_id_its_error_says_so() {
        let error = Event::new("[DONE]").json::<Value>().unwrap_err();
        assert_eq!(error.path(), "[0]"); // the D, which is not JSON
        let error = Event::new("").json::<Value>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"event "message" without an ID: its data is not the expected JSON"#
        );
        assert!(cause(&error).starts_with("EOF while parsing"));
    }

    /// Nothing of `T` is wrong then.
    #[test]
    fn text_after_the_value_is_an_error_without_a_path() {
        let error = fault::<BTreeMap<String, u8>>(r#"{"a": 1} {"a": 2}"#);
        assert_eq!(error.path(), "");
        assert!(cause(&error).starts_with("trailing characters"));
    }

    #[test]
    fn it_goes_where_boxed_errors_go() {
        fn read(event: &Event) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
            Ok(event.json::<u8>()?)
        }
        let error = read(&Event::new("x")).unwrap_err();
        assert!(error.downcast_ref::<JsonError>().is_some());
    }

    #[test]
    fn a_value_may_borrow_from_its_event() {
        #[derive(Deserialize)]
        struct Delta<'a> {
            role: &'a str,
            #[serde(borrow)]
            text: Cow<'a, str>,
        }
        let event = Event::new(r#"{"role": "assistant", "text": "a\nb"}"#);
        let delta: Delta<'_> = event.json().unwrap();
        assert_eq!((delta.role, &*delta.text), ("assistant", "a\nb"));
        assert!(
            event
                .data()
                .as_bytes()
                .as_ptr_range()
                .contains(&delta.role.as_ptr())
        );
    }

    /// Neither the value, however long it is, nor the key, the type or the ID fill a log, and none
    /// of them begins a new line in it.
    #[test]
    fn server_text_is_shown_in_one_short_line() {
        let long = "\n\u{1b}[2Jx".repeat(100_000);
        let data = serde_json::to_string(&json!({ &long: &long })).unwrap();
        let end = format!("… at line 1 column {}", data.len() - 1);
        let event = Event::new(data).with_type(&long).with_last_event_id(&long);
        let error = event.json::<BTreeMap<String, u8>>().unwrap_err();
        assert_eq!(error.event_type(), long, "whole, for those who ask");
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            cause(&error),
            format!("{:?}", error.source().unwrap()),
        ] {
            assert!(shown.len() < 2500, "{} bytes: {shown}", shown.len());
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        assert!(cause(&error).ends_with(&end), "{}", cause(&error));
        assert!(error.path().len() <= 128 + '…'.len_utf8());
    }

    /// serde puts the names of variants and fields in its words as they are.
    #[test]
    fn a_name_cannot_begin_a_new_line_in_the_cause() {
        #[derive(Debug, Deserialize)]
        enum Only {
            A,
        }
        let error = fault::<Only>(r#""B\nERROR: all is lost""#);
        assert!(cause(&error).starts_with("unknown variant `B\u{fffd}ERROR"));
        assert!(matches!(Event::new(r#""A""#).json(), Ok(Only::A)));
    }

    #[test]
    fn debug_shows_no_data_but_what_the_cause_quotes() {
        let error = fault::<BTreeMap<String, u8>>(r#"{"a": 1, "token": "hunter2", "b": true}"#);
        let shown = format!("{error:?}");
        assert!(
            shown.contains("hunter2") && !shown.contains("true"),
            "{shown}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn an_enum_with_a_tag_in_its_data_is_read_by_it_whatever_the_type() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Message {
            Delta {
                text: String,
            },
            #[serde(other)]
            Other,
        }
        let delta = event("whatever", r#"{"type": "delta", "text": "a"}"#);
        let expected = Message::Delta { text: "a".into() };
        assert_eq!(delta.json::<Message>().unwrap(), expected);
        let ping = event("delta", r#"{"type": "ping", "n": 1}"#);
        assert_eq!(ping.json::<Message>().unwrap(), Message::Other);
    }
}

mod typed {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Update {
        Price(Price),
        Alert {
            level: u8,
            #[serde(default)]
            text: Option<String>,
        },
        Range(f64, f64),
        #[serde(rename = "volume.v2", alias = "volume")]
        Volume(u64),
        Count(Option<u8>),
        Side(Side),
        Message(Value),
        KeepAlive,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Price {
        bids: Vec<f64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Side {
        Buy,
        Sell { size: u8 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Lenient {
        Price(f64),
        #[serde(other)]
        Other,
    }

    fn read(event_type: &str, data: &str) -> Result<Update, JsonError> {
        event(event_type, data).typed()
    }

    #[test]
    fn the_type_names_the_variant_and_the_data_is_its_content() {
        for (event_type, data, expected) in [
            (
                "price",
                r#"{"bids": [1.5]}"#,
                Update::Price(Price { bids: vec![1.5] }),
            ),
            (
                "price",
                r#" {"bids": [], "type": "price"} "#,
                Update::Price(Price { bids: vec![] }),
            ),
            (
                "alert",
                r#"{"level": 3}"#,
                Update::Alert {
                    level: 3,
                    text: None,
                },
            ),
            (
                "alert",
                "[4, null]",
                Update::Alert {
                    level: 4,
                    text: None,
                },
            ),
            ("range", "[1, 2]", Update::Range(1.0, 2.0)),
            ("volume.v2", "7", Update::Volume(7)),
            ("volume", "8", Update::Volume(8)),
            ("count", "null", Update::Count(None)),
            ("count", "1", Update::Count(Some(1))),
            ("side", r#""Buy""#, Update::Side(Side::Buy)),
            (
                "side",
                r#"{"Sell": {"size": 2}}"#,
                Update::Side(Side::Sell { size: 2 }),
            ),
        ] {
            assert_eq!(
                read(event_type, data).unwrap(),
                expected,
                "{event_type}: {data}"
            );
        }
    }

    #[test]
    fn an_event_without_a_type_is_a_message() {
        let update = Event::new("[1]").typed::<Update>().unwrap();
        assert_eq!(update, Update::Message(json!([1])));
    }

    #[test]
    fn a_unit_variant_takes_any_data() {
        for data in ["", "null", "{}", r#"{"at": 1}"#, "no JSON at all", "["] {
            assert_eq!(
                read("keep_alive", data).unwrap(),
                Update::KeepAlive,
                "{data}"
            );
        }
    }

    #[test]
    fn other_takes_any_type_with_any_data() {
        for (event_type, data) in [
            ("ping", ""),
            ("", "{"),
            ("Price", "1"),
            ("o\u{1f680}", "{}"),
        ] {
            let read = event(event_type, data).typed::<Lenient>();
            assert_eq!(read.unwrap(), Lenient::Other, "{event_type}");
        }
        assert_eq!(
            event("price", "1").typed::<Lenient>().unwrap(),
            Lenient::Price(1.0)
        );
        // A known type is not let pass because of it.
        assert!(event("price", "{}").typed::<Lenient>().is_err());
    }

    #[test]
    fn an_unknown_type_is_an_error_that_names_it() {
        let event = event("trade", "{").with_last_event_id("7");
        let error = event.typed::<Update>().unwrap_err();
        assert!(error.is_unknown_type());
        assert_eq!((error.event_type(), error.path()), ("trade", ""));
        assert_eq!(
            error.to_string(),
            "event \"trade\" with ID \"7\": no variant for its type: add one, or one with \
             #[serde(other)]"
        );
        assert!(cause(&error).starts_with("unknown variant `trade`, expected one of `price`"));
    }

    #[test]
    fn a_type_in_any_script_is_shown_as_it_is() {
        let event = event("\u{938}\u{902}\u{926}", "{").with_last_event_id("cafe\u{301}");
        let shown = event.typed::<Update>().unwrap_err().to_string();
        let begins = "event \"\u{938}\u{902}\u{926}\" with ID \"cafe\u{301}\": ";
        assert!(shown.starts_with(begins), "{shown}");
    }

    #[test]
    fn a_tuple_variant_reads_an_array_and_no_object() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Limits {
            Range(f64, f64),
        }
        let read = |data| event("range", data).typed::<Limits>();
        assert_eq!(read("[1, 2]").unwrap(), Limits::Range(1.0, 2.0));
        let error = read(r#"{"a": 1}"#).unwrap_err();
        assert!(
            cause(&error).starts_with("invalid type: map, expected"),
            "{error:?}"
        );
    }

    #[test]
    fn an_error_within_the_data_has_its_path_there() {
        for (event_type, data, path) in [
            ("price", r#"{"bids": [1, "x"]}"#, "bids[1]"),
            ("price", "{}", ""),
            ("price", "", ""),
            ("alert", r#"{"level": 300}"#, "level"),
            ("range", "[1, true]", "[1]"),
            ("side", r#"{"Sell": {"size": -1}}"#, "Sell.size"),
            ("volume", "1 2", ""),
        ] {
            let error = read(event_type, data).unwrap_err();
            assert_eq!(error.path(), path, "{event_type}: {data}");
            assert!(!error.is_unknown_type(), "{event_type}: {data}");
            assert_eq!(error.event_type(), event_type);
        }
    }

    /// A variant that is named within the data is an error of the data.
    #[test]
    fn a_wrong_variant_in_the_data_is_not_an_unknown_type() {
        let error = read("side", r#""Hold""#).unwrap_err();
        assert!(!error.is_unknown_type());
        assert!(cause(&error).starts_with("unknown variant `Hold`"));
    }

    #[test]
    fn a_variant_may_borrow_from_its_event() {
        #[derive(Deserialize)]
        enum Borrowed<'a> {
            #[serde(borrow, rename = "text")]
            Text(&'a str),
        }
        let event = event("text", r#""abc""#);
        let Borrowed::Text(text) = event.typed().unwrap();
        assert!(
            event
                .data()
                .as_bytes()
                .as_ptr_range()
                .contains(&text.as_ptr())
        );
    }

    #[test]
    fn a_struct_around_an_enum_is_the_enum() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Around(Lenient);
        let around = event("price", "2").typed::<Around>().unwrap();
        assert_eq!(around, Around(Lenient::Price(2.0)));
        let boxed = event("price", "2").typed::<Box<Lenient>>().unwrap();
        assert_eq!(*boxed, Lenient::Price(2.0));
    }

    #[test]
    fn another_type_than_an_enum_gets_a_helpful_error() {
        #[derive(Debug, Deserialize)]
        #[serde(tag = "type")]
        enum Tagged {
            #[allow(dead_code)]
            A(Price),
        }
        #[derive(Debug, Deserialize)]
        #[serde(tag = "event", content = "data")]
        enum Adjacent {
            #[allow(dead_code)]
            A(Price),
        }
        #[derive(Debug, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            #[allow(dead_code)]
            A(Price),
        }
        fn words<T: DeserializeOwned>() -> String {
            let event = event("A", r#"{"bids": []}"#);
            cause(&event.typed::<T>().err().unwrap())
        }
        for words in [
            words::<Price>(),
            words::<Value>(),
            words::<Option<Update>>(),
            words::<Tagged>(),
            words::<Adjacent>(),
            words::<Untagged>(),
        ] {
            assert!(words.contains("take `json` for anything else"), "{words}");
        }
    }
}

mod a_stream {
    use super::*;

    type Source = Result<Event, io::Error>;

    fn of<const N: usize>(items: [Source; N]) -> stream::Iter<std::vec::IntoIter<Source>> {
        stream::iter(Vec::from(items))
    }

    fn data(data: &str) -> Source {
        Ok(Event::new(data).with_last_event_id("7"))
    }

    fn broken() -> Source {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Each item in a word or two, to the end and once more.
    fn all<S, T, E>(mut items: S) -> Vec<String>
    where
        S: Stream<Item = Result<T, JsonStreamError<E>>> + Unpin,
        T: std::fmt::Debug,
        E: std::fmt::Display,
    {
        let mut words = Vec::new();
        while let Some(item) = items.next().now_or_never().expect("all is there") {
            words.push(match item {
                Ok(value) => format!("{value:?}"),
                Err(JsonStreamError::Event(error)) => format!("event at {:?}", error.path()),
                Err(JsonStreamError::Stream(error)) => format!("stream: {error}"),
                Err(JsonStreamError::Incomplete) => "incomplete".into(),
                Err(_) => unreachable!("no other"),
            });
        }
        assert!(items.next().now_or_never().expect("ended").is_none());
        words
    }

    #[test]
    fn an_event_that_does_not_parse_is_an_item_and_not_the_end() {
        let values = of([data("1"), data("x"), data("{}"), data("2")]).json::<u8>();
        assert_eq!(all(values), ["1", "event at \"\"", "event at \"\"", "2"]);

        let mut values = of([data(r#"{"a": [1, -1]}"#)]).json::<BTreeMap<String, Vec<u8>>>();
        let error = values.next().now_or_never().unwrap().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"event "message" with ID "7": its data is not the expected JSON, at "a[1]""#
        );
    }

    #[test]
    fn an_error_of_the_inner_stream_is_forwarded() {
        let values = of([data("1"), broken()]).json::<u8>();
        assert_eq!(all(values), ["1", "stream: connection reset"]);
    }

    #[test]
    fn json_skips_empty_data_and_typed_does_not() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        enum Update {
            #[serde(rename = "message")]
            Message(u8),
            #[serde(rename = "ping")]
            Ping,
        }
        let all_kinds = || of([data("1"), data(""), data(" \n"), Ok(event("ping", ""))]);
        assert_eq!(all(all_kinds().json::<u8>()), ["1"]);
        let updates = all(all_kinds().typed::<Update>());
        assert_eq!(
            updates,
            ["Message(1)", "event at \"\"", "event at \"\"", "Ping"]
        );
    }

    #[test]
    fn the_end_marker_ends_it_and_later_events_are_not_read() {
        let mut values = of([data("1"), data("[DONE]"), data("2")])
            .json::<u8>()
            .until(|event| event.data() == "[DONE]");
        assert_eq!(all(&mut values), ["1"]);
        let rest: Vec<_> = values
            .into_inner()
            .map(|event| event.unwrap().into_data())
            .collect()
            .now_or_never()
            .unwrap();
        assert_eq!(rest, ["2"]);
    }

    #[test]
    fn an_empty_event_can_be_the_end_marker() {
        let values = of([data("1"), Ok(event("end", "")), data("2")]);
        let values = values
            .json::<u8>()
            .until(|event| event.event_type() == "end");
        assert_eq!(all(values), ["1"]);
    }

    #[test]
    fn an_end_before_the_marker_is_incomplete_unless_after_an_error() {
        let is_end = |event: &Event| event.data() == "[DONE]";
        let cut = of([data("1")]).json::<u8>().until(is_end);
        assert_eq!(all(cut), ["1", "incomplete"]);
        let broken = of([data("1"), broken()]).json::<u8>().until(is_end);
        assert_eq!(all(broken), ["1", "stream: connection reset"]);
    }

    #[test]
    fn it_is_terminated_with_its_last_item() {
        let is_end = |event: &Event| event.data() == "[DONE]";
        let next = |values: &mut JsonStream<_, u8>| values.next().now_or_never().unwrap();

        let mut plain = of([data("1")]).fuse().json::<u8>();
        assert!(!plain.is_terminated());
        assert!(next(&mut plain).is_some() && next(&mut plain).is_none());
        assert!(plain.is_terminated());

        // The inner stream has ended, but not everything is returned yet.
        let mut cut = of([]).fuse().json::<u8>().until(is_end);
        assert!(cut.get_mut().next().now_or_never().unwrap().is_none());
        assert!(cut.get_ref().is_terminated() && !cut.is_terminated());
        assert!(matches!(
            next(&mut cut),
            Some(Err(JsonStreamError::Incomplete))
        ));
        assert!(cut.is_terminated());

        let mut done = of([data("[DONE]"), data("1")])
            .fuse()
            .json::<u8>()
            .until(is_end);
        assert!(next(&mut done).is_none());
        assert!(done.is_terminated() && !done.get_ref().is_terminated());
    }

    #[test]
    fn it_reads_the_events_of_a_body() {
        let body = stream::iter(["data: 1\n\nda", "ta: x\n\nid: 4\ndata: 2\n\ndata: 3"]);
        let values = events(body.map(Ok::<_, Infallible>))
            .last_event_id("3")
            .json::<u8>();
        let items: Vec<_> = values.collect().now_or_never().unwrap();
        let errors: Vec<_> = items
            .iter()
            .filter_map(|item| item.as_ref().err())
            .collect();
        assert!(
            matches!(errors[..], [JsonStreamError::Event(error)] if error.last_event_id() == "3")
        );
        let values: Vec<_> = items.into_iter().flatten().collect();
        assert_eq!(values, [1, 2]);
    }

    #[test]
    fn it_goes_on_through_the_adapters_of_futures_util() {
        let sum = of([data("1"), data("2"), data("3")])
            .json::<u8>()
            .try_filter(|value| std::future::ready(value % 2 == 1))
            .try_fold(0, |sum, value| async move { Ok(sum + value) });
        assert_eq!(sum.now_or_never().unwrap().unwrap(), 4);
    }

    /// A source that never rests, and never brings a value.
    #[test]
    fn endless_empty_events_yield() {
        let mut values = stream::repeat_with(|| data("")).json::<u8>();
        assert!(values.next().now_or_never().is_none());
    }

    #[test]
    fn its_auto_traits_are_those_of_the_inner_stream() {
        fn auto<S: Stream + FusedStream + Send + Unpin>() {}
        type NotSend = std::rc::Rc<()>;
        auto::<JsonStream<stream::Fuse<stream::Iter<std::vec::IntoIter<Source>>>, NotSend>>();
        fn error<E: std::error::Error + Send + Sync + 'static>() {}
        error::<JsonError>();
        error::<JsonStreamError<io::Error>>();
        assert!(size_of::<JsonError>() <= 8);
    }
}

#[cfg(feature = "reqwest")]
mod a_source {
    use super::*;

    use fetch_event_source::{
        Error, ErrorKind, EventSource, EventStream, Finished, ReadyState, RetryPolicy,
    };

    fn answering(body: &'static str) -> EventSource<'static> {
        EventSource::get("http://h/").fetch(move |_| async move {
            let response = http::Response::builder().header("content-type", "text/event-stream");
            Ok(response.body(body)?.into())
        })
    }

    #[tokio::test]
    async fn until_of_the_source_ends_its_values() {
        let source = answering("data: 1\n\ndata: [DONE]\n\ndata: 2\n\n");
        let mut values = source
            .until(|event| event.data() == "[DONE]")
            .stream()
            .json::<u8>();
        assert_eq!(values.next().await.unwrap().unwrap(), 1);
        assert!(values.next().await.is_none());
        assert!(values.is_terminated());
        assert_eq!(values.finished(), Some(&Finished::EndMarker));
    }

    #[tokio::test]
    async fn its_own_error_is_the_last_item() {
        let source = answering("data: 1\n\n").until(|event| event.data() == "[DONE]");
        let mut values = source.retry(RetryPolicy::never()).stream().json::<u8>();
        assert_eq!(values.next().await.unwrap().unwrap(), 1);
        let error = values.next().await.unwrap().unwrap_err();
        assert!(error.is_incomplete());
        let JsonStreamError::Stream(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Incomplete);
        assert!(values.is_terminated() && values.next().await.is_none());
    }

    /// It was handed over, though as an error: a restart does not bring it again.
    #[tokio::test]
    async fn an_event_that_does_not_parse_counts_as_delivered() {
        let source = answering("id: 1\ndata: x\n\nid: 2\ndata: 2\n\n");
        let mut values = source.stream().json::<u8>();
        let handle = values.get_ref().handle();
        assert!(values.next().await.unwrap().is_err());
        assert_eq!(handle.last_event_id(), "1");
        assert_eq!(values.next().await.unwrap().unwrap(), 2);
        handle.close();
        assert!(values.next().await.is_none());
        assert_eq!(handle.state(), ReadyState::Closed);
    }

    #[tokio::test]
    async fn a_hook_may_end_with_what_json_returns() {
        let mut sum = 0;
        let result = answering("data: 1\n\ndata: 2\n\ndata: x\n\ndata: 4\n\n")
            .on_message(|event| event.json().map(|value: u8| sum += value))
            .run()
            .await;
        let error = result.expect_err("a hook failed");
        assert_eq!(error.kind(), ErrorKind::Hook);
        assert!(error.downcast::<JsonError>().is_ok());
        assert_eq!(sum, 3);
    }

    #[test]
    fn its_values_can_be_polled_anywhere() {
        fn auto<S: Stream + FusedStream + Send + Unpin + std::fmt::Debug + 'static>() {}
        auto::<JsonStream<EventStream, u8>>();
        fn error<E: std::error::Error + Send + Sync + 'static>() {}
        error::<JsonStreamError<Error>>();
    }
}

#[test]
fn the_error_has_the_event() {
    let event = Event::new("[").with_type("t").with_last_event_id("7");
    let error = event.json::<Vec<u8>>().unwrap_err();
    assert_eq!(error.event(), &event);
    assert!(error.event().has_own_id());
    assert_eq!(error.into_event(), event);
}
