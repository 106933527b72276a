//! Several runs of a program, each in a separate process.
//!
//! The placement of code and memory differs between processes, and changes the speed of the same code by a tenth and more.
//! Within a process all contestants take turns; over the processes the median counts.

use std::env;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rounds::Samples;
use crate::{BoxError, option};

/// The argument that makes a process one of the runs. Its value is the run's number.
const RUN: &str = "--run";

/// Returns the measurements of the runs: the program starts itself this many times with its own arguments. `None` if this
/// process is one of the runs, and has printed its measurements.
///
/// # Errors
///
/// A run fails, or cannot be started.
pub fn several<T: Serialize + DeserializeOwned>(
    runs: usize,
    measure: impl FnOnce(usize) -> Result<T, BoxError>,
) -> Result<Option<Vec<T>>, BoxError> {
    let number = option(RUN, usize::MAX)?;
    if number != usize::MAX {
        println!("{}", serde_json::to_string(&measure(number)?)?);
        return Ok(None);
    }
    if runs == 0 {
        return Err("no run, nothing measured".into());
    }
    (0..runs).map(run).collect::<Result<_, _>>().map(Some)
}

fn run<T: DeserializeOwned>(number: usize) -> Result<T, BoxError> {
    let output = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .args([RUN, &number.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("run {number} ends with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The median over the runs; NaN if there is none.
#[must_use]
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    Samples::of(figures.into_iter().collect()).median()
}
