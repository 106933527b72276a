//! The server's log: numbered events, and their bytes in wire form.
//!
//! Every event has its own ID. Between the events are comments, reconnection times, blank lines, and blocks with only an
//! ID.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;

/// An event as it must be delivered.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event_type: &'static str,
    pub(crate) data: String,
    pub(crate) id: String,
    /// Where its bytes begin, including what precedes it.
    pub(crate) start: usize,
}

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Comment,
    Retry,
    Id,
    Type,
    Data,
    Unknown,
    /// Completes an event.
    EventEnd,
    Blank,
}

/// A line, in the bytes of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    /// Where its line end begins.
    pub(crate) end: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// A place where an ID is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// How many events are complete here.
    pub(crate) events: usize,
    /// The number of bytes that commit it: a CR ends a line at once.
    pub(crate) complete: usize,
    /// Where the server continues for a client with this ID.
    pub(crate) resume: usize,
}

pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<Line>,
    /// In their order.
    pub(crate) stops: Vec<Stop>,
    /// Each reconnection time, and the number of bytes up to its end.
    pub(crate) retries: Vec<(usize, Duration)>,
    stop_of_id: HashMap<Vec<u8>, usize>,
}

impl Log {
    /// The same for the same seed.
    pub(crate) fn new(seed: u64, events: usize) -> Self {
        let mut author = Author::new(seed);
        for number in 0..events {
            author.entry(number);
        }
        author.log
    }

    pub(crate) fn stop(&self, id: &[u8]) -> Option<Stop> {
        self.stop_of_id.get(id).map(|&index| self.stops[index])
    }

    /// The last ID that is committed by this many bytes.
    pub(crate) fn last_stop(&self, bytes: usize) -> Option<Stop> {
        let after = self.stops.partition_point(|stop| stop.complete <= bytes);
        after.checked_sub(1).map(|index| self.stops[index])
    }

    /// The lines from this byte on; one must begin there.
    pub(crate) fn lines_from(&self, byte: usize) -> &[Line] {
        &self.lines[self.lines.partition_point(|line| line.start < byte)..]
    }

    /// The reconnection times within these bytes.
    pub(crate) fn retries_within(&self, from: usize, to: usize) -> &[(usize, Duration)] {
        let first = self.retries.partition_point(|(byte, _)| *byte <= from);
        let last = self.retries.partition_point(|(byte, _)| *byte <= to);
        &self.retries[first..last.max(first)]
    }
}

const TYPES: [&str; 6] = ["update", "price", "größe", "価格", "a b:c", "ping🚀"];

const WORDS: [&str; 14] = [
    "a",
    "price",
    "{\"px\":1234.25}",
    "id: 7",
    "data: no",
    ":",
    "größer",
    "価格表",
    "🚀",
    "…",
    "tab\there",
    "0123456789abcdef0123456789abcdef",
    "\u{feff}",
    "retry: 0",
];

/// One in this many events has a line of some KiB, and one in this many a line of some hundred.
const LONG: usize = 211;
const HUGE: usize = 19_997;

struct Author {
    log: Log,
    rng: Rng,
    after_cr: bool,
    line_end: &'static str,
}

impl Author {
    fn new(seed: u64) -> Self {
        let log = Log {
            entries: Vec::new(),
            bytes: Vec::new(),
            lines: Vec::new(),
            stops: Vec::new(),
            retries: Vec::new(),
            stop_of_id: HashMap::new(),
        };
        Self {
            log,
            rng: Rng::with_seed(seed),
            after_cr: false,
            line_end: "\n",
        }
    }

    fn entry(&mut self, number: usize) {
        let start = self.log.bytes.len();
        self.line_end = self.some_line_end();
        self.lead(number);
        self.block(number, start);
    }

    /// Writes lines before an event that are not events.
    fn lead(&mut self, number: usize) {
        if self.one_in(4) {
            let text = self.text();
            self.line(Kind::Comment, &format!(":{text}"));
        }
        if self.one_in(5) {
            self.retry();
        }
        if self.one_in(12) {
            let id = format!("alone-{number}-…");
            self.line(Kind::Id, &format!("id: {id}"));
            self.line(Kind::Blank, "");
            self.stop(id, number);
        }
        if self.one_in(10) {
            self.line(Kind::Blank, "");
        }
        if self.one_in(15) {
            self.line(Kind::Unknown, "unknown: field");
        }
    }

    fn retry(&mut self) {
        let millis = self.rng.u64(2..=8);
        self.line(Kind::Retry, &format!("retry: {millis}"));
        let said = self.log.lines.last().map_or(0, |line| line.end + 1);
        self.log.retries.push((said, Duration::from_millis(millis)));
    }

    fn block(&mut self, number: usize, start: usize) {
        let id = some_id(number);
        let event_type = self.one_in(2).then(|| TYPES[self.rng.usize(..TYPES.len())]);
        let data = self.data(number);
        let mut lines: Vec<_> = data.iter().map(|line| (Kind::Data, line.clone())).collect();
        let at = self.rng.usize(..=lines.len());
        lines.insert(at, (Kind::Id, format!("id: {id}")));
        if self.one_in(20) {
            // Another one before it, which does not count.
            let before = self.rng.usize(..=at);
            lines.insert(before, (Kind::Id, format!("id: wrong-{number}")));
        }
        if let Some(event_type) = event_type {
            let at = self.rng.usize(..=lines.len());
            lines.insert(at, (Kind::Type, format!("event: {event_type}")));
        }
        for (kind, line) in &lines {
            if self.one_in(30) {
                self.line_end = self.some_line_end();
            }
            match kind {
                Kind::Data => self.data_line(line),
                _ => self.line(*kind, line),
            }
        }
        self.line(Kind::EventEnd, "");
        self.stop(id.clone(), number + 1);
        self.log.entries.push(Entry {
            event_type: event_type.unwrap_or("message"),
            data: data.join("\n"),
            id,
            start,
        });
    }

    fn data(&mut self, number: usize) -> Vec<String> {
        let lines = if self.one_in(3) {
            self.rng.usize(2..6)
        } else {
            1
        };
        let mut data: Vec<_> = (0..lines).map(|_| self.text()).collect();
        let long = match number {
            _ if number % HUGE == HUGE / 2 => self.rng.usize(100_000..300_000),
            _ if number % LONG == LONG / 2 => self.rng.usize(4_000..20_000),
            _ => 0,
        };
        while data[0].len() < long {
            let more = self.text();
            data[0].push_str(&more);
        }
        data
    }

    fn text(&mut self) -> String {
        let words = if self.one_in(12) {
            0
        } else {
            self.rng.usize(1..8)
        };
        let words: Vec<_> = (0..words)
            .map(|_| WORDS[self.rng.usize(..WORDS.len())])
            .collect();
        words.join(" ")
    }

    fn data_line(&mut self, value: &str) {
        let line = match self.rng.u8(..4) {
            0 if value.is_empty() => "data".to_owned(),
            1 if !value.starts_with(' ') => format!("data:{value}"),
            _ => format!("data: {value}"),
        };
        self.line(Kind::Data, &line);
    }

    fn line(&mut self, kind: Kind, text: &str) {
        let start = self.log.bytes.len();
        let line_end = match self.line_end {
            // It would complete the CR.
            "\n" if text.is_empty() && self.after_cr => "\r",
            line_end => line_end,
        };
        self.log.bytes.extend_from_slice(text.as_bytes());
        self.log.bytes.extend_from_slice(line_end.as_bytes());
        self.after_cr = line_end == "\r";
        self.log.lines.push(Line {
            kind,
            start,
            end: start + text.len(),
            next: self.log.bytes.len(),
        });
    }

    /// The blank line just written commits this ID.
    fn stop(&mut self, id: String, events: usize) {
        let index = self.log.stops.len();
        self.log.stops.push(Stop {
            events,
            complete: self.log.lines.last().map_or(0, |line| line.end + 1),
            resume: self.log.bytes.len(),
        });
        self.log.stop_of_id.insert(id.into_bytes(), index);
    }

    fn some_line_end(&mut self) -> &'static str {
        ["\n", "\r\n", "\r"][self.rng.usize(..3)]
    }

    fn one_in(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }
}

fn some_id(number: usize) -> String {
    match number % 7 {
        0 => number.to_string(),
        1 => format!("e-{number}"),
        2 => format!("{number:012}"),
        3 => format!("…{number}🚀"),
        4 => format!("number {number} of the log"),
        5 => format!("{number}-{}", "long-".repeat(30)),
        _ => format!("ключ-{number}"),
    }
}
