//! The machine and the versions of a measurement.

use std::collections::BTreeMap;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The crates whose versions the report names.
const CRATES: [&str; 12] = [
    "fetch-event-source",
    "sse-core",
    "sse-stream",
    "sseer",
    "eventsource-stream",
    "reqwest-eventsource",
    "reqwest",
    "hyper",
    "tokio",
    "bytes",
    "memchr",
    "simdutf8",
];

/// Machine, tools and versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of its cores are available.
    pub cores: usize,
    /// The system's name and release.
    pub os: String,
    /// The output of `rustc --version`.
    pub rustc: String,
    /// The day, in UTC.
    pub date: String,
    /// Crate to versions, as locked.
    pub crates: BTreeMap<String, Vec<String>>,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn here() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|info| {
                let line = info.lines().find(|line| line.starts_with("model name"))?;
                line.split_once(": ").map(|(_, name)| name.to_owned())
            })
            .unwrap_or_else(|| "unknown".into());
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            os: said_by("uname", &["-sr"]),
            rustc: said_by("rustc", &["--version"]),
            date: said_by("date", &["-u", "+%F"]),
            crates: locked(),
        }
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let crates: Vec<String> = self
            .crates
            .iter()
            .map(|(name, versions)| format!("{name} {}", versions.join(" and ")))
            .collect();
        let Self {
            cpu,
            cores,
            os,
            rustc,
            date,
            ..
        } = self;
        format!(
            "{date}; {cpu}, {cores} cores; {os}; {rustc}. {}.\n",
            crates.join(", ")
        )
    }
}

fn said_by(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn locked() -> BTreeMap<String, Vec<String>> {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    let mut crates: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(version) = quoted(line, "version = ") {
            if CRATES.contains(&name) {
                crates.entry(name.into()).or_default().push(version.into());
            }
        }
    }
    crates
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}
