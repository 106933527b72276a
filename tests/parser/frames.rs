//! What the parser gives, input by input, each cut in every way.

#![allow(clippy::unwrap_used)]

use crate::parsing;
use crate::parsing::{Given, assert_parses_to, comment, event, id_only, ignored, typed};
use fetch_event_source::{Frame, Parser};

macro_rules! parses_to {
    ($($(#[$doc:meta])* $name:ident, $input:expr, [$($expected:expr),* $(,)?];)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            let input: &[u8] = AsRef::<[u8]>::as_ref(&$input);
            assert_parses_to(&Parser::new(), input, &[$($expected),*]);
        }
    )*};
}

parses_to! {
    nothing, "", [];
    one_event, "data: a\n\n", [event("a")];
    no_blank_line_no_event, "data: a\n", [];
    line_ends_lf_crlf_cr, "data: a\n\ndata: b\r\n\r\ndata: c\r\r", [event("a"), event("b"), event("c")];
    line_ends_mixed, "data: a\r\n\ndata: b\n\rdata: c\r\r\ndata: d\r\n\r", [event("a"), event("b"), event("c"), event("d")];
    lf_cr_are_two_ends, "data: a\n\rdata: b\n\n", [event("a"), event("b")];
    no_other_line_ends, "data: a\u{b}\u{c}\u{85}\u{2028}\u{2029}b\n\n", [event("a\u{b}\u{c}\u{85}\u{2028}\u{2029}b")];
    one_space_is_removed, "data:a\ndata: b\ndata:  c\ndata:\td\n\n", [event("a\nb\n c\n\td")];
    names_are_literal, "Data: a\n data: b\ndata : c\ndatum: d\ndat\ndata: e\n\n", [ignored("Data: a"), ignored(" data: b"), ignored("data : c"), ignored("datum: d"), ignored("dat"), event("e")];
    longer_names_are_unknown, "data1: a\neventual: b\nids: c\nretry2: 1\ndata\n\n", [ignored("data1: a"), ignored("eventual: b"), ignored("ids: c"), ignored("retry2: 1"), event("")];
    name_without_colon, "data\ndata\nevent\nid\n\n", [event("\n")];
    empty_data_is_data, "data\n\n", [event("")];
    final_lf_is_removed_once, "data: a\ndata\n\n", [event("a\n")];
    type_and_id, "event: t\nid: 1\ndata: a\n\n", [typed("t", "a", "1")];
    type_does_not_stay, "event: t\ndata: a\n\ndata: b\n\n", [typed("t", "a", ""), event("b")];
    type_of_a_block_without_data, "event: t\n\ndata: b\n\n", [event("b")];
    last_type_counts, "event: t\ndata: a\nevent: u\n\n", [typed("u", "a", "")];
    empty_type_is_message, "event: t\nevent\ndata: a\n\n", [event("a")];
    id_stays, "id: 1\ndata: a\n\ndata: b\n\n", [typed("message", "a", "1"), typed("message", "b", "1")];
    id_of_an_unfinished_event, "id: 1\ndata: a\n\nid: 2\ndata: b\n", [typed("message", "a", "1")];
    empty_id_resets, "id: 1\ndata: a\n\nid\ndata: b\n\n", [typed("message", "a", "1"), event("b")];
    id_with_nul_is_ignored, "id: 1\nid: 2\0\ndata: a\n\n", [typed("message", "a", "1")];
    nul_elsewhere, "event: \0\ndata: \0\n: \0\n\n", [comment("\0"), typed("\0", "\0", "")];
    id_only_block, "id: 1\n\nid: 1\n\ndata: a\n\n", [id_only("1"), typed("message", "a", "1")];
    id_only_block_that_resets, "id: 1\n\nid\n\nid\n\n", [id_only("1"), id_only("")];
    last_id_of_a_block_counts, "id: 1\nid: 2\n\nid: 3\nid: 2\n\n", [id_only("2")];
    comments, ":\n: a\n:  b\n:c\n", [comment(""), comment("a"), comment(" b"), comment("c")];
    comment_within_an_event, "event: t\ndata: a\n: c\ndata: b\n\n", [comment("c"), typed("t", "a\nb", "")];
    comment_needs_its_end, ": a", [];
    retry_counts_at_once, "retry: 10\ndata: a\nretry: 20", [Given::Retry(10)];
    retry_within_an_event, "data: a\nretry:30\ndata: b\n\n", [Given::Retry(30), event("a\nb")];
    retry_leading_zeros, "retry: 0000000000000000000000000000007\nretry: 0\n", [Given::Retry(7), Given::Retry(0)];
    retry_bad, "retry\nretry:\nretry: \nretry:  1\nretry: 1 \nretry: +1\nretry: -1\nretry: 1.0\nretry: 1e3\nretry: \u{661}\n", [];
    retry_largest, "retry: 18446744073709551615\nretry: 18446744073709551616\n", [Given::Retry(u64::MAX), Given::Retry(u64::MAX)];
    byte_order_mark, b"\xEF\xBB\xBFdata: a\n\n", [event("a")];
    one_byte_order_mark, b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n", [ignored("\u{feff}data: a"), event("b")];
    byte_order_mark_before_blank_line, b"\xEF\xBB\xBF\n\r\ndata: a\n\n", [event("a")];
    byte_order_mark_later, "data: \u{feff}a\n\u{feff}data: b\n\n", [ignored("\u{feff}data: b"), event("\u{feff}a")];
    half_a_byte_order_mark, b"\xEF\xBBdata: a\n\ndata: b\n\n", [ignored("\u{FFFD}data: a"), event("b")];
    half_a_byte_order_mark_in_a_comment, b"\xEF\xBB\n:\xEF\xBB\n", [ignored("\u{FFFD}"), comment("\u{FFFD}")];
    utf8, "data: \u{df}\u{20ac}\u{1f600}\n\n", [event("\u{df}\u{20ac}\u{1f600}")];
    maximal_subparts, b"data: \xF0\x9F\x98|\xE2\x82|\xC3|\x80\x80|\xED\xA0\x80|\xC0\xAF|\xFF\n\n",
        [event("\u{FFFD}|\u{FFFD}|\u{FFFD}|\u{FFFD}\u{FFFD}|\u{FFFD}\u{FFFD}\u{FFFD}|\u{FFFD}\u{FFFD}|\u{FFFD}")];
    line_end_cuts_a_character, b"data: \xE2\x82\ndata: \xAC\r\xF0\x9F\r\n\n", [ignored("\u{FFFD}"), event("\u{FFFD}\n\u{FFFD}")];
    malformed_everywhere, b"event: \xFF\nid: \xFF\n: \xFF\ndata: \xFF\n\n", [comment("\u{FFFD}"), typed("\u{FFFD}", "\u{FFFD}", "\u{FFFD}")];
    malformed_name, b"d\xFFata: a\n\n", [ignored("d\u{FFFD}ata: a")];
}

/// Around the lengths where another way is taken: groups of 64, the long line, the window.
#[test]
fn lines_of_every_length() {
    let lengths = (0..140)
        .chain(500..520)
        .chain(1010..1040)
        .chain([2048, 5000, 16_383, 40_000]);
    for length in lengths {
        let value = "0123456789".repeat(length / 10 + 1)[..length].to_owned();
        let input =
            format!("data:{value}\nevent: t\nid: 7\ndata: {value}\r\n\r\n:{value}\n{value}\n\n");
        let expected = [
            typed("t", &format!("{value}\n{value}"), "7"),
            comment(&value),
            ignored(&value),
        ];
        let expected = &expected[..if length == 0 { 2 } else { 3 }];
        if length % 50 == 0 {
            assert_parses_to(&Parser::new(), input.as_bytes(), expected);
        }
        for size in [input.len(), 1, 3, 64, 1000] {
            let given = parsing::parse(Parser::new(), input.as_bytes().chunks(size)).0;
            assert_eq!(given, expected, "{length} in chunks of {size}");
        }
    }
}

/// What a long line has made of the window is given back between chunks, with an event in it.
#[test]
fn event_unfinished_when_memory_is_given_back() {
    let input = format!("{}\ndata: a\n\nevent: t\ndata: b\n\n", "x".repeat(10_000));
    let long = ignored(&"x".repeat(10_000));
    for rest in 1..12 {
        let (most, last) = input.split_at(input.len() - rest);
        let chunks = [most.as_bytes(), b"", last.as_bytes()];
        let given = parsing::parse(Parser::new(), chunks).0;
        assert_eq!(given, [long.clone(), event("a"), typed("t", "b", "")]);
    }
}

#[test]
fn long_values_keep_their_characters() {
    let value = "a\u{df}\u{20ac}\u{1f600}".repeat(700);
    let mut input = format!("data: {value}").into_bytes();
    input.extend(b"\xE2\x82\ndata: \xF0\x9F\n\n");
    let expected = event(&format!("{value}\u{FFFD}\n\u{FFFD}"));
    for size in 1..40 {
        let given = parsing::parse(Parser::new(), input.chunks(size)).0;
        assert_eq!(
            given,
            std::slice::from_ref(&expected),
            "in chunks of {size}"
        );
    }
}

/// What must take time in proportion to its length would, if it did not, take hours here.
#[test]
fn time_is_linear() {
    let long = [b"data: ", "x".repeat(4 << 20).as_bytes(), b"\n\n"].concat();
    let lines = [b"data\n".repeat(1 << 20), b"\n".to_vec()].concat();
    let comment = [b":", "x".repeat(2 << 20).as_bytes(), b"\n"].concat();
    for (input, size) in [
        (&long, 16),
        (&lines, 2),
        (&comment, 16),
        (&lines, lines.len()),
    ] {
        assert_eq!(parsing::parse(Parser::new(), input.chunks(size)).0.len(), 1);
    }
}

/// What is left of a chunk, behind the windows that are full of events, may be next to nothing.
#[test]
fn chunks_of_a_window_and_a_little_more() {
    let body = "data: 0123456789\n\n: c\nid: 7\ndata: b\n\n".repeat(700);
    let expected = parsing::parse(Parser::new(), [body.as_bytes()]).0;
    assert_eq!(expected.len(), 3 * 700);
    for windows in 1..4 {
        for more in 1..40 {
            let chunks = body.as_bytes().chunks(windows * 4096 + more);
            let given = parsing::parse(Parser::new(), chunks).0;
            assert_eq!(given, expected, "{windows} windows and {more}");
        }
    }
}

#[test]
fn frames_may_borrow_in_a_loop() {
    let mut parser = Parser::default();
    let mut input: &[u8] = b"data: a\n\n: c\n";
    let mut seen = 0;
    while let Some(frame) = parser.next(&mut input).unwrap() {
        seen += match frame {
            Frame::Event(event) => event.to_event().data().len(),
            Frame::Comment(text) => 10 * text.len(),
            _ => 0,
        };
    }
    assert_eq!(seen, 11);
}

/// Not what the documentation asks for, but nothing may be lost by it.
#[test]
fn next_chunk_before_the_last_is_used_up() {
    let mut parser = Parser::new();
    let mut given = Vec::new();
    for byte in "data: a\n\ndata: b\n\n: c\ndata: d\n\n"
        .as_bytes()
        .chunks(17)
    {
        let mut input = byte;
        if let Some(frame) = parser.next(&mut input).unwrap() {
            given.push(Given::from(frame));
        }
        assert!(input.is_empty(), "short chunks are taken in at once");
    }
    parsing::feed(&mut parser, b"", &mut given);
    assert_eq!(given, [event("a"), event("b"), comment("c"), event("d")]);
}

/// Nor by this, although a single byte takes a separate path.
#[test]
fn single_byte_before_the_last_chunk_is_used_up() {
    let body = "data: a\n\ndata: b\n\n: c\ndata: d\n\n".repeat(9);
    let body = body.as_bytes();
    let expected = vec![[event("a"), event("b"), comment("c"), event("d")]; 9].concat();
    for size in 1..body.len() {
        for then in [1, 17] {
            let (first, rest) = body.split_at(size);
            let mut parser = Parser::new();
            let mut given = Vec::new();
            for mut chunk in [first].into_iter().chain(rest.chunks(then)) {
                while let Some(frame) = parser.next(&mut chunk).unwrap() {
                    given.push(Given::from(frame));
                    if chunk.is_empty() {
                        break;
                    }
                }
            }
            parsing::feed(&mut parser, b"", &mut given);
            assert_eq!(given, expected, "{size}, then {then}");
        }
    }
}
