//! Counts how often each fault happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::plan::{Cell, Fault, Phase, Protocol, Refusal, RetryAfter, Target, Transport, deck};

/// Counts faults that happened, not those that were planned.
#[derive(Debug, Default)]
pub(crate) struct Coverage(Mutex<BTreeMap<Cell, u32>>);

impl Coverage {
    pub(crate) fn count(&self, cell: Cell) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(cell).or_default() += 1;
    }

    fn of(&self, cell: Cell) -> u32 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&cell).copied().unwrap_or_default()
    }

    /// Returns the possible faults that happened less often than this.
    pub(crate) fn gaps(&self, at_least: u32) -> Vec<(Cell, u32)> {
        all()
            .into_iter()
            .map(|cell| (cell, self.of(cell)))
            .filter(|(_, count)| *count < at_least)
            .collect()
    }

    /// A table for each transport: faults down, phases across.
    pub(crate) fn tables(&self) -> String {
        let cells = all();
        let transports: BTreeSet<_> = cells.iter().map(|cell| cell.transport).collect();
        let mut tables: Vec<_> = transports
            .iter()
            .map(|transport| {
                let cells: BTreeSet<_> = cells
                    .iter()
                    .filter(|cell| cell.transport == *transport)
                    .copied()
                    .collect();
                self.table(&transport.to_string(), &cells)
            })
            .collect();
        tables.push(self.table("all transports", &cells));
        tables.join("\n")
    }

    fn table(&self, title: &str, cells: &BTreeSet<Cell>) -> String {
        let faults: BTreeSet<_> = cells.iter().map(|cell| cell.fault).collect();
        let phases: BTreeSet<_> = cells.iter().map(|cell| cell.phase).collect();
        let mut rows = vec![header(title, &phases)];
        for fault in &faults {
            let mut row = vec![fault.to_string()];
            let mut sum = 0;
            for phase in &phases {
                let counts: Vec<_> = cells
                    .iter()
                    .filter(|cell| cell.fault == *fault && cell.phase == *phase)
                    .map(|cell| self.of(*cell))
                    .collect();
                sum += counts.iter().sum::<u32>();
                row.push(match counts.is_empty() {
                    true => "·".to_owned(),
                    false => counts.iter().sum::<u32>().to_string(),
                });
            }
            row.push(sum.to_string());
            rows.push(row);
        }
        aligned(&rows)
    }
}

/// All that can happen, each once.
fn all() -> BTreeSet<Cell> {
    [Protocol::Http1, Protocol::Http2]
        .into_iter()
        .flat_map(deck)
        .collect()
}

fn header(title: &str, phases: &BTreeSet<Phase>) -> Vec<String> {
    let mut row = vec![title.to_owned()];
    row.extend(phases.iter().map(Phase::to_string));
    row.push("sum".to_owned());
    row
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{:<1$}", row[0], width(0)));
        for (column, cell) in row.iter().enumerate().skip(1) {
            text.push_str(&format!("  {cell:>0$}", width(column)));
        }
        text.push('\n');
    }
    text
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {} / {}", self.fault, self.phase, self.transport)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "http/1.1, no body",
            Self::Close => "close-delimited",
            Self::Chunked => "chunked",
            Self::Length => "content-length",
            Self::Gzip => "gzip",
            Self::Http2 => "http/2",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::BeforeRequest => "accept",
            Self::BeforeHead => "pre-head",
            Self::InHead => "in head",
            Self::Head => "head",
            Self::BodyStart => "body",
            Self::ByteOrderMark => "BOM",
            Self::Comment => "comment",
            Self::Retry => "retry",
            Self::Id => "id",
            Self::Type => "event",
            Self::Data => "data",
            Self::Crlf => "CR|LF",
            Self::Character => "char",
            Self::BeforeBlank => "pre-blank",
            Self::BetweenEvents => "between",
            Self::Framing => "framing",
            Self::AfterEnd => "after end",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("clean end"),
            Self::Fin => f.write_str("connection closed"),
            Self::Reset => f.write_str("connection reset"),
            Self::Stall => f.write_str("stall"),
            Self::RstStream => f.write_str("RST_STREAM"),
            Self::GoAway => f.write_str("GOAWAY"),
            Self::Drain => f.write_str("GOAWAY, clean end"),
            Self::Status(refusal) => refusal.fmt(f),
            Self::Redirect(Target::SamePort) => f.write_str("307, same port"),
            Self::Redirect(Target::OtherPort) => f.write_str("307, other port"),
            Self::Redirect(Target::Nobody) => f.write_str("307 to a refusal"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(after) => write!(f, "503{after}"),
            Self::TooMany(after) => write!(f, "429{after}"),
            Self::Other => f.write_str("408, 425, 50x"),
        }
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Zero => ", after 0",
            Self::PastDate => ", past date",
            Self::Second => ", after 1",
            Self::DateInASecond => ", date in 1 s",
        })
    }
}
