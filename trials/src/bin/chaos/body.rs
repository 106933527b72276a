//! The body of one response: which bytes of the log, where it is cut, and into which pieces.

use std::time::Duration;

use fastrand::Rng;

use crate::log::{Kind, Line, Log};
use crate::plan::{Phase, Plan};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// This many bytes at either end may be cut into small pieces.
const FINE_ZONE: usize = 300;

/// How many pieces may be small: a client need not accept any number of tiny frames.
const MANY: usize = 60;

/// The reconnection time of a plan with a long wait.
pub(crate) const LONG_WAIT: Duration = Duration::from_millis(400);

pub(crate) struct Body {
    /// The bytes before the cut.
    pub(crate) bytes: Vec<u8>,
    /// The bytes after the cut.
    pub(crate) more: Vec<u8>,
    /// The actual place of the cut: near the end of the log there may be none of the planned kind.
    pub(crate) phase: Phase,
    prelude: usize,
    start: usize,
    retries: Vec<(usize, Duration)>,
}

impl Body {
    pub(crate) fn new(log: &Log, start: usize, events: usize, plan: &Plan, phase: Phase) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let (mut bytes, retry) = prelude(&mut rng, phase, plan.long_wait);
        let mut retries: Vec<_> = retry.map(|time| (start, time)).into_iter().collect();
        let whole_prelude = bytes.len();
        let (cut, found) = match phase {
            Phase::BodyStart => (start, phase),
            Phase::ByteOrderMark => (start, phase),
            _ => cut(log, start, events + plan.quota, phase, &mut rng),
        };
        bytes.extend_from_slice(&log.bytes[start..cut]);
        let rest = &log.bytes[cut..];
        let more = rest[..rest.len().min(rng.usize(1..200))].to_vec();
        match phase {
            Phase::BodyStart => bytes.clear(),
            Phase::ByteOrderMark => bytes.truncate(rng.usize(1..BYTE_ORDER_MARK.len())),
            _ => retries.extend_from_slice(log.retries_within(start, cut + more.len())),
        }
        if bytes.len() < whole_prelude {
            retries.clear();
        }
        Self {
            prelude: whole_prelude.min(bytes.len()),
            more,
            phase: found,
            bytes,
            start,
            retries,
        }
    }

    /// How much of the log is sent with this much of the body.
    pub(crate) fn in_log(&self, sent: usize) -> usize {
        self.start + sent.saturating_sub(self.prelude)
    }

    /// The reconnection times sent by then, with their places in the log.
    pub(crate) fn retries(&self, sent: usize) -> Vec<(usize, Duration)> {
        let to = self.in_log(sent);
        let in_prelude = sent >= self.prelude;
        self.retries
            .iter()
            .copied()
            .filter(|(said, _)| *said <= to && (*said > self.start || in_prelude))
            .collect()
    }

    /// The ends of the pieces in which it is sent. They are small at either end, and split line ends and characters on
    /// purpose.
    pub(crate) fn pieces(&self, rng: &mut Rng) -> Vec<usize> {
        let fine = [2, 9, 60, 1500, usize::MAX][rng.usize(..5)];
        let coarse = [700, 4000, 30_000][rng.usize(..3)];
        let mut ends = Vec::new();
        let mut small = 0;
        let mut at = 0;
        while at < self.bytes.len() {
            let is_fine = at < FINE_ZONE || at + FINE_ZONE > self.bytes.len();
            let most = match is_fine && small < MANY {
                true => fine.min(FINE_ZONE),
                false => coarse,
            };
            let mut end = at + rng.usize(1..=most);
            if !is_fine && end + FINE_ZONE < self.bytes.len() && rng.bool() {
                end = self.next_split(end, rng);
            }
            small += usize::from(end - at < 100);
            at = end.min(self.bytes.len());
            ends.push(at);
        }
        ends
    }

    /// The next place within a CRLF or a character, or one byte past a blank line.
    fn next_split(&self, from: usize, rng: &mut Rng) -> usize {
        let kind = rng.u8(..3);
        let splits = |at: &usize| match kind {
            0 => self.bytes[*at] & 0xc0 == 0x80,
            1 => self.bytes[*at] == b'\n' && self.bytes[*at - 1] == b'\r',
            _ => self.bytes[..*at - 1].ends_with(b"\n\n"),
        };
        let near = from..(from + 300).min(self.bytes.len());
        near.clone().find(splits).unwrap_or(from)
    }
}

/// The beginning of each connection, which belongs to no event.
fn prelude(rng: &mut Rng, phase: Phase, long_wait: bool) -> (Vec<u8>, Option<Duration>) {
    let mut bytes = Vec::new();
    if phase == Phase::ByteOrderMark || rng.u8(..3) == 0 {
        bytes.extend_from_slice(BYTE_ORDER_MARK);
    }
    if rng.bool() {
        bytes.extend_from_slice(": willkommen — ようこそ\n".as_bytes());
    }
    let retry = match rng.u8(..5) {
        _ if long_wait => Some(LONG_WAIT),
        0 => None,
        _ => Some(Duration::from_millis(rng.u64(3..=12))),
    };
    if let Some(time) = retry {
        bytes.extend_from_slice(format!("retry: {}\n", time.as_millis()).as_bytes());
    }
    if rng.bool() {
        bytes.push(b'\n');
    }
    (bytes, retry)
}

/// The place of a cut in this phase, at or after an event of this number.
fn cut(log: &Log, start: usize, event: usize, phase: Phase, rng: &mut Rng) -> (usize, Phase) {
    let from = log
        .entries
        .get(event)
        .map_or(log.bytes.len(), |entry| entry.start);
    let wanted = match phase {
        Phase::Framing | Phase::AfterEnd => match rng.bool() {
            true => Phase::BetweenEvents,
            false => Phase::Data,
        },
        phase => phase,
    };
    let skipped = rng.usize(..3);
    let places = log
        .lines_from(from.max(start))
        .iter()
        .filter_map(|line| place(log, line, wanted, rng))
        .take(skipped + 1);
    match places.last() {
        Some(place) => (place, phase),
        None if phase == Phase::AfterEnd => (log.bytes.len(), phase),
        None => (log.bytes.len(), Phase::BetweenEvents),
    }
}

fn place(log: &Log, line: &Line, phase: Phase, rng: &mut Rng) -> Option<usize> {
    let within = |kind, rng: &mut Rng| {
        let fits = line.kind == kind && line.end > line.start;
        fits.then(|| rng.usize(line.start + 1..=line.end))
    };
    match phase {
        Phase::Comment => within(Kind::Comment, rng),
        Phase::Retry => within(Kind::Retry, rng),
        Phase::Id => within(Kind::Id, rng),
        Phase::Type => within(Kind::Type, rng),
        Phase::Data => within(Kind::Data, rng),
        Phase::Crlf => (line.next - line.end == 2).then_some(line.end + 1),
        Phase::Character => {
            let is_inside = |at: &usize| log.bytes[*at] & 0xc0 == 0x80;
            let inside: Vec<_> = (line.start..line.end).filter(is_inside).collect();
            rng.choice(inside)
        }
        Phase::BeforeBlank => (line.kind == Kind::EventEnd).then_some(line.start),
        _ => (line.kind == Kind::EventEnd).then_some(line.next),
    }
}
