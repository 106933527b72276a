//! The parser against a naive model of the standard, on random token soup, with and without
//! a limit, cut at random.

#![allow(clippy::unwrap_used)]

use crate::parsing;
use crate::parsing::{Given, Random, parse};
use fetch_event_source::Parser;

/// The standard's algorithm, on the whole body at once.
#[derive(Clone, Default)]
struct Model {
    data: String,
    event_type: String,
    id_buffer: String,
    last_event_id: String,
    given: Vec<Given>,
    /// The block had an `id` line that counts.
    has_own_id: bool,
    /// For each event whether it had.
    own_ids: Vec<bool>,
    /// The `id` line of the event that was too large.
    id_of_too_large: Option<String>,
}

/// What a body leads to.
#[derive(Debug, PartialEq)]
struct Outcome {
    given: Vec<Given>,
    last_event_id: String,
    own_ids: Vec<bool>,
    id_of_too_large: Option<String>,
    /// What `Parser::finish` gives.
    unfinished: Option<Given>,
}

impl Model {
    fn run(body: &[u8], limit: usize, id: &str) -> Outcome {
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
        if model.is_too_large(rest, limit) {
            return model.finish();
        }
        let mut ended = model.clone();
        // What was undecided is malformed now.
        let whole = String::from_utf8_lossy(body);
        let whole = whole.strip_prefix('\u{feff}').unwrap_or(&whole);
        let last = &whole[text.len() - rest.len()..];
        let mut unfinished = None;
        if !ended.is_too_large(last, limit) {
            if !last.is_empty() {
                ended.line(last);
            }
            let before = ended.given.len();
            ended.dispatch();
            unfinished = ended.given[before..].first().cloned();
        }
        let mut outcome = model.finish();
        outcome.unfinished = unfinished.filter(Given::is_of_events);
        outcome
    }

    fn finish(self) -> Outcome {
        Outcome {
            given: self.given,
            last_event_id: self.last_event_id,
            own_ids: self.own_ids,
            id_of_too_large: self.id_of_too_large,
            unfinished: None,
        }
    }

    fn is_too_large(&mut self, line: &str, limit: usize) -> bool {
        let held = self.data.len() + self.event_type.len() + self.id_buffer.len();
        // An empty line holds nothing that was not held, and accepted, before.
        let too_large = !line.is_empty() && held + line.len() > limit;
        if too_large {
            self.given.push(Given::TooLarge);
            self.id_of_too_large = self.has_own_id.then(|| self.id_buffer.clone());
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
            "id" if !value.contains('\0') => {
                self.id_buffer = value.to_owned();
                self.has_own_id = true;
            }
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
        let has_own_id = std::mem::take(&mut self.has_own_id);
        if let Some(data) = std::mem::take(&mut self.data).strip_suffix('\n') {
            let event_type = if event_type.is_empty() {
                "message"
            } else {
                &event_type
            };
            self.given
                .push(parsing::typed(event_type, data, &self.last_event_id));
            self.own_ids.push(has_own_id);
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

/// Mostly events of one data line, as `events()` takes them past the parser.
fn plain(random: &mut Random) -> Vec<u8> {
    let mut body = random.pick(&[&b""[..], b"", b"\xEF\xBB\xBF"]).to_vec();
    let malformed = random.below(3) == 0;
    for _ in 0..=random.below(30) {
        body.extend_from_slice(b"data: ");
        let len = random.pick(&[0, 1, 2, 7, 30, 64, 170, 500, 1500]);
        body.extend(vec![b'y'; random.below(len + 1)]);
        if random.below(4) == 0 {
            body.extend("\u{20ac}\u{1f600}".bytes());
        }
        if malformed {
            body.extend_from_slice(random.pick(&[
                &b""[..],
                b"\xFF",
                b"\xE2\x82",
                b"\xF0\x9F\x98z",
            ]));
        }
        body.extend_from_slice(b"\n\n");
        if random.below(6) == 0 {
            body.extend_from_slice(random.pick(TOKENS));
        }
    }
    body.truncate(body.len() - random.below(4));
    body
}

fn outcome<'a>(mut parser: Parser, chunks: impl Iterator<Item = &'a [u8]> + Clone) -> Outcome {
    let (given, last_event_id) = parse(parser.clone(), chunks.clone());
    let (mut own_ids, mut id_of_too_large) = (Vec::new(), None);
    for mut chunk in chunks {
        loop {
            match parser.next_event(&mut chunk) {
                Ok(Some(event)) => own_ids.push(event.has_own_id()),
                Ok(None) => break,
                Err(error) => {
                    id_of_too_large = error.last_event_id().map(str::to_owned);
                    break;
                }
            }
        }
    }
    let unfinished = parser.finish().map(Given::from);
    assert_eq!(parser.finish(), None, "once");
    Outcome {
        given,
        last_event_id,
        own_ids,
        id_of_too_large,
        unfinished,
    }
}

/// What `events()` gives of it.
fn of_events(outcome: &Outcome) -> Vec<(Given, bool)> {
    let events = outcome.given.iter().filter(|given| given.is_of_events());
    let own_ids = outcome.own_ids.iter().copied().chain([false]);
    events.cloned().zip(own_ids).collect()
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
            let chunks = || cut.iter().map(|chunk| &body[chunk.clone()]);
            let how = || format!("seed {seed}, {limit}, {cut:?} of {}", body.escape_ascii());
            assert_eq!(outcome(parser.clone(), chunks()), expected, "{}", how());
            assert_eq!(
                parsing::streamed("", limit, chunks()),
                of_events(&expected),
                "events(): {}",
                how()
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

#[test]
fn same_as_the_model_where_events_are_plain() {
    compare_bodies(800, plain, |_| usize::MAX);
    compare_bodies(500, plain, |random| random.below(100));
    compare_bodies(300, plain, |random| 400 + random.below(3000));
}

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
            id.clone_from(&expected.last_event_id);
            let mut found = Vec::new();
            for chunk in cut {
                parsing::feed(&mut parser, &body[chunk], &mut found);
            }
            assert_eq!(
                found, expected.given,
                "seed {seed}, connection {connection}"
            );
            assert_eq!(parser.last_event_id(), id, "seed {seed}");
            parser.reset();
        }
    }
}
