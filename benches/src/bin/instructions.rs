//! One pass of this crate over a workload, for callgrind to count: see `benches/instructions`.
//!
//! `instructions` lists what there is; `instructions PARSER WORKLOAD` does it.

use std::hint::black_box;

use fetch_event_source_benches::BoxError;
use fetch_event_source_benches::contestant::Contestant;
use fetch_event_source_benches::workload::{self, Workload};

const COUNTED: [&str; 2] = ["Parser", "events()"];

fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(workload)) = (args.next(), args.next()) else {
        for workload in workload::names() {
            for name in COUNTED {
                println!("{name}\t{workload}");
            }
        }
        return Ok(());
    };
    let contestant = Contestant::named(&name).ok_or("no such contestant")?;
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
