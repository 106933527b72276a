//! One pass of ours over a workload, to be counted by callgrind: see `benches/instructions`.
//!
//! `instructions` lists what there is; `instructions PARSER WORKLOAD` does it. A package apart, without
//! the client: it is built twice.

#[path = "../../src/drive.rs"]
#[allow(dead_code)]
mod drive;
#[path = "../../src/tally.rs"]
#[allow(dead_code)]
mod tally;
#[path = "../../src/workload.rs"]
#[allow(dead_code)]
mod workload;

use std::convert::Infallible;
use std::hint::black_box;

use fetch_event_source::{Parser, events};
use futures_util::stream;
use tally::Tally;
use workload::Workload;

type Pass = fn(&Workload) -> Option<Tally>;

const COUNTED: [(&str, Pass); 2] = [("Parser", by_parser), ("events()", by_events)];

fn main() -> Result<(), &'static str> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(workload)) = (args.next(), args.next()) else {
        for workload in workload::names() {
            for (name, _) in COUNTED {
                println!("{name}\t{workload}");
            }
        }
        return Ok(());
    };
    let pass = COUNTED.iter().find(|(known, _)| *known == name);
    let (_, pass) = pass.ok_or("no such contestant")?;
    let workload = workload::named(&workload).ok_or("no such workload")?;
    // Once before: lazy things are done then, and the allocator's buffers are there.
    let tally = pass(&workload).ok_or("stalls")?;
    if (tally.events, tally.data_bytes) != (workload.events, workload.data_bytes) {
        return Err("not all events came");
    }
    counted_pass(*pass, &workload);
    Ok(())
}

/// What callgrind counts, and nothing else.
// Never inlined: callgrind finds it by its name.
#[inline(never)]
fn counted_pass(pass: Pass, workload: &Workload) {
    drop(black_box(pass(black_box(workload))));
}

fn by_parser(workload: &Workload) -> Option<Tally> {
    let (mut parser, mut tally) = (Parser::new(), Tally::default());
    for mut input in workload.slices() {
        while let Ok(Some(event)) = parser.next_event(&mut input) {
            tally.event(event.event_type, event.data, event.last_event_id);
        }
    }
    Some(tally)
}

fn by_events(workload: &Workload) -> Option<Tally> {
    let mut tally = Tally::default();
    let slices = stream::iter(workload.slices().map(Ok::<_, Infallible>));
    let drained = drive::drain(events(slices), |event| {
        if let Ok(event) = event {
            tally.event(event.event_type(), event.data(), event.last_event_id());
        }
    });
    drained.ok().map(|()| tally)
}
