//! The printed tables.

use std::fmt;

use crate::row::{Outcome, Row};

/// The rows of a server.
pub(crate) struct Section {
    server: &'static str,
    pub(crate) missing: Option<&'static str>,
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<String>,
}

impl Section {
    pub(crate) fn new(server: &'static str, missing: Option<&'static str>) -> Self {
        Self {
            server,
            missing,
            rows: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn total(&self, of: fn(&Row) -> Option<&Outcome>) -> Total {
        let mut total = Total::default();
        for outcome in self.rows.iter().filter_map(of) {
            total.due += outcome.count.due;
            total.lost += outcome.count.lost;
            total.twice += outcome.count.twice;
            total.requests += outcome.requests;
            total.left_open += outcome.left_open;
        }
        total
    }
}

#[derive(Default)]
struct Total {
    due: usize,
    lost: usize,
    twice: usize,
    requests: usize,
    left_open: usize,
}

pub(crate) struct Table {
    pub(crate) sections: Vec<Section>,
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }

    fn failed(&self) -> usize {
        self.rows().filter(|row| !row.complaints.is_empty()).count()
    }

    fn skipped(&self) -> usize {
        self.sections
            .iter()
            .map(|section| section.skipped.len())
            .sum()
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failed() == 0 && self.skipped() <= 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | what was tried | ours | the JavaScript client |"
        )?;
        writeln!(f, "|---|---|---|---|")?;
        for section in &self.sections {
            let server = section.server;
            for row in &section.rows {
                let (tried, failed) = (&row.tried, row.complaints.is_empty());
                let failed = if failed { "" } else { "**failed** " };
                let (ours, javascript) = (cell(&row.ours), cell(&row.javascript));
                writeln!(f, "| {server} | {tried} | {failed}{ours} | {javascript} |")?;
            }
            for tried in &section.skipped {
                let missing = section.missing.unwrap_or("something");
                writeln!(f, "| {server} | {tried} | *skipped*: {missing} missing | |")?;
            }
        }
        writeln!(f)?;
        writeln!(
            f,
            "| ours / the JavaScript client | events due | lost | twice | requests | left open |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|")?;
        let tried = |section: &&Section| !section.rows.is_empty();
        for section in self.sections.iter().filter(tried) {
            let ours = section.total(|row| row.ours.as_ref());
            let javascript = section.total(|row| row.javascript.as_ref());
            write!(f, "| {} | {} ", section.server, ours.due)?;
            write!(f, "| {} / {} ", ours.lost, javascript.lost)?;
            write!(f, "| {} / {} ", ours.twice, javascript.twice)?;
            write!(f, "| {} / {} ", ours.requests, javascript.requests)?;
            writeln!(f, "| {} / {} |", ours.left_open, javascript.left_open)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{} rows: {} failed, {} skipped",
            self.rows().count() + self.skipped(),
            self.failed(),
            self.skipped()
        )
    }
}

fn cell(outcome: &Option<Outcome>) -> String {
    outcome
        .as_ref()
        .map_or_else(|| "–".to_owned(), Outcome::to_string)
}
