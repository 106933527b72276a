//! The fuzzer's bytes, read as the set-up of a parser and a body.

use fetch_event_source::Parser;

use crate::model::Model;

/// A body, and how it is read.
#[derive(Debug)]
pub struct Body {
    /// `None`: the default, which no body here reaches.
    pub limit: Option<usize>,
    /// The last event ID to begin with.
    pub id: &'static str,
    /// The end of the first connection, and the start of the next.
    pub reset_at: Option<usize>,
    pub bytes: Vec<u8>,
}

impl Body {
    /// The first byte says what else there is before the body. What stands for a long value in it
    /// has `long` bytes.
    pub fn read(input: &[u8], long: usize) -> Option<Self> {
        let (&flags, mut rest) = input.split_first()?;
        let mut byte = || {
            let (&first, others) = rest.split_first()?;
            rest = others;
            Some(usize::from(first))
        };
        let limit = match flags % 4 {
            0 | 1 => None,
            2 => Some(byte()?),
            _ => Some(byte()? * 16),
        };
        let reset_at = match flags & 8 {
            0 => None,
            _ => Some(byte()?),
        };
        let bytes = match flags & 0xF0 {
            0..0xF0 => rest.to_vec(),
            _ => stretch(rest, long),
        };
        Some(Self {
            limit,
            id: ["", "an ID"][usize::from(flags & 4 > 0)],
            reset_at: reset_at.map(|at| at.min(bytes.len())),
            bytes,
        })
    }

    pub fn parser(&self) -> Parser {
        let parser = Parser::new().with_last_event_id(self.id);
        match self.limit {
            Some(limit) => parser.max_event_size(limit),
            None => parser,
        }
    }

    pub fn model(&self) -> Model {
        Model::new(self.id, self.limit.unwrap_or(usize::MAX))
    }

    /// The bytes of each connection.
    pub fn connections(&self) -> Vec<&[u8]> {
        match self.reset_at {
            Some(at) => <[_; 2]>::from(self.bytes.split_at(at)).to_vec(),
            None => vec![&self.bytes],
        }
    }
}

/// Two control characters stand for long values, which the fuzzer would take long to find.
fn stretch(bytes: &[u8], long: usize) -> Vec<u8> {
    let (long, wide) = ("y".repeat(long), "\u{20ac}".repeat(400));
    let stretched = bytes.iter().flat_map(|byte| match byte {
        0x1E => long.as_bytes(),
        0x1F => wide.as_bytes(),
        byte => std::slice::from_ref(byte),
    });
    stretched.copied().take(long.len() + 4000).collect()
}
