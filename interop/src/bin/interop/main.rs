//! fetch-event-source and the JavaScript client against other people's servers.
//!
//! `interop/run` installs what this needs, and starts it.

mod client;
mod haproxy;
mod lab;
mod ledger;
mod llm;
mod nchan;
mod nginx;
mod numbers;
mod process;
mod row;
mod suite;
mod table;
mod tap;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use futures_util::future::join_all;

use crate::lab::Lab;
use crate::suite::Suite;
use crate::table::{Section, Table};

/// A longer wait fails its row instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs two clients against other people's servers, and prints a table of the results.
///
/// Exits with 1 if a row fails or more than two are skipped.
#[derive(Parser)]
struct Options {
    /// Only servers whose name contains this.
    #[arg(long, default_value = "")]
    server: String,
    /// Only rows whose description contains this.
    #[arg(long, default_value = "")]
    tried: String,
    /// Prints each row when it is done, and how long it took.
    #[arg(long)]
    verbose: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let lab = Arc::new(Lab::new()?);
    let suites =
        numbers::suites()
            .into_iter()
            .chain([nchan::suite(), nginx::suite(), haproxy::suite()]);
    let suites = suites.chain(llm::suites());
    let suites = suites.filter(|suite| suite.name.contains(&options.server));
    let sections = join_all(suites.map(|suite| run(suite, &lab, &options))).await;
    let table = Table { sections };
    print!("{table}");
    Ok(if table.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the rows one after the other.
async fn run(suite: Suite, lab: &Arc<Lab>, options: &Options) -> Section {
    let mut section = Section::new(suite.name, suite.missing(lab));
    for trial in &suite.trials {
        if !trial.tried.contains(&options.tried) {
            continue;
        }
        if section.missing.is_some() {
            section.skipped.push(trial.tried.clone());
            continue;
        }
        let begun = Instant::now();
        let row = trial.run(lab).await;
        if options.verbose {
            let took = begun.elapsed().as_secs_f32();
            eprintln!("{}, {}: {took:.1} s", suite.name, trial.tried);
        }
        for complaint in &row.complaints {
            eprintln!("{}, {}: {complaint}\n", suite.name, trial.tried);
        }
        section.rows.push(row);
    }
    section
}
