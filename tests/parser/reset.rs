//! A parser over several connections.

#![allow(clippy::unwrap_used)]

use crate::parsing::{Given, event, feed, id_only, ignored, typed};
use fetch_event_source::Parser;

fn given(parser: &mut Parser, input: impl AsRef<[u8]>) -> Vec<Given> {
    let mut given = Vec::new();
    feed(parser, input.as_ref(), &mut given);
    given
}

#[test]
fn keeps_the_committed_id_and_seeds_the_buffer_with_it() {
    let mut parser = Parser::new();
    given(&mut parser, "id: 1\ndata: a\n\nid: 2\ndata: b\n");
    parser.reset();
    assert_eq!(parser.last_event_id(), "1");
    assert_eq!(
        given(&mut parser, "\ndata: c\n\n"),
        [typed("message", "c", "1")]
    );
}

#[test]
fn with_last_event_id_seeds_the_first_connection() {
    let mut parser = Parser::new().with_last_event_id("41");
    assert_eq!(parser.last_event_id(), "41");
    assert_eq!(
        given(&mut parser, "data: a\n\nid: 41\n\nid\n\n"),
        [typed("message", "a", "41"), id_only("")]
    );
}

#[test]
fn drops_the_unfinished_event() {
    let mut parser = Parser::new();
    for unfinished in [
        "data: a\nevent: t\n",
        "data: a\n\u{20ac}",
        "data: \u{20ac}",
        "event: t",
        "data",
    ] {
        given(&mut parser, unfinished);
        parser.reset();
        assert_eq!(
            given(&mut parser, "\ndata: b\n\n"),
            [event("b")],
            "{unfinished:?}"
        );
    }
}

#[test]
fn drops_a_long_line() {
    let mut parser = Parser::new();
    given(&mut parser, format!("data: {}", "x".repeat(10_000)));
    parser.reset();
    assert_eq!(
        given(&mut parser, "y\ndata: b\n\n"),
        [ignored("y"), event("b")]
    );
}

#[test]
fn drops_half_a_character() {
    let mut parser = Parser::new();
    given(&mut parser, b"data: \xE2\x82");
    parser.reset();
    assert_eq!(given(&mut parser, b"data: \xAC\n\n"), [event("\u{FFFD}")]);
}

#[test]
fn line_feed_after_the_cr_of_the_last_connection_is_a_blank_line() {
    let mut parser = Parser::new();
    given(&mut parser, "id: 1\r");
    parser.reset();
    // Swallowed, it would leave the data to a block that the id line opens.
    assert_eq!(given(&mut parser, "\nid: 2\n"), []);
    assert_eq!(given(&mut parser, "\n"), [id_only("2")]);
}

#[test]
fn byte_order_mark_counts_again() {
    let mut parser = Parser::new();
    for body in ["\u{feff}data: a\n\n", "\u{feff}data: b\n\n"] {
        assert_eq!(given(&mut parser, body).len(), 1);
        parser.reset();
    }
    given(&mut parser, b"\xEF\xBB");
    parser.reset();
    assert_eq!(
        given(&mut parser, b"\xBFdata: a\n\ndata: b\n\n"),
        [ignored("\u{FFFD}data: a"), event("b")]
    );
}

#[test]
fn drops_frames_not_taken() {
    let mut parser = Parser::new();
    let mut input: &[u8] = b"data: a\n\ndata: b\n\n";
    assert!(parser.next(&mut input).unwrap().is_some());
    parser.reset();
    assert_eq!(given(&mut parser, "data: c\n\n"), [event("c")]);
}

#[test]
fn reset_clears_an_error() {
    let mut parser = Parser::new().max_event_size(20);
    assert_eq!(
        given(&mut parser, "id: 1\n\ndata: 4567890123456789\n\n"),
        [id_only("1"), Given::TooLarge]
    );
    assert!(parser.next(&mut &b"\n\n"[..]).is_err());
    parser.reset();
    assert_eq!(
        given(&mut parser, "data: a\n\n"),
        [typed("message", "a", "1")]
    );
    assert_eq!(
        given(&mut parser, "data: 4567890123456789\n\n"),
        [Given::TooLarge],
        "the limit stays"
    );
}

/// What `finish` gives after this.
fn finished(input: &str) -> Option<Given> {
    let ways = [1, 2, 3, 7, 600, input.len().max(1)].map(|size| {
        let mut parser = Parser::new().with_last_event_id("0");
        for chunk in input.as_bytes().chunks(size) {
            given(&mut parser, chunk);
        }
        let event = parser.finish().map(Given::from);
        assert_eq!(parser.finish(), None, "once");
        event
    });
    assert!(ways.iter().all(|way| *way == ways[0]), "{ways:?}");
    ways[0].clone()
}

#[test]
fn finish_gives_the_unfinished_event_once() {
    assert_eq!(finished("data: a\n"), Some(typed("message", "a", "0")));
    assert_eq!(
        finished("data: a\ndata: b"),
        Some(typed("message", "a\nb", "0"))
    );
    assert_eq!(finished("data: a\r"), Some(typed("message", "a", "0")));
    assert_eq!(finished("data"), Some(typed("message", "", "0")));
    assert_eq!(
        finished("data: a\nevent: t\nid: 1"),
        Some(typed("t", "a", "1"))
    );
    assert_eq!(
        finished("data: x\n\n: c\ndata: a"),
        Some(typed("message", "a", "0"))
    );
    let long = "y".repeat(5000);
    assert_eq!(
        finished(&format!("data: {long}")),
        Some(typed("message", &long, "0"))
    );
}

#[test]
fn finish_gives_no_event_where_there_is_no_data() {
    for input in [
        "",
        "\n",
        "data: a\n\n",
        "event: t\n",
        "id: 1",
        ": c",
        "retry: 1",
        "dat",
        "x",
    ] {
        assert_eq!(finished(input), None, "{input:?}");
    }
}

#[test]
fn finish_replaces_half_a_character() {
    let mut parser = Parser::new();
    given(&mut parser, b"data: \xE2\x82");
    assert_eq!(parser.finish().map(Given::from), Some(event("\u{FFFD}")));
}

#[test]
fn finish_leaves_a_parser_as_after_a_reset() {
    let mut parser = Parser::new();
    given(&mut parser, "id: 1\ndata: a");
    assert!(parser.finish().is_some());
    assert_eq!(parser.last_event_id(), "1", "the event was given");
    assert_eq!(
        given(&mut parser, "\u{feff}data: b\n\n"),
        [typed("message", "b", "1")]
    );
    given(&mut parser, "id: 2\n");
    assert!(parser.finish().is_none());
    assert_eq!(parser.last_event_id(), "1", "nothing was given");
    assert_eq!(
        given(&mut parser, "\ndata: c\n\n"),
        [typed("message", "c", "1")]
    );
}

#[test]
fn finish_gives_nothing_that_is_too_large() {
    let mut parser = Parser::new().max_event_size(8);
    given(&mut parser, b"data: \xE2\x82");
    assert_eq!(parser.finish(), None, "three bytes more");
    given(&mut parser, "data: 0123456789");
    assert_eq!(parser.finish(), None, "an error before");
    assert_eq!(given(&mut parser, "data: a\n\n"), [event("a")]);
}
