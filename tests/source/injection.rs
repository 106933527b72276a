//! A server's text stays text: it adds no header to a request, and no line or colour to a log.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use crate::client;
use crate::client::{all, all_data, chain, in_memory, next_words};
use crate::support;
use crate::support::{MemoryServer, OK, Reply, Script};
use fetch_event_source::{Error, ErrorKind, Event, EventSource, Parser, RetryPolicy, Signal};

/// Texts that have an effect if they are printed or sent on without escapes.
const TRICKS: [&str; 14] = [
    "a\rX-Injected: 1",
    "a\nX-Injected: 1",
    "a\r\nX-Injected: 1\r\n\r\nGET /other HTTP/1.1",
    "a\0b",
    "a\u{1}\u{8}\u{b}\u{c}\u{1f}b",
    "a\u{7f}b",
    "\u{1b}[2J\u{1b}[31mred\u{7}",
    // The same by C1 controls: NEL, CSI.
    "a\u{85}b\u{9b}31m",
    // Line ends to Unicode.
    "a\u{2028}b\u{2029}c",
    // Right to left, isolates, marks that are not seen.
    "\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}\u{200e}\u{200f}\u{200b}\u{feff}",
    // CR LF once cut down to bytes.
    "a\u{560d}\u{560a}X-Injected: 1",
    "a%0d%0aX-Injected: 1",
    " a\t: b ",
    "Größe…🚀",
];

/// Safe to print anywhere: ASCII, or letters and pictures that change nothing around them.
fn is_tame(text: &str) -> bool {
    text.chars().all(|char| {
        let hidden = matches!(char as u32, 0x80..=0xa0 | 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff);
        !hidden && !char.is_control()
    })
}

#[test]
fn the_tricks_need_escaping() {
    let tame: Vec<_> = TRICKS.iter().filter(|trick| is_tame(trick)).collect();
    assert!(tame.contains(&&"Größe…🚀"));
    assert!(tame.len() <= TRICKS.len() / 2, "{tame:?}");
}

/// The lines of a request's head, without those that it always has.
fn more_lines(head: &[u8]) -> Vec<Vec<u8>> {
    let usual = [
        "GET ",
        "accept:",
        "cache-control:",
        "accept-encoding:",
        "host:",
    ];
    head.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        .filter(|line| !line.is_empty())
        .filter(|line| !usual.iter().any(|usual| line.starts_with(usual.as_bytes())))
        .collect()
}

/// Whatever the `id` field holds, the next request has one line of it, or none.
#[tokio::test(start_paused = true)]
async fn an_id_adds_no_header() {
    for trick in TRICKS {
        for field in ["id", "event", "data"] {
            let body = format!("id: 7\n{field}: {trick}\ndata: a\n\n");
            let server = MemoryServer::script([Reply::ok(&body).fin()]);
            let events = all(in_memory(&server).stream()).await;
            let id = events[0].last_event_id();
            assert!(!id.contains(['\r', '\n', '\0']), "{field} {trick:?}");

            let requests = server.requests();
            assert_eq!(requests.len(), 2, "{field} {trick:?}");
            let sendable = !id
                .chars()
                .any(|char| char.is_ascii_control() && char != '\t');
            let line = format!("last-event-id: {id}").into_bytes();
            let lines = more_lines(requests[1].head());
            match sendable {
                true => assert_eq!(lines, [line], "{field} {trick:?}"),
                false => assert!(lines.is_empty(), "{field} {trick:?}: {lines:?}"),
            }
        }
    }
}

/// An ID from the caller adds no header either, whatever its origin.
#[tokio::test(start_paused = true)]
async fn an_id_given_by_the_caller_adds_no_header() {
    for trick in TRICKS {
        let server = MemoryServer::script([Reply::ok("data: a\n\n").fin()]);
        let source = in_memory(&server)
            .last_event_id(trick)
            .retry(RetryPolicy::never());
        match source.stream().next().await.unwrap() {
            Ok(_) => assert_eq!(
                more_lines(server.requests()[0].head()).len(),
                1,
                "{trick:?}"
            ),
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    ErrorKind::InvalidLastEventId,
                    "{trick:?}: {error:?}"
                );
                assert!(is_tame(&format!("{error} {error:?}")), "{error} {error:?}");
                assert!(server.requests().is_empty());
            }
        }
    }
}

#[test]
fn debug_of_server_text_is_one_escaped_line() {
    for trick in TRICKS {
        let event = Event::new(trick).with_type(trick).with_last_event_id(trick);
        let parser = Parser::new().with_last_event_id(trick);
        for shown in [
            format!("{event:?}"),
            format!("{:?}", Signal::Event(event.clone())),
            format!("{:?}", Signal::Comment(trick.to_owned())),
            format!("{:?}", Signal::UnsendableId(trick.to_owned())),
            format!("{parser:?}"),
        ] {
            assert!(is_tame(&shown), "{trick:?}: {}", shown.escape_debug());
        }
        let mut input = format!("event: {trick}\ndata: {trick}\n\n");
        input.retain(|char| char != '\r');
        let mut bytes = input.as_bytes();
        let mut parser = Parser::new();
        while let Some(frame) = parser.next(&mut bytes).unwrap() {
            assert!(is_tame(&format!("{frame:?}")), "{trick:?}");
        }
    }
}

/// `Display` is the wire's form, not for logs: all it promises is that no value becomes a field.
#[test]
fn display_of_an_event_lets_no_value_add_a_field() {
    for trick in TRICKS {
        let event = Event::new(trick).with_type(trick).with_last_event_id(trick);
        let wire = event.to_string();
        let fields: Vec<&str> = wire
            .split_terminator('\n')
            .map(|line| line.split(':').next().unwrap())
            .collect();
        let data = fields.len() - 3;
        assert_eq!(
            fields,
            [vec!["event", "id"], vec!["data"; data], vec![""]].concat(),
            "{trick:?}"
        );
        assert!(!wire.contains('\r'));
    }
}

/// The head of an answer, header values as given.
fn head(status: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    [&head[..], b"\r\n"].concat()
}

/// Its error, as the last of a source without retries.
async fn error_of(answer: Vec<u8>) -> Error {
    let server = MemoryServer::script([Reply::raw(answer).fin()]);
    let mut events = in_memory(&server).retry(RetryPolicy::never()).stream();
    events.next().await.unwrap().unwrap_err()
}

/// The parts of a response that errors quote or could quote: reason, content type, encoding, where
/// to, when.
#[tokio::test(start_paused = true)]
async fn errors_quote_a_response_in_one_short_escaped_line() {
    let huge = "x".repeat(200 << 10);
    for trick in TRICKS.iter().copied().chain([&huge[..]]) {
        // An invalid header value is rejected earlier: see below.
        let value: String = trick
            .chars()
            .filter(|char| !char.is_ascii_control())
            .collect();
        let value = value.as_bytes();
        for answer in [
            head(&format!("404 {}", String::from_utf8_lossy(value)), &[]),
            head("429 No", &[("Retry-After", value)]),
            head("302 Found", &[("Location", value)]),
            head("200 OK", &[("Content-Type", value)]),
            head(
                "200 OK",
                &[
                    ("Content-Type", b"text/event-stream"),
                    ("Content-Encoding", &[b"br, ", value].concat()),
                ],
            ),
        ] {
            let shown_answer = answer[..60.min(answer.len())].escape_ascii().to_string();
            let server = MemoryServer::script([Reply::raw(answer).fin()]);
            let mut events = in_memory(&server).retry(RetryPolicy::never()).stream();
            let Err(error) = events
                .next()
                .await
                .unwrap_or_else(|| panic!("{shown_answer}"))
            else {
                panic!("{shown_answer}: no error");
            };
            let shown = format!("{error} {error:?} {}", chain(&error));
            assert!(is_tame(&shown), "{shown_answer}: {}", shown.escape_debug());
            assert!(shown.len() < 2000, "{shown_answer}: {} bytes", shown.len());
        }
    }
}

/// A head that is none: it says so, and not what was seen.
#[tokio::test(start_paused = true)]
async fn controls_in_a_head_make_it_malformed() {
    for control in ["\0", "\u{1b}[31m", "\u{7f}", "\rX"] {
        for answer in [
            head(&format!("404 {control}"), &[]),
            head("404 No", &[("X", control.as_bytes())]),
            head("404 No", &[(control, b"x")]),
        ] {
            let shown = answer.escape_ascii().to_string();
            let error = error_of(answer).await;
            assert_eq!(error.kind(), ErrorKind::MalformedHead, "{shown}: {error:?}");
            let text = format!("{error} {error:?} {}", chain(&error));
            assert!(is_tame(&text), "{}", text.escape_debug());
        }
    }
}

/// 116.: Events of the server named `error` and `open` are events like any other, distinct from the crate's reports.
#[tokio::test(start_paused = true)]
async fn events_of_the_names_error_and_open_are_ordinary() {
    let body = "event: error\ndata: x\n\nevent: open\ndata: y\n\nevent: close\ndata: z\n\n";
    let script = || Script::from([Reply::ok(body).fin()]);

    let server = MemoryServer::script(script());
    let events = all(in_memory(&server).stream()).await;
    let types: Vec<_> = events.iter().map(Event::event_type).collect();
    assert_eq!(types, ["error", "open", "close"]);

    let server = MemoryServer::script(script());
    let words = next_words(&mut in_memory(&server).signals(), 5).await;
    assert_eq!(
        words,
        ["open", "event x", "event y", "event z", "disconnected"]
    );

    let server = MemoryServer::script(script());
    let (mut opened, mut failed, mut heard) = (0, 0, Vec::new());
    in_memory(&server)
        .on_open(|_| opened += 1)
        .on_message(|event| heard.push(event.event_type().to_owned()))
        .on_error(|_| failed += 1)
        .on_close(async |end| end.finish())
        .run()
        .await
        .unwrap();
    assert_eq!((opened, failed), (1, 0));
    assert_eq!(heard, ["error", "open", "close"]);
}

/// 117.: However the body ends, a head within it is unknown fields, and a body within it is its own.
#[tokio::test(start_paused = true)]
async fn a_response_within_the_body_is_unknown_fields() {
    let second = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\
        Set-Cookie: a=b\r\nLocation: /elsewhere\r\n\r\n";
    let body =
        format!("data: a\r\n{second}data: b\r\n\r\n{second}HTTP/1.1 404 No\r\n\r\n0\r\n\r\n");
    let heads = [
        OK.to_owned(),
        format!(
            "{}Content-Length: {}\r\n\r\n",
            OK.strip_suffix("\r\n").unwrap(),
            body.len()
        ),
    ];
    for head in heads {
        let server = MemoryServer::script([Reply::raw(format!("{head}{body}")).fin()]);
        let source = EventSource::get(server.url("/s")).fetch(server.fetch());
        assert_eq!(all_data(source.stream()).await, ["a", "b"]);
        assert_eq!(server.requests().len(), 1);
    }
    let server = MemoryServer::script([Reply::ok_chunked().chunk(&body).last_chunk()]);
    let source = EventSource::get(server.url("/s")).fetch(server.fetch());
    assert_eq!(all_data(source.stream()).await, ["a", "b"]);
}

/// 117.: What comes after the end of a body is neither read as a part of it nor taken for the answer
/// to the next request.
#[tokio::test]
async fn a_response_after_the_end_of_the_body_answers_nothing() {
    let split = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n\
        data: a\n\n";
    let poison = format!("{}data: poison\n\n", OK);
    let server = support::Server::script([
        Reply::raw(format!("{split}{poison}")),
        Reply::ok("data: b\n\n").fin(),
    ])
    .await;
    let client = reqwest_with_a_pool();
    let policy = RetryPolicy::persistent().base_delay(client::ms(1));
    let source = EventSource::new(client.get(server.url("/s"))).retry(policy);
    assert_eq!(all_data(source.stream()).await, ["a", "b"]);
    let requests = server.requests();
    assert!(!requests[0].same_connection(&requests[1]));
}

/// A client that would take the connection again.
fn reqwest_with_a_pool() -> fetch_event_source::reqwest::Client {
    fetch_event_source::reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
}
