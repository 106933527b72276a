//! The build cost of the crate: number of crates, and time from scratch.
//!
//! Two programs that do nothing are built in release, once each, one with reqwest and its default
//! features, one with this crate and its own; dependencies are those of this workspace's Cargo.lock.
//! Downloads are not counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use fetch_event_source_benches::BoxError;
use fetch_event_source_benches::goal::Goal;
use fetch_event_source_benches::part::Part;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Serialize)]
struct Figures {
    what: &'static str,
    crates: usize,
    seconds: f64,
}

fn main() -> Result<(), BoxError> {
    let reqwest = Program::new("reqwest", "reqwest = \"0.13\"")?;
    let ours = Program::new(
        "fetch-event-source",
        &format!("fetch-event-source = {{ path = {ROOT:?} }}"),
    )?;
    let (theirs, all) = (reqwest.crates()?, ours.crates()?);
    let added: Vec<&str> = all.difference(&theirs).map(String::as_str).collect();
    let figures = [
        Figures {
            what: "reqwest, its default features",
            crates: theirs.len(),
            seconds: reqwest.build()?,
        },
        Figures {
            what: "fetch-event-source, its default features",
            crates: all.len(),
            seconds: ours.build()?,
        },
    ];
    // This crate is not one that it adds.
    let goals = vec![Goal::at_most(
        "crates over reqwest's own, default features",
        added.len().saturating_sub(1) as f64,
        8.0,
        "",
    )];
    let markdown = markdown(&figures, &added);
    Part::new(figures, goals, markdown).leave("compile")
}

fn markdown(figures: &[Figures], added: &[&str]) -> String {
    let mut table = String::from(
        "| a program that does nothing, with | crates | clean release build, s |\n|---|--:|--:|\n",
    );
    for figures in figures {
        let Figures {
            what,
            crates,
            seconds,
        } = figures;
        table += &format!("| {what} | {crates} | {seconds:.1} |\n");
    }
    table + &format!("\nAdded: {}.\n", added.join(", "))
}

/// A program that does nothing.
struct Program {
    folder: PathBuf,
}

impl Program {
    fn new(name: &str, dependency: &str) -> Result<Self, BoxError> {
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{ROOT}/target"));
        let folder = Path::new(&target).join("bench-compile").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/main.rs"), "fn main() {}\n")?;
        let manifest = format!(
            "[package]\nname = \"nothing\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependency}\n\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::copy(
            Path::new(ROOT).join("Cargo.lock"),
            folder.join("Cargo.lock"),
        )?;
        Ok(Self { folder })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .stderr(Stdio::inherit());
        cargo
    }

    /// The crates built for this machine, including those of build scripts, without the program.
    fn crates(&self) -> Result<BTreeSet<String>, BoxError> {
        let mut tree = self.cargo(&["tree", "--edges", "normal,build", "--prefix", "none"]);
        let output = tree.args(["--format", "{p}"]).output()?;
        if !output.status.success() {
            return Err("cargo tree fails".into());
        }
        let words = String::from_utf8(output.stdout)?;
        // Name and version, followed by the path.
        let crates = words
            .lines()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
        Ok(crates
            .filter(|name| !name.is_empty() && !name.starts_with("nothing "))
            .collect())
    }

    /// Seconds.
    fn build(&self) -> Result<f64, BoxError> {
        self.run(&["fetch"])?;
        let start = Instant::now();
        self.run(&["build", "--release", "--quiet"])?;
        let took = start.elapsed();
        fs::remove_dir_all(self.folder.join("target"))?;
        Ok(took.as_secs_f64())
    }

    fn run(&self, arguments: &[&str]) -> Result<(), BoxError> {
        let status = self.cargo(arguments).stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("cargo {} fails", arguments.join(" ")).into());
        }
        Ok(())
    }
}
