//! The parser alone, on a file or standard input: no network, no async, no clock.
//! `printf 'data: a\n\n' | cargo run --example parse_only` shows what is in it, frame by frame, and
//! `cargo run --example parse_only -- FILE` a file. `--no-default-features` is enough for it.

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::Parser as _;
use fetch_event_source::{Frame, Parser};

/// How much is read at once. A chunk may end in the middle of an event.
const CHUNK: usize = 64 * 1024;

const SAMPLE: &str = "\u{feff}: a comment, after a byte order mark\r
retry: 2500\r
\r
event: price\r
id: 7\r
data: {\"symbol\":\"ACME\",\r
data:  \"price\":41.5}\r
\r
data: has the ID of the one before\n
id: 8

data: a carriage return\rdata: ends a line, too\r\r\
data: this one is not finished, so it is no event";

/// Shows what is in an event stream: events, comments, reconnection times
#[derive(clap::Parser)]
struct Arguments {
    /// A file, or - for standard input [default: standard input; on a terminal the sample]
    file: Option<String>,
    /// Show a built-in sample
    #[arg(long, conflicts_with = "file")]
    sample: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS, // as with `| head`
        Err(error) => {
            eprintln!("parse_only: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let stdin = io::stdin();
    match arguments.file.as_deref() {
        _ if arguments.sample => parse(SAMPLE.as_bytes()),
        None if stdin.is_terminal() => parse(SAMPLE.as_bytes()),
        None | Some("-") => parse(stdin.lock()),
        Some(file) => parse(File::open(file).map_err(|error| format!("{file}: {error}"))?),
    }
}

fn parse(mut source: impl Read) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut parser = Parser::new();
    let (mut events, mut comments) = (0, 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut input = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        while let Some(frame) = parser.next(&mut input)? {
            match frame {
                Frame::Event(event) => {
                    events += 1;
                    let (id, data) = (event.last_event_id, event.data);
                    writeln!(out, "event    {:?}, ID {id:?}: {data:?}", event.event_type)?;
                }
                Frame::Comment(text) => {
                    comments += 1;
                    writeln!(out, "comment  {text:?}")?;
                }
                Frame::Retry(time) => writeln!(out, "retry    {time:?}")?,
                Frame::LastEventId(id) => writeln!(out, "ID       {id:?}, without an event")?,
                _ => {}
            }
        }
    }
    let id = parser.last_event_id();
    writeln!(
        out,
        "{events} events, {comments} comments, last event ID {id:?}"
    )?;
    Ok(())
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
