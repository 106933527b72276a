//! Whether the time grows linearly with the bytes, for all kinds of bodies.
//!
//! `append` copies the same chunks into one growing buffer, to show the growth caused by memory. Sizes grow fourfold; a
//! contestant that takes too long stops. `--rounds N` (default 7).

use std::hint::black_box;
use std::time::Duration;

use fetch_event_source_benches::contestant::{Contestant, Kind};
use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::{Curve, Part};
use fetch_event_source_benches::peers::ALL;
use fetch_event_source_benches::rounds::{Racer, interleave};
use fetch_event_source_benches::workload::{self, Group, Text, Workload};
use fetch_event_source_benches::{BoxError, option};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A pass longer than this is the contestant's last of the case.
const TOO_LONG: Duration = Duration::from_millis(1_500);

/// Something that grows.
struct Case {
    name: &'static str,
    chunk: usize,
    /// The sizes; the goal compares the last with the one at `from`.
    sizes: &'static [usize],
    from: usize,
    text: fn(usize) -> Text,
}

const EVENT: &[usize] = &[64 * KIB, 256 * KIB, MIB, 4 * MIB, 15 * MIB];
const SMALLER: &[usize] = &[16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];

const CASES: [Case; 6] = [
    Case {
        name: "one event, 1 KiB chunks",
        chunk: KIB,
        sizes: EVENT,
        from: MIB,
        text: one_event,
    },
    Case {
        name: "one event, 64 KiB chunks",
        chunk: 64 * KIB,
        sizes: EVENT,
        from: MIB,
        text: one_event,
    },
    Case {
        name: "one event of 2^20 data lines, 16 KiB chunks",
        chunk: 16 * KIB,
        sizes: &[128 * KIB, 512 * KIB, 2 * MIB, 8 * MIB],
        from: 512 * KIB,
        text: |size| workload::short_lines(size / 8),
    },
    Case {
        name: "comments, 16 KiB chunks",
        chunk: 16 * KIB,
        sizes: &[160 * KIB, 640 * KIB, 2560 * KIB, 10 * MIB],
        from: 640 * KIB,
        text: |size| workload::comments(size / 14),
    },
    Case {
        name: "one event, 2 B chunks",
        chunk: 2,
        sizes: SMALLER,
        from: 256 * KIB,
        text: one_event,
    },
    Case {
        name: "one line, 16 B chunks",
        chunk: 16,
        sizes: SMALLER,
        from: 256 * KIB,
        text: one_event,
    },
];

fn one_event(size: usize) -> Text {
    workload::large(1, size)
}

fn main() -> Result<(), BoxError> {
    let rounds = option("--rounds", 7)?;
    std::panic::set_hook(Box::new(|_| {}));
    let curves: Vec<Curve> = CASES
        .iter()
        .flat_map(|case| measure(case, rounds))
        .collect();
    Part::new(&curves, goals(&curves), markdown(&curves)).leave("linear")
}

fn contestants() -> impl Iterator<Item = Contestant> {
    ALL.into_iter().filter(|contestant| {
        contestant.name == "append" || matches!(contestant.kind, Kind::Ours | Kind::Peer)
    })
}

fn measure(case: &Case, rounds: usize) -> Vec<Curve> {
    eprintln!("{}", case.name);
    let mut curves: Vec<Curve> = contestants()
        .map(|contestant| Curve {
            case: case.name.into(),
            name: contestant.name.into(),
            points: Vec::new(),
            stopped: None,
        })
        .collect();
    for &size in case.sizes {
        let workload = Workload::cut("", Group::Context, "", (case.text)(size), case.chunk);
        step(&workload, size, rounds, &mut curves);
    }
    curves
}

/// All remaining contestants at one size.
fn step(workload: &Workload, size: usize, rounds: usize, curves: &mut [Curve]) {
    let mut there = Vec::new();
    let mut racers: Vec<Racer<'_>> = Vec::new();
    for (contestant, curve) in contestants().zip(curves) {
        if curve.stopped.is_some() {
            continue;
        }
        match contestant.check(workload) {
            Ok(first) => {
                let pass =
                    Box::new(move || drop(black_box((contestant.pass)(black_box(workload)))));
                racers.push(Racer { pass, first });
                there.push(curve);
            }
            Err(why) => curve.stopped = Some(format!("fails: {why}")),
        }
    }
    let samples = interleave(&mut racers, rounds);
    for ((curve, samples), racer) in there.into_iter().zip(samples).zip(racers) {
        curve.points.push((size, samples.median()));
        if racer.first > TOO_LONG {
            curve.stopped = Some("takes too long".into());
        }
    }
}

/// How many times as long the last size took as the one to compare with, and what is allowed: as
/// much over the growth of the size as 18 is over 15.
fn growth(case: &Case, curve: &Curve) -> Option<(f64, f64)> {
    let last = *case.sizes.last()?;
    let at = |size| Some(curve.points.iter().find(|point| point.0 == size)?.1);
    Some((
        at(last)? / at(case.from)?,
        last as f64 / case.from as f64 * 18.0 / 15.0,
    ))
}

fn goals(curves: &[Curve]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for case in &CASES {
        for contestant in contestants().filter(|contestant| contestant.kind == Kind::Ours) {
            let mine = |curve: &&Curve| curve.case == case.name && curve.name == contestant.name;
            let Some(curve) = curves.iter().find(mine) else {
                continue;
            };
            let (growth, target) = growth(case, curve).unwrap_or((f64::NAN, 0.0));
            let name = format!("linear, `{}`: {}", contestant.name, case.name);
            goals.push(Goal::at_most(name, growth, target, "×"));
        }
    }
    goals
}

fn markdown(curves: &[Curve]) -> String {
    let mut text = String::new();
    for case in &CASES {
        text += &format!("#### {}: ms\n\n| |", case.name);
        for size in case.sizes {
            text += &format!(" {} |", in_words(*size));
        }
        text += &format!(
            " last to {} | |\n|---|{}--:|---|\n",
            in_words(case.from),
            "--:|".repeat(case.sizes.len())
        );
        for curve in curves.iter().filter(|curve| curve.case == case.name) {
            text += &format!("| {} |", curve.name);
            for size in case.sizes {
                let point = curve.points.iter().find(|point| point.0 == *size);
                text += &point.map_or(" – |".into(), |(_, time)| format!(" {:.3} |", time / 1e6));
            }
            let growth = growth(case, curve);
            text += &growth.map_or(" – |".into(), |(growth, _)| format!(" {growth:.1}× |"));
            text += &format!(" {} |\n", curve.stopped.as_deref().unwrap_or(""));
        }
        text.push('\n');
    }
    text
}

fn in_words(size: usize) -> String {
    match size {
        MIB.. if size % MIB == 0 => format!("{} MiB", size / MIB),
        MIB.. => format!("{:.1} MiB", size as f64 / MIB as f64),
        _ => format!("{} KiB", size / KIB),
    }
}
