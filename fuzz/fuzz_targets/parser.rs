//! The parser against a naive model of the standard, however the bytes are cut.
//!
//! The first byte chooses how the rest is cut. The model shares no code with the library: it takes
//! the whole body, decodes it, splits it into lines, and follows HTML standard 9.2.6 to the letter.
#![no_main]

use fetch_event_source::{Frame, Parser};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Type, data, last event ID.
    events: Vec<(String, String, String)>,
    comments: Vec<String>,
    retries: Vec<u64>,
    last_event_id: String,
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, body)) = input.split_first() else {
        return;
    };
    let expected = model(body);
    assert_eq!(parsed(body.chunks(body.len().max(1))), expected, "whole");
    assert_eq!(parsed(body.chunks(1)), expected, "byte by byte");
    assert_eq!(
        parsed(body.chunks(usize::from(cut % 31) + 1)),
        expected,
        "in pieces"
    );
    let (head, tail) = body.split_at(usize::from(cut) % (body.len() + 1));
    assert_eq!(parsed([head, tail].into_iter()), expected, "in two");
});

fn parsed<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::new();
    let mut outcome = Outcome::default();
    for mut chunk in chunks {
        while let Some(frame) = parser.next(&mut chunk).expect("within the limit") {
            match frame {
                Frame::Event(event) => outcome.events.push((
                    event.event_type.to_owned(),
                    event.data.to_owned(),
                    event.last_event_id.to_owned(),
                )),
                Frame::Comment(text) => outcome.comments.push(text.to_owned()),
                Frame::Retry(time) => {
                    outcome
                        .retries
                        .push(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                }
                _ => {}
            }
        }
        assert!(chunk.is_empty(), "all is consumed");
    }
    outcome.last_event_id = parser.last_event_id().to_owned();
    outcome
}

fn model(body: &[u8]) -> Outcome {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // not ended: "pending data must be discarded"
    let mut outcome = Outcome::default();
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());
    for line in lines {
        if line.is_empty() {
            outcome.last_event_id.clone_from(&id);
            let event_type = std::mem::take(&mut event_type);
            let mut data = std::mem::take(&mut data);
            if data.pop().is_some() {
                let event_type = if event_type.is_empty() {
                    "message".into()
                } else {
                    event_type
                };
                outcome.events.push((event_type, data, id.clone()));
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => outcome.comments.push(value.to_owned()),
            "data" => data = data + value + "\n",
            "event" => event_type = value.to_owned(),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                outcome.retries.push(value.parse().unwrap_or(u64::MAX)); // past the end: the end
            }
            _ => {}
        }
    }
    outcome
}
