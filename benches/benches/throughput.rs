//! The contestants one by one, under divan: `cargo bench -p fetch-event-source-benches`, with a
//! part of a name after `--` to select. For ratios see `bin/compare.rs`.

use std::sync::LazyLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use fetch_event_source_benches::contestant::Contestant;
use fetch_event_source_benches::peers::ALL;
use fetch_event_source_benches::workload::{self, Workload};

static WORKLOADS: LazyLock<Vec<Workload>> = LazyLock::new(|| workload::all().collect());

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    divan::main();
}

fn args() -> Vec<String> {
    WORKLOADS
        .iter()
        .flat_map(|workload| {
            ALL.iter()
                .map(move |contestant| format!("{} / {}", workload.name, contestant.name))
        })
        .collect()
}

fn find(arg: &str) -> Option<(&'static Workload, Contestant)> {
    let (workload, contestant) = arg.split_once(" / ")?;
    let workload = WORKLOADS
        .iter()
        .find(|candidate| candidate.name == workload)?;
    let contestant = ALL.into_iter().find(|found| found.name == contestant)?;
    Some((workload, contestant))
}

#[divan::bench(args = args(), max_time = 1)]
fn throughput(bencher: Bencher<'_, '_>, arg: &str) {
    let Some((workload, contestant)) = find(arg) else {
        return;
    };
    if let Err(why) = contestant.check(workload) {
        eprintln!("{arg} fails: {why}");
        return;
    }
    bencher
        .counter(BytesCount::new(workload.bytes))
        .counter(ItemsCount::new(workload.events))
        .bench(|| (contestant.pass)(black_box(workload)));
}
