//! The ratios: every contestant on every workload, in turns: the median of the medians of several runs.
//!
//! `--runs N` (default 5), `--rounds N` in each (default 15), `--only PART` for the workloads whose name
//! contains it, `--who PART` for the contestants (to profile one).

use std::hint::black_box;

use fetch_event_source_benches::contestant::{Contestant, Kind};
use fetch_event_source_benches::goal::{Goal, geometric_mean};
use fetch_event_source_benches::part::{self, Entry, Part, Row};
use fetch_event_source_benches::peers::ALL;
use fetch_event_source_benches::rounds::{Racer, interleave};
use fetch_event_source_benches::runs;
use fetch_event_source_benches::workload::{self, Workload};
use fetch_event_source_benches::{BoxError, option};

const PEER: &str = "peer";
const PEER_OVER_BODY: &str = "peer over a body";
const LIMIT: &str = "limit";

fn main() -> Result<(), BoxError> {
    let times = option("--runs", 5)?;
    let rounds = option("--rounds", 15)?.max(1);
    let only: String = option("--only", String::new())?;
    let who: String = option("--who", String::new())?;
    let contestants: Vec<Contestant> = ALL
        .into_iter()
        .filter(|contestant| contestant.name.contains(&who))
        .collect();
    let measured = runs::several(times, |run| {
        std::panic::set_hook(Box::new(|_| {})); // a peer that panics is in the table
        let workloads = workload::names().filter(|name| name.contains(&only));
        Ok(workloads
            .inspect(|name| eprintln!("run {run}: {name}"))
            .filter_map(workload::named)
            .map(|workload| measure(&contestants, &workload, rounds))
            .collect())
    })?;
    let Some(measured) = measured else {
        return Ok(());
    };
    let rows = in_the_middle(&measured);
    Part::new(rows.clone(), goals(&rows), markdown(&contestants, &rows)).leave("compare")
}

/// The median of each time over the runs. A contestant that fails in one of them fails.
fn in_the_middle(measured: &[Vec<Row>]) -> Vec<Row> {
    let mut rows = measured.first().cloned().unwrap_or_default();
    for (at, row) in rows.iter_mut().enumerate() {
        for (who, entry) in row.entries.iter_mut().enumerate() {
            let entries = || measured.iter().map(|rows| &rows[at].entries[who]);
            let times: Option<Vec<f64>> = entries().map(|entry| entry.median_ns).collect();
            entry.median_ns = times.map(runs::median);
            entry.fails = entries().find_map(|entry| entry.fails.clone());
            entry.min_ns = entries()
                .filter_map(|entry| entry.min_ns)
                .reduce(f64::min)
                .filter(|_| entry.fails.is_none());
            entry.samples = entries().map(|entry| entry.samples).sum();
        }
    }
    rows
}

fn measure(contestants: &[Contestant], workload: &Workload, rounds: usize) -> Row {
    let checked: Vec<_> = contestants
        .iter()
        .map(|contestant| contestant.check(workload))
        .collect();
    let mut racers: Vec<Racer<'_>> = contestants
        .iter()
        .zip(&checked)
        .filter_map(|(contestant, checked)| {
            let first = *checked.as_ref().ok()?;
            let pass = contestant.pass;
            let pass = Box::new(move || drop(black_box(pass(black_box(workload)))));
            Some(Racer { pass, first })
        })
        .collect();
    let mut samples = interleave(&mut racers, rounds).into_iter();
    let entries = contestants
        .iter()
        .zip(&checked)
        .map(|(contestant, checked)| {
            let samples = checked.as_ref().ok().and_then(|_| samples.next());
            Entry {
                name: contestant.name.into(),
                kind: kind(contestant).into(),
                median_ns: samples.as_ref().map(|samples| samples.median()),
                min_ns: samples.as_ref().map(|samples| samples.min()),
                samples: samples.map_or(0, |samples| samples.count()),
                fails: checked.clone().err(),
            }
        })
        .collect();
    Row {
        workload: workload.name.into(),
        group: workload.group.name().into(),
        chunks: workload.cut.into(),
        bytes: workload.bytes,
        events: workload.events,
        entries,
    }
}

fn kind(contestant: &Contestant) -> &'static str {
    match contestant.kind {
        Kind::Floor => "floor",
        Kind::Limit => LIMIT,
        Kind::Ours => "ours",
        Kind::Peer => PEER,
        Kind::PeerOverBody => PEER_OVER_BODY,
    }
}

fn goals(rows: &[Row]) -> Vec<Goal> {
    let in_group = |group: &str, ratio: &dyn Fn(&Row) -> Option<f64>| -> Vec<f64> {
        let rows = rows.iter().filter(|row| row.group == group);
        rows.filter_map(ratio).collect()
    };
    let at = |workload: &str, name: &str, kind: &str| {
        let row = rows.iter().find(|row| row.workload == workload);
        row.and_then(|row| row.ratio(name, kind))
            .unwrap_or(f64::NAN)
    };
    let mut goals = Vec::new();
    let mut goal = |name: String, value: f64, target: f64| {
        goals.push(Goal::at_least(name, value, target, "×"));
    };
    let parser = if part::profile() == part::FAT {
        3.5
    } else {
        3.0
    };
    for (name, kind, small, others) in [
        ("Parser", PEER, parser, 1.2),
        ("events()", PEER, 1.5, 1.2),
        ("stream()", PEER_OVER_BODY, 1.4, 1.0),
    ] {
        for (group, in_words, target) in [
            ("small", "small events", small),
            ("other", "others", others),
        ] {
            let mean = geometric_mean(in_group(group, &|row| row.ratio(name, kind)));
            let name = format!("`{name}`, {in_words}: geometric mean to the fastest {kind}");
            goal(name, mean, target);
        }
        if kind == PEER {
            let others = in_group("other", &|row| row.ratio(name, kind));
            let least = others.into_iter().reduce(f64::min).unwrap_or(f64::NAN);
            goal(format!("`{name}`, others: the least"), least, 1.0);
        }
    }
    let tokens = at("tokens", "events()", PEER);
    goal("`events()`, tokens".into(), tokens, 1.2);
    let unwaited = at("tokens, one event a chunk", "stream()", PEER_OVER_BODY);
    goal("`stream()`, one event a chunk".into(), unwaited, 0.95);
    let run = geometric_mean(in_group("small", &|row| {
        Some(row.median_ns("stream()")? / row.median_ns("run()")?)
    }));
    let name = "`run()` with a plain closure to `stream()`, small events: geometric mean";
    goal(name.into(), run, 0.95);
    goals
}

fn markdown(contestants: &[Contestant], rows: &[Row]) -> String {
    let mut text = String::from("#### GB/s, median\n\n| workload | chunks | MB |");
    for contestant in contestants {
        text += &format!(" {} |", contestant.name);
    }
    text += &format!("\n|---|---|--:|{}\n", "--:|".repeat(contestants.len()));
    for row in rows {
        let Row {
            workload,
            chunks,
            bytes,
            ..
        } = row;
        text += &format!("| {workload} | {chunks} | {:.1} |", *bytes as f64 / 1e6);
        for entry in &row.entries {
            let cell = match &entry.fails {
                Some(_) if entry.kind == LIMIT => "–".into(),
                Some(why) => format!("fails: {why}"),
                None => speed(row.speed(&entry.name)),
            };
            text += &format!(" {cell} |");
        }
        text.push('\n');
    }
    text += "\n#### To the fastest peer\n\n| workload | group | fastest peer | `Parser` | `events()` | `stream()` | fastest over a body | `stream()` to that | `Parser` to memchr + simdutf8 | `run()` to `stream()` | `events()` to plain scan + String |\n|---|---|---|--:|--:|--:|---|--:|--:|--:|--:|\n";
    for row in rows {
        let fastest = |kind| row.fastest(kind).map_or("none", |entry| &entry.name);
        let to = |a: &str, b: &str| Some(row.median_ns(b)? / row.median_ns(a)?);
        let cells = |ratios: &[Option<f64>]| -> String {
            let cell =
                |ratio: &Option<f64>| ratio.map_or(" – |".into(), |r| format!(" {r:.2} |"));
            ratios.iter().map(cell).collect()
        };
        text += &format!(
            "| {} | {} | {} |{} {} |{}\n",
            row.workload,
            row.group,
            fastest(PEER),
            cells(&["Parser", "events()", "stream()"].map(|name| row.ratio(name, PEER))),
            fastest(PEER_OVER_BODY),
            cells(&[
                row.ratio("stream()", PEER_OVER_BODY),
                to("Parser", "memchr + simdutf8"),
                to("run()", "stream()"),
                to("events()", "plain scan + String"),
            ]),
        );
    }
    text
}

fn speed(gigabytes: Option<f64>) -> String {
    gigabytes.map_or("–".into(), |speed| match speed {
        ..0.1 => format!("{speed:.4}"),
        ..10.0 => format!("{speed:.2}"),
        _ => format!("{speed:.0}"),
    })
}
