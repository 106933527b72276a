//! Plants one fault after the other in a copy of the library and runs chaos, which must find each. See the README of this
//! package.
//!
//! A fault is found if the judge complains, by the exit code. A mutant that does not compile, or with which the trial
//! itself fails, shows nothing and is a failure.

mod table;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Instant;

use clap::Parser;

use table::{Edit, MUTANTS, Mutant};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Checks the chaos trial: plants faults in the library, and demands that chaos finds them.
#[derive(Debug, Parser)]
struct Options {
    /// Only these; all, if there are none.
    names: Vec<String>,
    /// Only checks whether the faults can still be planted: builds and runs nothing.
    #[arg(long)]
    check: bool,
    /// What decides the log and the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many events the log has.
    #[arg(long, default_value_t = 20_000)]
    events: usize,
}

const CHAOS: [&str; 4] = ["--package", "fetch-event-source-trials", "--bin", "chaos"];

/// The verdict of chaos on a build.
enum Verdict {
    Passed,
    /// The first complaint.
    Complaint(String),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = if options.check {
        check(&options)
    } else {
        trial(&options)
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether each text to replace occurs once in the library.
fn check(options: &Options) -> Result<bool, BoxError> {
    let copy = Copy::new()?;
    let mutants = chosen(&options.names)?;
    let mut stale = 0;
    for mutant in &mutants {
        for edit in mutant.edits {
            if let Err(error) = copy.place(edit) {
                println!("{}: {error}", mutant.name);
                stale += 1;
            }
        }
    }
    println!("{} mutants, {stale} stale", mutants.len());
    copy.is_a_workspace()?;
    Ok(stale == 0)
}

/// Whether the unchanged library passes, and all faults are found.
fn trial(options: &Options) -> Result<bool, BoxError> {
    let copy = Copy::new()?;
    let mutants = chosen(&options.names)?;
    let whole = Mutant {
        name: "(none)",
        what: "the library as it is",
        edits: &[],
    };
    let mut rows = Vec::new();
    let mut noticed = 0;
    for mutant in std::iter::once(&whole).chain(mutants) {
        let started = Instant::now();
        let verdict = copy.try_out(mutant, options);
        let is_whole = mutant.edits.is_empty();
        let (well, says) = match verdict {
            Ok(Verdict::Passed) => (is_whole, "passed".to_owned()),
            Ok(Verdict::Complaint(complaint)) => (!is_whole, complaint),
            Err(error) => (false, format!("error: {error}")),
        };
        noticed += usize::from(well && !is_whole);
        let mark = if well { "ok" } else { "FAILED" };
        let row = format!("{mark:6}  {:33}  {says}", mutant.name);
        println!(
            "{row}\n        {} ({:.0} s)",
            mutant.what,
            started.elapsed().as_secs_f64()
        );
        if is_whole && !well {
            return Ok(false);
        }
        rows.push((well, row));
    }
    println!();
    for (_, row) in &rows {
        println!("{row}");
    }
    println!("{noticed} of {} mutants noticed", rows.len() - 1);
    Ok(rows.iter().all(|(well, _)| *well))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Mutant>, BoxError> {
    if names.is_empty() {
        return Ok(MUTANTS.iter().collect());
    }
    let find = |name: &String| MUTANTS.iter().find(|mutant| mutant.name == name);
    names
        .iter()
        .map(|name| find(name).ok_or_else(|| format!("no mutant is called {name}").into()))
        .collect()
}

/// The tree that this was built from.
fn root() -> Result<PathBuf, BoxError> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?)
}

/// A copy of the tree, and the builds of it.
struct Copy {
    original: PathBuf,
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Result<Self, BoxError> {
        let original = root()?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| original.join("target"), PathBuf::from);
        let place = target.join("mutants");
        let copy = Self {
            original,
            tree: place.join("tree"),
            target: place.join("target"),
        };
        fs::create_dir_all(&copy.tree)?;
        let files = copy.files()?;
        copy.prune(Path::new(""), &files)?;
        for file in &files {
            copy.refresh(Path::new(file))?;
        }
        Ok(copy)
    }

    /// Removes what an earlier copy had and this one has not.
    fn prune(&self, folder: &Path, files: &HashSet<String>) -> Result<(), BoxError> {
        for entry in fs::read_dir(self.tree.join(folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.prune(&path, files)?;
            } else if !path.to_str().is_some_and(|path| files.contains(path)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// All files of the repository, because a workspace needs all of its members.
    fn files(&self) -> Result<HashSet<String>, BoxError> {
        let output = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.original)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let names = String::from_utf8(output.stdout)?;
        let names = names.split('\0').filter(|name| !name.is_empty());
        Ok(names
            .filter(|name| self.original.join(name).is_file()) // without deleted files
            .map(str::to_owned)
            .collect())
    }

    /// Updates a file. An equal file is left alone, so that it is not rebuilt.
    fn refresh(&self, file: &Path) -> Result<(), BoxError> {
        let (from, to) = (self.original.join(file), self.tree.join(file));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        write_if_new(&to, &fs::read(from)?)
    }

    /// Fails if Cargo cannot read the copy.
    fn is_a_workspace(&self) -> Result<(), BoxError> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
            .current_dir(&self.tree)
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into())
        }
    }

    /// Applies the mutant, builds, runs, and takes the mutant back.
    fn try_out(&self, mutant: &Mutant, options: &Options) -> Result<Verdict, BoxError> {
        let verdict = self.apply(mutant.edits).and_then(|()| self.judge(options));
        for file in self.sources()? {
            self.refresh(Path::new(&file))?;
        }
        verdict
    }

    fn apply(&self, edits: &[Edit]) -> Result<(), BoxError> {
        for edit in edits {
            let path = self.tree.join(self.place(edit)?);
            let text = fs::read_to_string(&path)?;
            write_if_new(&path, text.replacen(edit.from, edit.to, 1).as_bytes())?;
        }
        Ok(())
    }

    /// Returns the file with the text, which must occur once.
    fn place(&self, edit: &Edit) -> Result<String, BoxError> {
        let mut places = Vec::new();
        for file in self.sources()? {
            let text = fs::read_to_string(self.tree.join(&file))?;
            places.extend(text.matches(edit.from).map(|_| file.clone()));
        }
        match &places[..] {
            [file] => Ok(file.clone()),
            _ => Err(format!("{} stands in {places:?}, not once", edit.from).into()),
        }
    }

    /// The library's files.
    fn sources(&self) -> Result<Vec<String>, BoxError> {
        let files = self.files()?.into_iter();
        Ok(files.filter(|file| file.starts_with("src/")).collect())
    }

    fn judge(&self, options: &Options) -> Result<Verdict, BoxError> {
        let built = self.cargo("build").args(CHAOS).output()?;
        if !built.status.success() {
            return Err(format!("it does not compile\n{}", text(&built)).into());
        }
        let ran = Command::new(self.target.join("release/chaos"))
            .args(["--quiet", "--at-least", "0", "--connections", "1"])
            .args(["--complaints", "1", "--patience", "4", "--deadline", "60"])
            .args(["--seed", &options.seed.to_string()])
            .args(["--events", &options.events.to_string()])
            .output()?;
        match ran.status.code() {
            Some(0) => Ok(Verdict::Passed),
            Some(1) => Ok(Verdict::Complaint(first_complaint(&ran)?)),
            _ => Err(format!("the trial broke down: {}\n{}", ran.status, text(&ran)).into()),
        }
    }

    /// Optimized a little, so that the build is fast.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args([command, "--quiet", "--locked", "--release"])
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_INCREMENTAL", "1");
        cargo
    }
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<(), BoxError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    Ok(fs::write(path, bytes)?)
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn first_complaint(output: &Output) -> Result<String, BoxError> {
    let text = text(output);
    let complaint = text
        .lines()
        .find_map(|line| line.strip_prefix("complaint: "));
    complaint
        .map(|complaint| complaint.chars().take(160).collect())
        .ok_or_else(|| format!("it failed without a complaint\n{text}").into())
}
