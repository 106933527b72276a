//! The reference parsers, which are Python: started once, for all streams.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fetch_event_source::BoxError;
use serde::Deserialize;

use crate::reading::{Reading, Told};
use crate::streams::Stream;

/// Reads streams, and writes a line of JSON for each.
const BATCH: &str = include_str!("batch.py");

#[derive(Deserialize)]
struct Answer {
    events: Vec<Event>,
    final_last_event_id: String,
    /// Decimal: Python knows no largest number.
    retry_ms: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    data: String,
    id: String,
}

impl From<Answer> for Reading {
    fn from(answer: Answer) -> Self {
        let events = answer.events.into_iter().map(|event| Told::Event {
            event_type: event.event,
            data: event.data,
            id: event.id,
        });
        // A string of digits fails to parse only if it is too long.
        let time = |digits: String| Told::Retry(digits.parse().unwrap_or(u128::MAX));
        Self {
            told: events
                .chain(answer.retry_ms.into_iter().map(time))
                .collect(),
            last_event_id: answer.final_last_event_id,
        }
    }
}

/// The readings of both parsers of the script, which must be equal.
pub(crate) fn read(script: &Path, streams: &[Stream]) -> Result<Vec<Reading>, BoxError> {
    let mut python = Command::new("python3")
        .args(["-c", BATCH])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = python.stdin.take().ok_or("no way in")?;
    let output = BufReader::new(python.stdout.take().ok_or("no way out")?);
    let readings = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(input, streams));
        let readings: Result<Vec<_>, BoxError> = output
            .lines()
            .map(|line| Ok(serde_json::from_str::<Answer>(&line?)?.into()))
            .collect();
        let written = writer.join().map_err(|_| "the writer panicked")?;
        let readings = readings?; // what fails here makes the writer fail
        written?;
        Ok::<_, BoxError>(readings)
    })?;
    if !python.wait()?.success() {
        return Err("the reference failed: see above".into());
    }
    if readings.len() != streams.len() {
        return Err(format!("{} answers for {} streams", readings.len(), streams.len()).into());
    }
    Ok(readings)
}

/// For each stream the lengths of its chunks, in a line of JSON, then its bytes.
fn write(input: impl Write, streams: &[Stream]) -> std::io::Result<()> {
    let mut input = BufWriter::new(input);
    for stream in streams {
        let lengths: Vec<_> = stream.chunks().map(<[u8]>::len).collect();
        serde_json::to_writer(&mut input, &lengths)?;
        input.write_all(b"\n")?;
        input.write_all(&stream.bytes)?;
    }
    input.flush()
}
