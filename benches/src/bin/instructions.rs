//! One pass of this crate over a workload, for callgrind to count: see `benches/instructions`.
//!
//! `instructions` lists what there is; `instructions PARSER WORKLOAD` does it.

use std::hint::black_box;

use fetch_event_source_benches::BoxError;
use fetch_event_source_benches::contestant::{Contestant, OURS};
use fetch_event_source_benches::workload::{self, Workload};

/// Counted over each workload.
const COUNTED: [&str; 2] = ["Parser", "events()"];

/// Counted over a body, where most of the instructions are the shell's.
const SHELL: [&str; 2] = ["stream()", "run()"];
const OVER_A_BODY: [&str; 3] = ["tokens", "notices", "tokens, one event a chunk"];

fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(workload)) = (args.next(), args.next()) else {
        for workload in workload::names() {
            let shell = SHELL.iter().filter(|_| OVER_A_BODY.contains(&workload));
            for name in COUNTED.iter().chain(shell) {
                println!("{name}\t{workload}");
            }
        }
        return Ok(());
    };
    let mut contestants = OURS.into_iter();
    let contestant = contestants.find(|contestant| contestant.name == name);
    let contestant = contestant.ok_or("no such contestant")?;
    let workload = workload::named(&workload).ok_or("no such workload")?;
    contestant.check(&workload)?; // so that lazy initialization and the allocator's buffers are done
    counted_pass(contestant, &workload);
    Ok(())
}

/// What callgrind counts, and nothing else.
#[inline(never)]
fn counted_pass(contestant: Contestant, workload: &Workload) {
    drop(black_box((contestant.pass)(black_box(workload))));
}
