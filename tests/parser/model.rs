//! The parser against a naive model of the standard, on random token soup, with and without
//! a limit, cut at random.

#![allow(clippy::unwrap_used)]

use crate::parsing;
use crate::parsing::{Given, Random, parse};
use fetch_event_source::Parser;

/// The standard's algorithm, on the whole body at once.
#[derive(Default)]
struct Model {
    data: String,
    event_type: String,
    id_buffer: String,
    last_event_id: String,
    given: Vec<Given>,
}

impl Model {
    fn run(body: &[u8], limit: usize, id: &str) -> (Vec<Given>, String) {
        let mut model = Self {
            id_buffer: id.to_owned(),
            last_event_id: id.to_owned(),
            ..Self::default()
        };
        let text = decode(body);
        let mut rest = text.as_str();
        while let Some(end) = rest.find(['\r', '\n']) {
            if model.is_too_large(&rest[..end], limit) {
                return model.finish();
            }
            model.line(&rest[..end]);
            let crlf = rest[end..].starts_with("\r\n");
            rest = &rest[end + 1 + usize::from(crlf)..];
        }
        model.is_too_large(rest, limit);
        model.finish()
    }

    fn finish(self) -> (Vec<Given>, String) {
        (self.given, self.last_event_id)
    }

    fn is_too_large(&mut self, line: &str, limit: usize) -> bool {
        let held = self.data.len() + self.event_type.len() + self.id_buffer.len();
        // An empty line holds nothing that was not held, and accepted, before.
        let too_large = !line.is_empty() && held + line.len() > limit;
        if too_large {
            self.given.push(Given::TooLarge);
        }
        too_large
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.given.push(Given::Comment(value.to_owned())),
            "data" => self.data += &format!("{value}\n"),
            "event" => self.event_type = value.to_owned(),
            "id" if !value.contains('\0') => self.id_buffer = value.to_owned(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.given
                    .push(Given::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            "id" | "retry" => {}
            _ => self.given.push(Given::Ignored(line.to_owned())),
        }
    }

    fn dispatch(&mut self) {
        let changed = self.last_event_id != self.id_buffer;
        self.last_event_id = self.id_buffer.clone();
        let event_type = std::mem::take(&mut self.event_type);
        if let Some(data) = std::mem::take(&mut self.data).strip_suffix('\n') {
            let event_type = if event_type.is_empty() {
                "message"
            } else {
                &event_type
            };
            self.given
                .push(parsing::typed(event_type, data, &self.last_event_id));
        } else if changed {
            self.given
                .push(Given::LastEventId(self.last_event_id.clone()));
        }
    }
}

/// The text as far as it is decided: the end may be half a character.
fn decode(body: &[u8]) -> String {
    let undecided = (1..=3.min(body.len()))
        .find(|n| {
            let end = std::str::from_utf8(&body[body.len() - n..]);
            end.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0);
    let text = String::from_utf8_lossy(&body[..body.len() - undecided]).into_owned();
    text.strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text)
}

const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\r",
    b"data",
    b"data:",
    b"data: ",
    b"data: x\n",
    b"event:",
    b"event: ",
    b"event",
    b"id:",
    b"id: ",
    b"id",
    b"retry:",
    b"retry: ",
    b":",
    b" ",
    b"\t",
    b"0",
    b"15",
    b"18446744073709551616",
    b"x",
    b"\xEF\xBB\xBF",
    b"\xE2\x82\xAC",
    b"\xF0\x9F\x98\x80",
    b"\x80",
    b"\xE2\x82",
    b"\xFF",
    b"\0",
    b"\xC3",
    b"\xED\xA0\x80",
    b"\x0B",
    b"\x0C",
    b"\xC2\x85",
    b"\xE2\x80\xA8",
    b"Data:",
    b"datum:",
    b"id: 7\n",
    b"event: t\n",
];

fn soup(random: &mut Random) -> Vec<u8> {
    let mut body = random
        .pick(&[&b""[..], b"", b"\xEF\xBB\xBF", b"\xEF\xBB"])
        .to_vec();
    for _ in 0..=random.below(40) {
        body.extend_from_slice(random.pick(TOKENS));
        match random.below(60) {
            0..=12 => body.extend_from_slice(random.pick(&[&b"\n\n"[..], b"\r\n\r\n", b"\r\r"])),
            13 => body.extend(vec![b'y'; random.below(3000)]),
            14 => body.extend("\u{20ac}".repeat(random.below(600)).bytes()),
            15 => body.extend(b"z\xFF".repeat(random.below(80))),
            _ => {}
        }
    }
    body
}

/// Of one kind, or mixed.
const ENDS: &[&[&[u8]]] = &[&[b"\n"], &[b"\r\n"], &[b"\r"], &[b"\n", b"\r", b"\r\n"]];

/// Mostly comments, in runs of up to some windows, with little between.
fn comments(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..=random.below(12) {
        let ends = random.pick(ENDS);
        for _ in 0..random.below(300) {
            body.push(b':');
            match random.below(40) {
                0 => body.extend(vec![b'y'; random.below(9000)]),
                1 => body.extend("\u{20ac}".repeat(random.below(30)).bytes()),
                2 => body.extend(b"\xFF\xE2\x82".repeat(random.below(1500))),
                3 => body.extend(b"data: y ".repeat(random.below(40))),
                _ => body.extend(vec![b':'; random.below(70)]),
            }
            for _ in 0..=random.below(3) {
                body.extend_from_slice(random.pick(ends));
            }
        }
        body.extend_from_slice(random.pick(&[
            &b"data: x\n\n"[..],
            b"data:\r\r",
            b"id: 7\n",
            b"id: 8\r\n\r\n",
            b"event: t\n",
            b"retry: 15\n",
            b" : x\n",
            b"\xEF\xBB\xBF: x\n",
            b"x",
        ]));
    }
    body
}

fn compare(rounds: u64, limit: impl Fn(&mut Random) -> usize) {
    compare_bodies(rounds, soup, limit);
}

fn compare_bodies(
    rounds: u64,
    body: impl Fn(&mut Random) -> Vec<u8>,
    limit: impl Fn(&mut Random) -> usize,
) {
    for seed in 0..rounds {
        let mut random = Random(seed);
        let body = body(&mut random);
        let limit = limit(&mut random);
        let parser = Parser::new().max_event_size(limit);
        let expected = Model::run(&body, limit, "");
        let mut cuts = vec![random.cut(body.len()), random.cut(body.len())];
        cuts.push((0..body.len()).map(|i| i..i + 1).collect());
        cuts.push(random.sizes(body.len()));
        cuts.push(std::iter::once(0..body.len()).collect());
        for cut in cuts {
            let given = parse(parser.clone(), cut.iter().map(|chunk| &body[chunk.clone()]));
            assert_eq!(
                given,
                expected,
                "seed {seed}, limit {limit}, {cut:?} of {}",
                body.escape_ascii()
            );
        }
    }
}

#[test]
fn same_as_the_model() {
    compare(6000, |_| usize::MAX);
}

#[test]
fn same_as_the_model_with_small_limits() {
    compare(6000, |random| random.below(60));
}

#[test]
fn same_as_the_model_with_larger_limits() {
    compare(3000, |random| 400 + random.below(3000));
}

/// Where events alone are asked for, comments are passed over by a way of their own.
#[test]
fn same_as_the_model_where_there_is_little_but_comments() {
    compare_bodies(60, comments, |_| usize::MAX);
    compare_bodies(60, comments, |random| 4_000 + random.below(20_000));
}

/// One parser, several connections, each left anywhere: all that goes from one to the next is the ID.
#[test]
fn same_as_the_model_over_several_connections() {
    for seed in 0..2000 {
        let mut random = Random(seed);
        let limit = random.pick(&[usize::MAX, 50, 2000]);
        let mut parser = Parser::new().max_event_size(limit);
        let mut id = String::new();
        for connection in 0..4 {
            let body = soup(&mut random);
            let cut = random.sizes(body.len());
            let expected = Model::run(&body, limit, &id);
            id = expected.1;
            let mut found = Vec::new();
            for chunk in cut {
                parsing::feed(&mut parser, &body[chunk], &mut found);
            }
            assert_eq!(found, expected.0, "seed {seed}, connection {connection}");
            assert_eq!(parser.last_event_id(), id, "seed {seed}");
            parser.reset();
        }
    }
}
