//! Ten thousand clients whose server restarts, in virtual time: how they come back, by our policy,
//! by a fixed delay, and by none at all.
//!
//! The clients are this crate's, task by task; only the server and the clock are not real.
//! `trials/manners` runs it, prints a table and draws a chart.

mod chart;
mod town;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use fetch_event_source::{BoxError, RetryPolicy};
use town::{Record, SERVES_AGAIN, Town};

/// How many clients the figures are for.
const CLIENTS: u32 = 10_000;

/// Clients without a delay all do the same, so a few represent all.
const WITHOUT_DELAY: u32 = 20;

/// The window of the rate: requests within it pile up at a server. With a fixed delay all come at once, so the rate grows
/// without limit as the window shrinks.
const MOMENT: Duration = Duration::from_millis(100);

const SECOND: Duration = Duration::from_secs(1);

/// How the clients behave.
struct Behaviour {
    name: &'static str,
    policy: RetryPolicy,
    clients: u32,
    /// What the server asks for, in the first event.
    asked: Option<Duration>,
    /// No client may wait less than this.
    at_least: Duration,
}

fn main() -> Result<ExitCode, BoxError> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("name a folder for the chart")?;
    std::fs::create_dir_all(&folder)?;
    let mut results = Vec::new();
    for behaviour in behaviours() {
        let town = Town::new(behaviour.clients, behaviour.asked);
        let record = town.run(&behaviour.policy)?;
        results.push((behaviour, record));
    }
    print_table(&results);
    let curves: Vec<_> = results
        .iter()
        .map(|(it, record)| (it.name, record.rates(MOMENT, it.scale())))
        .collect();
    chart::draw(&folder.join("manners.svg"), &curves)?;
    Ok(match check(&results) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn behaviours() -> [Behaviour; 5] {
    let fixed = |seconds| RetryPolicy::standard().base_delay(SECOND * seconds);
    let none = fixed(0).server_delay_bounds(Duration::ZERO..);
    let all = |name, policy, asked: Option<Duration>, at_least| Behaviour {
        name,
        policy,
        clients: CLIENTS,
        asked,
        at_least,
    };
    [
        Behaviour {
            clients: WITHOUT_DELAY,
            ..all("no delay", none, None, Duration::ZERO)
        },
        all("fixed, 1 s", fixed(1), None, SECOND),
        all("fixed, 3 s", fixed(3), None, SECOND * 3),
        all("persistent()", RetryPolicy::persistent(), None, SECOND),
        all(
            "persistent(), retry: 3000",
            RetryPolicy::persistent(),
            Some(SECOND * 3),
            SECOND * 3,
        ),
    ]
}

impl Behaviour {
    /// How many clients each represents.
    fn scale(&self) -> f64 {
        f64::from(CLIENTS) / f64::from(self.clients)
    }

    fn is_ours(&self) -> bool {
        self.name.starts_with("persistent")
    }
}

fn print_table(results: &[(Behaviour, Record)]) {
    println!("{CLIENTS} clients; reconnects after the restart:\n");
    println!(
        "| policy | reconnects | peak, {} ms | peak, 1 s | half are back | all are back | shortest wait | connections each |",
        MOMENT.as_millis()
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (it, record) in results {
        println!(
            "| {} | {:.0} | {:.0}/s | {:.0}/s | {} | {} | {:.3} s | {} |",
            it.name,
            record.reconnects() as f64 * it.scale(),
            record.peak(MOMENT) * it.scale(),
            record.peak(SECOND) * it.scale(),
            after(record.share_back_at(0.5)),
            after(record.share_back_at(1.0)),
            record.shortest_wait.as_secs_f64(),
            record.most_connections,
        );
    }
    println!();
}

/// Since the server serves again.
fn after(at: Option<Duration>) -> String {
    at.map_or_else(
        || "never".to_owned(),
        |at| format!("{:.1} s", at.saturating_sub(SERVES_AGAIN).as_secs_f64()),
    )
}

/// Prints whether each bound holds.
fn check(results: &[(Behaviour, Record)]) -> bool {
    let mut all_hold = true;
    let mut must = |what: String, holds: bool| {
        println!("{} {what}", if holds { "ok    " } else { "FAILED" });
        all_hold &= holds;
    };
    for (it, record) in results {
        must(
            format!("{}: one connection for each client", it.name),
            record.most_connections == 1,
        );
        must(
            format!("{}: no wait below {:?}", it.name, it.at_least),
            record.shortest_wait >= it.at_least,
        );
        must(
            format!("{}: everybody is back", it.name),
            record.share_back_at(1.0).is_some(),
        );
    }
    for (ours, record) in results.iter().filter(|(it, _)| it.is_ours()) {
        for (fixed, other) in results
            .iter()
            .filter(|(it, _)| it.name.starts_with("fixed"))
        {
            let share = record.peak(MOMENT) / other.peak(MOMENT);
            must(
                format!(
                    "{}: peak {:.1}% of {}",
                    ours.name,
                    share * 100.0,
                    fixed.name
                ),
                share <= 0.2,
            );
        }
    }
    all_hold
}
