//! Reads random streams with this crate, two reference parsers in Python, and sse-core. Each difference must be known and
//! explained.
//!
//! `trials/differential` runs it.

mod reading;
mod reference;
mod streams;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use fetch_event_source::BoxError;
use reading::{Reading, Told};
use streams::Stream;

const STREAMS: u64 = 10_000;

fn main() -> Result<ExitCode, BoxError> {
    let reference = std::env::args().nth(1).map(PathBuf::from);
    let streams: Vec<Stream> = (0..STREAMS).map(Stream::random).collect();
    let ours: Vec<Reading> = streams.iter().map(reading::ours).collect();
    describe(&streams, &ours);

    let mut tally = Tally::new("sse-core");
    for (stream, ours) in streams.iter().zip(&ours) {
        tally.compare(stream, ours, &reading::sse_core(stream));
    }
    let mut agreed = tally.report();
    match reference {
        None => println!("reference.py: skipped, it is not there or there is no Python"),
        Some(script) => {
            let mut tally = Tally::new("reference.py");
            let readings = reference::read(&script, &streams)?;
            for ((stream, ours), theirs) in streams.iter().zip(&ours).zip(&readings) {
                tally.compare(stream, &ours.apart(), theirs);
            }
            agreed &= tally.report();
        }
    }
    Ok(match agreed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What was compared: an empty stream shows nothing.
fn describe(streams: &[Stream], ours: &[Reading]) {
    let bytes: usize = streams.iter().map(|stream| stream.bytes.len()).sum();
    let chunks: usize = streams.iter().map(|stream| stream.chunks().count()).sum();
    let count =
        |wanted: fn(&&Told) -> bool| ours.iter().flat_map(|it| &it.told).filter(wanted).count();
    println!(
        "{} streams of {bytes} bytes in {chunks} chunks: {} events, {} reconnection times",
        streams.len(),
        count(|told| matches!(told, Told::Event { .. })),
        count(|told| matches!(told, Told::Retry(_))),
    );
}

/// An explained difference: with their choice, and without ours, the readings are equal.
struct Class {
    name: &'static str,
    of: &'static str,
    ours: fn(Told) -> Option<Told>,
    theirs: fn(Told) -> Option<Told>,
}

// The standard has no maximum reconnection time. This crate accepts up to u64, and uses that as the maximum.
const CLASSES: [Class; 2] = [
    Class {
        name: "sse-core ignores a reconnection time beyond u32, as if it were not a number",
        of: "sse-core",
        ours: |told| match told {
            Told::Retry(time) if time > u32::MAX.into() => None,
            told => Some(told),
        },
        theirs: Some,
    },
    Class {
        name: "Python's numbers have no end; ours is u64's, where a reconnection time is beyond it",
        of: "reference.py",
        ours: Some,
        theirs: |told| match told {
            Told::Retry(time) => Some(Told::Retry(time.min(u64::MAX.into()))),
            told => Some(told),
        },
    },
];

/// One comparison and its result.
struct Tally {
    with: &'static str,
    same: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: usize,
}

impl Tally {
    fn new(with: &'static str) -> Self {
        Self {
            with,
            same: 0,
            explained: BTreeMap::new(),
            unexplained: 0,
        }
    }

    fn compare(&mut self, stream: &Stream, ours: &Reading, theirs: &Reading) {
        if ours == theirs {
            self.same += 1;
            return;
        }
        let classes = CLASSES.iter().filter(|class| class.of == self.with);
        for class in classes {
            if ours.with(class.ours) == theirs.with(class.theirs) {
                *self.explained.entry(class.name).or_default() += 1;
                return;
            }
        }
        self.unexplained += 1;
        if self.unexplained <= 5 {
            println!("\n{} differs on stream {}:", self.with, stream.seed);
            println!("  bytes  {}", stream.bytes.escape_ascii());
            println!("  cut at {:?}", stream.cuts);
            println!("  ours   {ours:?}");
            println!("  theirs {theirs:?}\n");
        }
    }

    /// Prints it; returns whether every difference is explained.
    fn report(&self) -> bool {
        let explained: usize = self.explained.values().sum();
        println!(
            "{}: {} the same, {explained} explained, {} not explained",
            self.with, self.same, self.unexplained
        );
        for (class, count) in &self.explained {
            println!("  {count} × {class}");
        }
        self.unexplained == 0
    }
}
