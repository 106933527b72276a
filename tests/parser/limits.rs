//! The size limit.

#![allow(clippy::unwrap_used)]

use crate::parsing::{self, Given, assert_parses_to, comment, event, ignored, parse, typed};
use fetch_event_source::{DEFAULT_MAX_EVENT_SIZE, Parser};

/// The input exceeds every limit below this one, and not this one, however it is cut.
#[track_caller]
fn assert_needs(limit: usize, input: &[u8], expected: &[Given]) {
    assert_parses_to(&Parser::new().max_event_size(limit), input, expected);
    for less in 0..limit {
        let parser = Parser::new().max_event_size(less);
        let (given, _) = parse(parser.clone(), [input]);
        let (error, before) = given.split_last().unwrap();
        assert_eq!(*error, Given::TooLarge, "limit {less}");
        assert!(expected.starts_with(before), "limit {less}: {before:?}");
        assert_parses_to(&parser, input, &given);
    }
}

#[test]
fn a_line_counts_with_its_name() {
    assert_needs(7, b"data: a\n\n", &[event("a")]);
    assert_needs(7, b"data: a\r\n\r\n", &[event("a")]);
}

/// The second comes whole, behind an event that was within the limit.
#[test]
fn an_event_after_another_has_no_larger_limit() {
    let both = [event("a"), event("bbbbbbbb")];
    assert_needs(14, b"data: a\n\ndata: bbbbbbbb\n\n", &both);
    assert_needs(14, b"data: a\r\n\r\ndata: bbbbbbbb\r\n\r\n", &both);
}

#[test]
fn an_ignored_line_counts() {
    assert_needs(11, b"ignored: me\n\n", &[ignored("ignored: me")]);
    assert_needs(9, b": comment\n\n", &[comment("comment")]);
}

#[test]
fn an_unfinished_line_counts() {
    assert_needs(10, b"ignored: m", &[]);
    assert_needs(12, b"data: a\ndata: b\n\n: unfinished", &[event("a\nb")]);
}

#[test]
fn data_type_and_id_count_together() {
    // "ab" and an LF, "tt", "1", and the line "data: c".
    assert_needs(
        3 + 2 + 1 + 7,
        b"data: ab\nevent: tt\nid: 1\ndata: c\n\n",
        &[typed("tt", "ab\nc", "1")],
    );
}

#[test]
fn only_the_last_type_and_id_count() {
    assert_needs(
        9 + 5,
        b"id: 123456789\nid: 1\nevent: 12\nevent: 3\ndata: abc\n\n",
        &[typed("3", "abc", "1")],
    );
}

#[test]
fn the_id_counts_in_later_events() {
    let parser = Parser::new().max_event_size(10);
    assert_parses_to(
        &parser,
        b"id: 1234\n\ndata: a\n\n",
        &[Given::LastEventId("1234".into()), Given::TooLarge],
    );
}

#[test]
fn text_counts_as_decoded() {
    assert_needs(
        6 + 9,
        b"data: \xFF\xFF\xFF\n\n",
        &[event("\u{FFFD}\u{FFFD}\u{FFFD}")],
    );
    assert_needs(6 + 3, b"data: \xE2\x82\xAC\n\n", &[event("\u{20ac}")]);
}

#[test]
fn half_a_character_does_not_count_yet() {
    assert_needs(6, b"data: \xE2\x82", &[]);
    assert_needs(1, b"\xEF\xBB\xBFx", &[]);
    assert_needs(0, b"\xEF\xBB", &[]);
}

#[test]
fn long_lines_count_alike() {
    let value = "x".repeat(3000);
    let input = format!("data: a\n\ndata: b\ndata: {value}\n\n");
    let expected = [event("a"), event(&format!("b\n{value}"))];
    let exact = 2 + 6 + 3000;
    assert_parses_to(
        &Parser::new().max_event_size(exact),
        input.as_bytes(),
        &expected,
    );
    for less in [exact - 1, 2000, 1100, 1024, 1023, 600, 520, 512, 511, 100] {
        let parser = Parser::new().max_event_size(less);
        assert_parses_to(&parser, input.as_bytes(), &[event("a"), Given::TooLarge]);
    }
}

/// Set where it should not be, it holds from then on: for what is held already, too.
#[test]
fn a_limit_set_inside_a_line_holds() {
    for name in ["data: ", "id: ", "x"] {
        for held in [10, 600, 5000] {
            let line = [name, &"x".repeat(held - name.len())].concat();
            let mut parser = Parser::new();
            assert_eq!(parser.next(&mut line.as_bytes()), Ok(None));
            let exact = parser.max_event_size(held);
            let mut over = exact.clone();
            assert_eq!(over.next(&mut &b""[..]), Ok(None), "{name} {held}");
            assert!(over.next(&mut &b"x"[..]).is_err(), "{name} {held}");
            let mut higher = exact.max_event_size(held + 1);
            assert_eq!(higher.next(&mut &b"x"[..]), Ok(None), "{name} {held}");
            assert!(higher.next(&mut &b"x"[..]).is_err(), "{name} {held}");
            let mut lower = Parser::new();
            assert_eq!(lower.next(&mut line.as_bytes()), Ok(None));
            let mut lower = lower.max_event_size(held - 1);
            assert!(lower.next(&mut &b""[..]).is_err(), "{name} {held}");
        }
    }
}

#[test]
fn endless_lines_stop() {
    for endless in [": ", "data: ", "ignored: ", "id: ", "x", "\u{feff}data:"] {
        let mut parser = Parser::new().max_event_size(1 << 16);
        let mut fed = 0;
        let filler = [b'x'; 1000];
        let mut input = endless.as_bytes();
        while parser.next(&mut input).is_ok() {
            assert!(fed <= 1 << 16, "{endless:?}");
            fed += filler.len();
            input = &filler;
        }
    }
}

#[test]
fn an_id_over_the_limit_is_not_committed() {
    let parser = Parser::new().max_event_size(20);
    let input = b"id: 1\n\nid: 2\ndata: 4567890123456789\n\n";
    let (given, last_event_id) = parse(parser, [&input[..]]);
    assert_eq!(given, [Given::LastEventId("1".into()), Given::TooLarge]);
    assert_eq!(last_event_id, "1");
}

#[test]
fn the_error_stays_and_says_what_to_do() {
    let mut parser = Parser::new().max_event_size(4);
    for input in [b"data: a\n\n", b"\n\n\n\n\n\n\n\n\n"] {
        let error = parser.next(&mut &input[..]).unwrap_err();
        assert_eq!(error.limit(), 4);
        let message = error.to_string();
        assert!(
            message.contains("4 bytes") && message.contains("max_event_size"),
            "{message}"
        );
    }
}

#[test]
fn default_is_16_mib() {
    assert_eq!(DEFAULT_MAX_EVENT_SIZE, 16 << 20);
    let line = |len: usize| ["data:", &"x".repeat(len - 5), "\n\n"].concat();
    for (len, too_large) in [(16 << 20, false), ((16 << 20) + 1, true)] {
        let (given, _) = parse(Parser::new(), line(len).as_bytes().chunks(1 << 16));
        assert_eq!(given == [Given::TooLarge], too_large);
    }
}

#[test]
fn error_names_the_id_of_the_events_own_line() {
    for (input, id) in [
        ("id: 7\ndata: 0123456789\n\n", Some("7")),
        ("id: 7\n\ndata: 0123456789012345\n\n", None),
        ("id: 7\n\nid\ndata: 01234567890123456\n\n", Some("")),
        ("data: 01234567890123\nid: 7\n\n", None),
    ] {
        for size in 1..=input.len() {
            let mut parser = Parser::new().max_event_size(15);
            let error = input.as_bytes().chunks(size).find_map(|mut chunk| {
                loop {
                    match parser.next(&mut chunk) {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                }
            });
            let error = error.unwrap();
            assert_eq!(error.last_event_id(), id, "{input:?} in chunks of {size}");
            assert_eq!(parser.next(&mut &b"\n"[..]), Err(error), "the same again");
        }
    }
}

/// The event is made from the chunk: the limit holds to the byte, with an ID that is held too.
#[test]
fn plain_events_have_the_same_limit_in_a_stream() {
    for (line, len) in [("data: 0123456789", 16), ("data: \u{FFFD}\u{FFFD}", 12)] {
        let malformed = line.replace('\u{FFFD}', "x").into_bytes();
        let malformed: Vec<u8> = match line.contains('\u{FFFD}') {
            true => malformed
                .iter()
                .map(|&b| if b == b'x' { 0xFF } else { b })
                .collect(),
            false => malformed,
        };
        for id in ["", "an ID"] {
            for size in 1..30 {
                let body = [&malformed[..], b"\n\n", &malformed, b"\n\n"].concat();
                let given = |limit| parsing::streamed(id, limit, body.chunks(size));
                assert_eq!(given(len + id.len()).len(), 2);
                assert!(
                    !given(len + id.len())
                        .iter()
                        .any(|(given, _)| *given == Given::TooLarge)
                );
                assert_eq!(given(len + id.len() - 1), [(Given::TooLarge, false)]);
            }
        }
    }
}
