//! `Event`: what it says, and how it is written.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use crate::parsing::Random;
use fetch_event_source::{Event, Frame, Parser};

/// The event that a parser makes of the written one.
fn read_back(event: &Event) -> Event {
    let wire = event.to_string();
    let mut input = wire.as_bytes();
    let mut parser = Parser::new();
    let Ok(Some(Frame::Event(read))) = parser.next(&mut input) else {
        panic!("no event in {wire:?}");
    };
    let read = read.to_event();
    assert!(
        parser.next(&mut input).unwrap().is_none(),
        "something more in {wire:?}"
    );
    read
}

#[test]
fn a_new_event_is_a_message_without_an_id() {
    let event = Event::new("a");
    assert_eq!(
        (event.event_type(), event.data(), event.last_event_id()),
        ("message", "a", "")
    );
    assert_eq!(event.into_data(), "a");
    assert_eq!(Event::default(), Event::new(""));
}

#[test]
fn each_part_may_be_set_in_any_order_and_again() {
    let (large, id) = ("d".repeat(100_000), "ü".repeat(100));
    for data in ["", "a", &large] {
        let expected = ("t", data, &*id, true);
        for event in [
            Event::new(data).with_type("t").with_last_event_id(&id),
            Event::new(data).with_last_event_id(&id).with_type("t"),
            Event::new(data)
                .with_last_event_id("a longer one")
                .with_type("longer")
                .with_last_event_id(&id)
                .with_type("t"),
        ] {
            let parts = (event.event_type(), event.data(), event.last_event_id());
            assert_eq!((parts.0, parts.1, parts.2, event.has_own_id()), expected);
            let data_again = event.into_data();
            assert_eq!(data_again, data);
            assert!(data_again.capacity() <= 2 * data.len() + 1);
        }
    }
}

#[test]
fn message_and_empty_type_are_the_same() {
    for same in ["", "message"] {
        assert_eq!(
            Event::new("a").with_type("t").with_type(same),
            Event::new("a")
        );
    }
    assert_eq!(
        Event::new("a")
            .with_last_event_id("1")
            .with_last_event_id(""),
        Event::new("a")
    );
}

#[test]
fn equal_events_hash_alike() {
    let event = || Event::new("a").with_type("t").with_last_event_id("1");
    let set = HashSet::from([event(), event(), event().clone(), Event::new("a")]);
    assert_eq!(set.len(), 2);
}

#[test]
fn display_is_the_wire_form() {
    let written = |event: Event| event.to_string();
    assert_eq!(written(Event::new("")), "data: \n\n");
    assert_eq!(
        written(Event::new("a\n\nb\n")),
        "data: a\ndata: \ndata: b\ndata: \n\n"
    );
    assert_eq!(
        written(Event::new("a\r\nb\rc\n\rd\r\n")),
        "data: a\ndata: b\ndata: c\ndata: \ndata: d\ndata: \n\n"
    );
    assert_eq!(
        written(Event::new("a").with_type("t").with_last_event_id("1")),
        "event: t\nid: 1\ndata: a\n\n"
    );
}

#[test]
fn read_back_unchanged() {
    for value in [
        "a",
        " a",
        "  ",
        ":",
        ": a",
        "data: b",
        "\u{feff}",
        "\t",
        "a\u{2028}b",
        "\u{1f600}",
    ] {
        let event = Event::new(value).with_type(value).with_last_event_id(value);
        assert_eq!(read_back(&event), event, "{value:?}");
    }
    for data in ["", "\n", "\n\n", " \n a\n", "\0"] {
        let event = Event::new(data);
        assert_eq!(read_back(&event), event, "{data:?}");
    }
    let nul_in_the_type = Event::new("a").with_type("\0");
    assert_eq!(read_back(&nul_in_the_type), nul_in_the_type);
}

#[test]
fn values_cannot_smuggle_in_a_field() {
    let event = Event::new("a")
        .with_type("t\ndata: evil\r\n\r\nid: evil")
        .with_last_event_id("1\rid: evil\0\n\n");
    assert_eq!(
        read_back(&event),
        Event::new("a")
            .with_type("tdata: evilid: evil")
            .with_last_event_id("1id: evil")
    );
    let nothing_left = Event::new("a").with_type("\r\n").with_last_event_id("\0");
    assert_eq!(nothing_left.to_string(), "data: a\n\n");
}

#[test]
fn random_events_read_back() {
    let mut random = Random(1);
    let mut text = || -> String {
        let length = random.below(6);
        (0..length)
            .map(|_| random.pick(&['a', ' ', ':', '\n', '\r', '\0', '\u{20ac}']))
            .collect()
    };
    for _ in 0..5000 {
        let event = Event::new(text())
            .with_type(text())
            .with_last_event_id(text());
        let without = |value: &str, left_out: &[char]| value.replace(left_out, "");
        let expected = Event::new(event.data().replace("\r\n", "\n").replace('\r', "\n"))
            .with_type(without(event.event_type(), &['\r', '\n']))
            .with_last_event_id(without(event.last_event_id(), &['\r', '\n', '\0']));
        assert_eq!(read_back(&event), expected, "{event:?}");
    }
}

#[test]
fn base64_ignores_white_space_and_accepts_the_standard_alphabet_only() {
    let decode = |data: &str| Event::new(data).decode_base64();
    assert_eq!(decode("").unwrap(), b"");
    assert_eq!(decode("aGVsbG8=").unwrap(), b"hello");
    assert_eq!(decode("aGVsbG8").unwrap(), b"hello");
    assert_eq!(decode("aGVs\nbG8=\n").unwrap(), b"hello");
    assert_eq!(decode(" aGV sbG8 = \t").unwrap(), b"hello");
    assert_eq!(decode("+/+/").unwrap(), [0xFB, 0xFF, 0xBF]);
    for bad in ["-_-_", "a", "aGVsbG8==", "a=GV"] {
        assert!(decode(bad).is_err(), "{bad}");
    }
}

#[cfg(feature = "json")]
#[test]
fn json_reads_the_data_or_fails() {
    let value: Vec<u8> = Event::new("[1, 2]").json().unwrap();
    assert_eq!(value, [1, 2]);
    assert!(Event::new("[1, 2").json::<serde_json::Value>().is_err());
    assert!(Event::new("\"a\"").json::<u8>().is_err());
}

#[cfg(feature = "eventsource-stream")]
#[test]
fn an_event_of_eventsource_streams_and_back_is_the_same() {
    for event in [
        Event::new("a").with_type("t").with_last_event_id("1"),
        Event::new("a"),
    ] {
        let theirs = eventsource_stream::Event::from(event.clone());
        assert_eq!(theirs.event, event.event_type());
        assert_eq!(
            (&*theirs.data, &*theirs.id, theirs.retry),
            (event.data(), event.last_event_id(), None)
        );
        assert_eq!(Event::from(theirs), event);
    }
}

#[test]
fn has_own_id_does_not_affect_equality() {
    use std::collections::HashSet;

    let own = Event::new("1").with_last_event_id("");
    assert!(own.has_own_id());
    assert!(!Event::new("1").has_own_id());
    assert_eq!(own, Event::new("1"));
    assert_eq!(HashSet::from([own, Event::new("1")]).len(), 1);
}

#[test]
fn an_event_stays_small() {
    assert!(size_of::<Event>() <= 40, "moves of it are dear");
}

#[test]
fn debug_shows_the_type_that_is_meant() {
    let shown = format!("{:?}", Event::new("1"));
    assert!(shown.contains(r#"event_type: "message""#), "{shown}");
}

#[test]
fn the_source_says_what_is_wrong_with_base64() {
    let error = Event::new("?").decode_base64().unwrap_err();
    assert_eq!(error.to_string(), "the event's data is not base64");
    assert!(std::error::Error::source(&error).is_some());
}
