//! The board: a cell for each match, drawn anew in place on a terminal, and once at the end elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use crossterm::cursor::MoveToPreviousLine;
use crossterm::queue;
use serde::Deserialize;

/// Cells in a line: with 3 columns each and a space between them they fill 79 columns.
const ACROSS: usize = 20;

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
    is_drawn: bool,
}

impl Board {
    pub(crate) fn new(matches: u64) -> Self {
        Self {
            cells: vec![Cell::Waiting; matches as usize],
            updates: 0,
            is_drawn: false,
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
        let text = self.text(live, reconnections);
        if self.is_drawn && out.is_terminal() {
            queue!(out, MoveToPreviousLine(text.lines().count() as u16))?;
        }
        self.is_drawn = true;
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// The same number of lines each time, and as long.
    fn text(&self, live: usize, reconnections: usize) -> String {
        let mut text = String::new();
        for line in self.cells.chunks(ACROSS) {
            let cells: Vec<String> = line.iter().map(Cell::to_string).collect();
            text += cells.join(" ").trim_end();
            text.push('\n');
        }
        let minutes = self.cells.iter().filter_map(Cell::minute);
        let latest = minutes.max().unwrap_or(0);
        let _ = writeln!(
            text,
            "{live:>3} live, the latest goal in minute {latest:>2}, {reconnections:>3} reconnections"
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
