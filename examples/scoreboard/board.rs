//! The board: a cell for each match, drawn anew in place on a terminal, and once at the end
//! elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use crossterm::cursor::MoveToPreviousLine;
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType, size};
use serde::Deserialize;

/// Cells in a line, where the terminal is not narrower: with their spaces they fill 79 columns.
const ACROSS: usize = 20;
/// Columns of a cell and the space after it.
const CELL: usize = 4;

/// The data of an event.
#[derive(Clone, Deserialize)]
pub(crate) struct Score {
    home: u32,
    away: u32,
    minute: u32,
}

#[derive(Clone)]
enum Cell {
    Waiting,
    Score(Score),
    GaveUp,
}

pub(crate) struct Board {
    cells: Vec<Cell>,
    updates: usize,
    /// Lines on the terminal now.
    drawn: u16,
}

impl Board {
    pub(crate) fn new(matches: u64) -> Self {
        Self {
            cells: vec![Cell::Waiting; matches as usize],
            updates: 0,
            drawn: 0,
        }
    }

    pub(crate) fn set(&mut self, number: u64, score: Score) {
        self.updates += 1;
        self.cells[number as usize] = Cell::Score(score);
    }

    /// No more will come of this match.
    pub(crate) fn give_up(&mut self, number: u64) {
        self.cells[number as usize] = Cell::GaveUp;
    }

    pub(crate) fn score(&self, number: u64) -> Option<(u32, u32)> {
        match self.cells.get(number as usize)? {
            Cell::Score(score) => Some((score.home, score.away)),
            Cell::Waiting | Cell::GaveUp => None,
        }
    }

    /// How many scores came.
    pub(crate) fn updates(&self) -> usize {
        self.updates
    }

    /// `live`: how many matches are still going on.
    pub(crate) fn draw(&mut self, live: usize, reconnections: usize) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !out.is_terminal() && live > 0 {
            return Ok(());
        }
        let (mut across, mut lines) = (ACROSS, self.cells.len());
        if out.is_terminal() {
            if let Ok((columns, rows)) = size() {
                across = across.min((usize::from(columns) + 1) / CELL).max(1);
                lines = usize::from(rows).saturating_sub(2); // for the summary and the cursor
            }
            if self.drawn > 0 {
                queue!(out, MoveToPreviousLine(self.drawn))?;
            }
        }
        let text = self.text(across, lines, live, reconnections);
        self.drawn = text.lines().count() as u16;
        let is_terminal = out.is_terminal();
        for line in text.lines() {
            write!(out, "{line}")?;
            if is_terminal {
                queue!(out, Clear(ClearType::UntilNewLine))?; // a longer line was there before a resize
            }
            writeln!(out)?;
        }
        out.flush()
    }

    /// The cells, as far as they fit, and a summary.
    fn text(&self, across: usize, lines: usize, live: usize, reconnections: usize) -> String {
        let mut text = String::new();
        for line in self.cells.chunks(across).take(lines) {
            let cells: Vec<String> = line.iter().map(Cell::to_string).collect();
            text += cells.join(" ").trim_end();
            text.push('\n');
        }
        let minutes = self.cells.iter().filter_map(Cell::minute);
        let latest = minutes.max().unwrap_or(0);
        let _ = writeln!(
            text,
            "{live:>3} live, minute {latest:>2}, {reconnections:>3} reconnections"
        );
        text
    }
}

impl Cell {
    fn minute(&self) -> Option<u32> {
        match self {
            Cell::Score(score) => Some(score.minute),
            Cell::Waiting | Cell::GaveUp => None,
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Waiting => f.write_str("-:-"),
            Cell::Score(score) => write!(f, "{}:{}", score.home, score.away),
            Cell::GaveUp => f.write_str(" ? "),
        }
    }
}
