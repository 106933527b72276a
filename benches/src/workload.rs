//! The workloads, generated, and the same on every machine.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Groups with different goals: in one the cost of each event dominates, in the other the cost of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Small events, many to a chunk.
    Small,
    /// Large events, many lines, comments, small chunks.
    Other,
    /// Without a goal, for context only.
    Context,
}

impl Group {
    /// Its name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Other => "other",
            Self::Context => "context",
        }
    }
}

/// Bytes in chunks, and the expected result.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name in tables and files.
    pub name: &'static str,
    /// Which goal it counts for.
    pub group: Group,
    /// A description of its chunks.
    pub cut: &'static str,
    /// The chunks, all of one allocation.
    pub chunks: Arc<[Bytes]>,
    /// How long the chunks are together.
    pub bytes: usize,
    /// How many events there are.
    pub events: u64,
    /// How long their data is together, as UTF-8 with replacements.
    pub data_bytes: u64,
}

impl Workload {
    /// This text, in chunks of this size.
    #[must_use]
    pub fn cut(
        name: &'static str,
        group: Group,
        cut: &'static str,
        text: Text,
        size: usize,
    ) -> Self {
        let chunks = text.by_size(size);
        Self::of(name, group, cut, text, chunks)
    }

    /// This text, an event a chunk.
    fn cut_by_event(name: &'static str, group: Group, text: Text) -> Self {
        let chunks = text.by_event();
        Self::of(name, group, "one event", text, chunks)
    }

    fn of(
        name: &'static str,
        group: Group,
        cut: &'static str,
        text: Text,
        chunks: Vec<Bytes>,
    ) -> Self {
        let Text {
            bytes,
            events,
            data_bytes,
            ..
        } = text;
        Self {
            name,
            group,
            cut,
            chunks: chunks.into(),
            bytes: bytes.len(),
            events,
            data_bytes,
        }
    }

    /// The chunks as slices.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &chunk[..])
    }
}

/// A stream in one piece, and its expected result.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The bytes.
    pub bytes: Bytes,
    /// How many events there are.
    pub events: u64,
    /// How long their data is together.
    pub data_bytes: u64,
    event_ends: Vec<usize>,
}

impl Text {
    /// Bytes whose events are counted elsewhere.
    #[must_use]
    pub fn uncounted(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            ..Self::default()
        }
    }

    /// In pieces of this size.
    #[must_use]
    pub fn by_size(&self, size: usize) -> Vec<Bytes> {
        let starts = (0..self.bytes.len()).step_by(size);
        starts
            .map(|start| self.bytes.slice(start..self.bytes.len().min(start + size)))
            .collect()
    }

    /// An event a piece.
    #[must_use]
    pub fn by_event(&self) -> Vec<Bytes> {
        let starts = [0].iter().chain(&self.event_ends);
        starts
            .zip(&self.event_ends)
            .map(|(&start, &end)| self.bytes.slice(start..end))
            .collect()
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    events: u64,
    data_bytes: u64,
    event_ends: Vec<usize>,
}

impl Writer {
    /// An event whose wire form is this, and whose data is this long.
    fn event(&mut self, wire: &[u8], data_bytes: usize) {
        self.bytes.extend_from_slice(wire);
        self.events += 1;
        self.data_bytes += data_bytes as u64;
        self.event_ends.push(self.bytes.len());
    }

    fn finish(self) -> Text {
        let Self {
            bytes,
            events,
            data_bytes,
            event_ends,
        } = self;
        Text {
            bytes: bytes.into(),
            events,
            data_bytes,
            event_ends,
        }
    }
}

/// How a workload is made.
type Make = fn(&'static str) -> Workload;

const SIXTEEN: usize = 16 * KIB;

/// The workloads of the comparison, in the order of the tables.
const CATALOGUE: [(&str, Make); 15] = {
    use Group::{Context, Other, Small};
    [
        ("tokens", |name| {
            Workload::cut(name, Small, "16 KiB", tokens(20_000), SIXTEEN)
        }),
        ("notices", |name| {
            Workload::cut(name, Small, "16 KiB", notices(40_000, "\n"), SIXTEEN)
        }),
        ("tiny", |name| {
            Workload::cut(name, Small, "16 KiB", tiny(200_000), SIXTEEN)
        }),
        ("CRLF", |name| {
            Workload::cut(name, Small, "16 KiB", notices(40_000, "\r\n"), SIXTEEN)
        }),
        ("CR", |name| {
            Workload::cut(name, Small, "16 KiB", notices(40_000, "\r"), SIXTEEN)
        }),
        ("mixed text", |name| {
            Workload::cut(name, Small, "16 KiB", mixed(20_000, true), SIXTEEN)
        }),
        ("tokens, one event a chunk", |name| {
            Workload::cut_by_event(name, Other, tokens(20_000))
        }),
        ("tokens, 200 B chunks", |name| {
            Workload::cut(name, Other, "200 B", tokens(20_000), 200)
        }),
        ("lines", |name| {
            Workload::cut(name, Other, "16 KiB", lines(1_000, 100), SIXTEEN)
        }),
        ("large, 64 × 64 KiB", |name| {
            Workload::cut(name, Other, "16 KiB", large(64, 64 * KIB), SIXTEEN)
        }),
        ("large, 8 × 1 MiB", |name| {
            Workload::cut(name, Other, "16 KiB", large(8, MIB), SIXTEEN)
        }),
        ("large, 1 × 15 MiB", |name| {
            Workload::cut(name, Other, "8 KiB", large(1, 15 * MIB), 8 * KIB)
        }),
        ("comments", |name| {
            Workload::cut(name, Other, "16 KiB", comments(200_000), SIXTEEN)
        }),
        ("trickle", |name| {
            Workload::cut(name, Other, "1 B", notices(4_000, "\n"), 1)
        }),
        ("mixed text, all valid", |name| {
            Workload::cut(name, Context, "16 KiB", mixed(20_000, false), SIXTEEN)
        }),
    ]
};

/// Their names, in the order of the tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|(name, _)| *name)
}

/// The one of this name.
#[must_use]
pub fn named(name: &str) -> Option<Workload> {
    let (name, make) = CATALOGUE.iter().find(|(candidate, _)| *candidate == name)?;
    Some(make(name))
}

/// All of them.
pub fn all() -> impl Iterator<Item = Workload> {
    CATALOGUE.iter().map(|(name, make)| make(name))
}

/// Tokens of an LLM.
#[must_use]
pub fn tokens(count: usize) -> Text {
    token_events(count, |n, content| {
        let _ = write!(content, " tok{n}");
    })
}

fn token_events(count: usize, mut content: impl FnMut(usize, &mut String)) -> Text {
    let mut text = Writer::default();
    let (mut data, mut said) = (String::new(), String::new());
    for n in 0..count {
        said.clear();
        content(n, &mut said);
        data.clear();
        token(&mut data, &said);
        text.event(format!("data: {data}\n\n").as_bytes(), data.len());
    }
    text.finish()
}

fn token(data: &mut String, content: &str) {
    let _ = write!(
        data,
        r#"{{"id":"chatcmpl-9x8y7z","object":"chat.completion.chunk","created":1732233600,"model":"m-4","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#
    );
}

/// Notices of a subscription: IDs change, the type stays.
#[must_use]
pub fn notices(count: usize, line_end: &str) -> Text {
    let mut text = Writer::default();
    for n in 0..count {
        let data = format!(r#"{{"sym":"ABC","px":{n}.25}}"#);
        let wire =
            format!("id: {n}{line_end}event: update{line_end}data: {data}{line_end}{line_end}");
        text.event(wire.as_bytes(), data.len());
    }
    if line_end == "\r" {
        // Some parsers hold the last event back until they know that no LF follows.
        text.bytes.push(b'\n');
    }
    text.finish()
}

/// Events whose type and ID never change.
#[must_use]
pub fn repeating(count: usize) -> Text {
    let mut text = Writer::default();
    for n in 0..count {
        let data = format!(r#"{{"sym":"ABC","px":{n}.25}}"#);
        let wire = format!("id: 0123456789abcdef\nevent: update\ndata: {data}\n\n");
        text.event(wire.as_bytes(), data.len());
    }
    text.finish()
}

fn tiny(count: usize) -> Text {
    let mut text = Writer::default();
    for _ in 0..count {
        text.event(b"data: x\n\n", 1);
    }
    text.finish()
}

/// Events of this many data lines of about 30 bytes.
#[must_use]
pub fn lines(count: usize, lines: usize) -> Text {
    let mut text = Writer::default();
    for n in 0..count {
        let (mut wire, mut data_bytes) = (String::new(), lines - 1);
        for line in 0..lines {
            let value = format!("row {n:06} column {line:06} = {:04}", (n * line) % 10_000);
            data_bytes += value.len();
            let _ = writeln!(wire, "data: {value}");
        }
        wire.push('\n');
        text.event(wire.as_bytes(), data_bytes);
    }
    text.finish()
}

/// One event of this many data lines of one byte.
#[must_use]
pub fn short_lines(lines: usize) -> Text {
    let mut text = Writer::default();
    let mut wire = "data: x\n".repeat(lines);
    wire.push('\n');
    text.event(wire.as_bytes(), 2 * lines - 1);
    text.finish()
}

/// Events of one line with data of this length.
#[must_use]
pub fn large(count: usize, size: usize) -> Text {
    const WORDS: &str = "the quick brown fox jumps over the lazy dog and 0123456789 others; ";
    let mut data = WORDS.repeat(size / WORDS.len() + 1);
    data.truncate(size);
    let wire = format!("data: {data}\n\n");
    let mut text = Writer::default();
    for _ in 0..count {
        text.event(wire.as_bytes(), size);
    }
    text.finish()
}

/// Keep-alive comments of a quiet channel.
#[must_use]
pub fn comments(count: usize) -> Text {
    Text::uncounted(": keep-alive\n\n".repeat(count))
}

/// Tokens in Chinese, with emoji; one byte in a hundred of the content can be invalid.
fn mixed(count: usize, invalid: bool) -> Text {
    const CHINESE: [&str; 6] = [
        "服务器推送的事件",
        "一个字符接一个字",
        "数据流不会停下来",
        "重新连接之后继续",
        "今天天气非常好呢",
        "我们读取每个字段",
    ];
    const EMOJI: [&str; 4] = ["😀", "🚀", "🌏", "🎉"];
    // A stray byte, a lone continuation, a character that breaks off, an overlong one.
    const INVALID: [&[u8]; 4] = [b"\xff", b"\x80", b"\xe4\xb8", b"\xc0"];

    let mut text = Writer::default();
    let (mut owed, mut broken) = (0_i64, 0);
    let mut data = String::new();
    for n in 0..count {
        let content = format!("{}{}", CHINESE[n % CHINESE.len()], EMOJI[n % EMOJI.len()]);
        data.clear();
        token(&mut data, &content);
        let mut bytes = data.clone().into_bytes();
        owed += content.len() as i64;
        while invalid && owed >= 100 {
            // In the middle of the content, between two characters.
            let at = data.find(&content).unwrap_or(0) + 12;
            let piece = INVALID[broken % INVALID.len()];
            bytes.splice(at..at, piece.iter().copied());
            owed -= 100 * piece.len() as i64;
            broken += 1;
        }
        let data_bytes = String::from_utf8_lossy(&bytes).len();
        let wire = [b"data: ", &bytes[..], b"\n\n"].concat();
        text.event(&wire, data_bytes);
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_whole_text() {
        for workload in all() {
            let bytes: usize = workload.slices().map(<[u8]>::len).sum();
            assert_eq!(bytes, workload.bytes, "{}", workload.name);
            assert!(
                workload.slices().all(|chunk| !chunk.is_empty()),
                "{}",
                workload.name
            );
        }
    }

    #[test]
    fn one_byte_in_a_hundred_of_mixed_content_is_invalid() {
        let text = mixed(20_000, true);
        let content = 20_000 * 28;
        let added = text.bytes.len() - mixed(20_000, false).bytes.len();
        assert!(
            added.abs_diff(content / 100) < content / 1000,
            "{added} of {content}"
        );
    }
}
