//! The results of each program, for `report` to combine.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::BoxError;
use crate::goal::{self, Goal};
use crate::machine::Machine;

/// The programs, in the order of the report.
pub const NAMES: [&str; 7] = [
    "e2e", "compare", "latency", "crowd", "linear", "memory", "compile",
];

/// Cargo's unchanged release profile, which users get.
pub const RELEASE: &str = "release";
/// LTO over all crates, one codegen unit.
pub const FAT: &str = "fat";

/// The profile that this program was built with: Cargo names the folder after it.
#[must_use]
pub fn profile() -> String {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(|program| program.parent());
    folder
        .and_then(|folder| folder.file_name())
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A part of the results.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part<T> {
    /// The machine and the time of the measurement.
    pub machine: Machine,
    /// The goals.
    pub goals: Vec<Goal>,
    /// The tables.
    pub markdown: String,
    /// The figures.
    pub figures: T,
}

impl<T: Serialize> Part<T> {
    /// Measured here and now.
    #[must_use]
    pub fn new(figures: T, goals: Vec<Goal>, markdown: String) -> Self {
        Self {
            machine: Machine::here(),
            goals,
            markdown,
            figures,
        }
    }

    /// Prints it, and saves it for the report.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn leave(&self, name: &str) -> Result<(), BoxError> {
        let profile = profile();
        println!(
            "{profile}: {}\n{}\n{}",
            self.machine.markdown(),
            self.markdown,
            goal::table(&self.goals)
        );
        std::fs::create_dir_all(folder().join(&profile))?;
        std::fs::write(path(&profile, name), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }
}

/// The saved part of a program in this profile, if there is one.
///
/// # Errors
///
/// It is not what this version writes.
pub fn found<T: DeserializeOwned>(profile: &str, name: &str) -> Result<Option<Part<T>>, BoxError> {
    match std::fs::read(path(profile, name)) {
        Ok(part) => Ok(Some(serde_json::from_slice(&part)?)),
        Err(_) => Ok(None),
    }
}

fn path(profile: &str, name: &str) -> PathBuf {
    folder().join(profile).join(name).with_extension("json")
}

/// `BENCH_PARTS`, or the target directory.
fn folder() -> PathBuf {
    std::env::var_os("BENCH_PARTS").map_or_else(|| "target/bench-parts".into(), PathBuf::from)
}

/// Figures of `compare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// Which goal it counts for.
    pub group: String,
    /// How it is cut.
    pub chunks: String,
    /// How long it is.
    pub bytes: usize,
    /// How many events it has.
    pub events: u64,
    /// Each contestant's result.
    pub entries: Vec<Entry>,
}

/// One contestant at one workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is there for: `floor`, `ours`, `peer` or `peer over a body`.
    pub kind: String,
    /// Nanoseconds a pass, in the middle.
    pub median_ns: Option<f64>,
    /// Nanoseconds a pass, at best.
    pub min_ns: Option<f64>,
    /// How many samples there are.
    pub samples: usize,
    /// What went wrong, in place of a time.
    pub fails: Option<String>,
}

impl Row {
    /// The contestant's time, unless it failed.
    #[must_use]
    pub fn median_ns(&self, name: &str) -> Option<f64> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)?
            .median_ns
    }

    /// Bytes a nanosecond, which is GB/s.
    #[must_use]
    pub fn speed(&self, name: &str) -> Option<f64> {
        self.median_ns(name).map(|time| self.bytes as f64 / time)
    }

    /// The fastest of a kind that did not fail: of `peer`, or of `peer over a body`.
    #[must_use]
    pub fn fastest(&self, kind: &str) -> Option<&Entry> {
        let entries = self.entries.iter().filter(|entry| entry.kind == kind);
        entries
            .filter(|entry| entry.median_ns.is_some())
            .min_by(|a, b| {
                a.median_ns
                    .unwrap_or(0.0)
                    .total_cmp(&b.median_ns.unwrap_or(0.0))
            })
    }

    /// How many times as fast as the fastest of a kind.
    #[must_use]
    pub fn ratio(&self, name: &str, kind: &str) -> Option<f64> {
        Some(self.fastest(kind)?.median_ns? / self.median_ns(name)?)
    }
}

/// Figures of `linear`: how a contestant's time grows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// What grows.
    pub case: String,
    /// Who it is.
    pub name: String,
    /// Bytes and nanoseconds.
    pub points: Vec<(usize, f64)>,
    /// Why it goes no further.
    pub stopped: Option<String>,
}
