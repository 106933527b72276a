//! Delays and timeouts are measured by a monotonic clock: setting the system's clock does nothing to
//! them. `tests/scenarios.md`, 119.
//!
//! A test cannot set the system's clock. What it can: show that there is one place which reads a
//! clock, that it reads tokio's, and that the wall's is asked for nothing but a date of `Retry-After`
//! without a `Date` beside it.

#![allow(clippy::unwrap_used)] // what cannot be read is a failed test

use crate::client;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::client::{DAY, in_memory};
use crate::support::{MemoryServer, Reply};
use fetch_event_source::RetryPolicy;
use tokio::time::Instant;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .collect()
}

/// The files whose code, tests left out, has this word.
fn files_with(word: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = sources(&folder)
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let mut lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            // The laws are compiled for tests and fuzzing alone; the guide shows what a user writes.
            lines.any(|line| line.contains(word))
                && path.iter().all(|part| part != "laws.rs" && part != "laws")
                && !path.starts_with(folder.join("guide"))
        })
        .map(|path| path.strip_prefix(&folder).unwrap().display().to_string())
        .collect();
    files.sort();
    files
}

#[test]
fn one_file_reads_clocks() {
    for (word, file) in [
        ("Instant::now", "client/timer.rs"),
        ("SystemTime::now", "client/platform/native.rs"),
        ("sleep_until(", "client/timer.rs"),
    ] {
        assert_eq!(files_with(word), [file], "{word}");
    }
    for word in ["std::time::Instant", ".elapsed(", "thread::sleep"] {
        assert!(
            files_with(word).is_empty(),
            "{word}: {:?}",
            files_with(word)
        );
    }
    let of_the_wall = [
        "client/driver/outcome.rs",
        "client/platform/native.rs",
        "testing/mod.rs",
    ];
    assert_eq!(files_with("wall_time()"), of_the_wall);
    for file in ["client/driver/outcome.rs", "testing/mod.rs"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let uses = fs::read_to_string(file).unwrap();
        assert_eq!(uses.matches("wall_time").count(), 1, "for Retry-After");
        let line = uses.lines().find(|line| line.contains("wall_time"));
        assert!(line.unwrap().contains("response::retry_after("));
    }
}

/// Here the two clocks part by days: tokio's goes on, the wall's stands.
#[tokio::test(start_paused = true)]
async fn a_delay_passes_by_the_monotonic_clock_while_the_wall_clock_stands() {
    let refused = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 86400\r\n\r\n";
    let server = MemoryServer::script([Reply::raw(refused), Reply::ok("data: a\n\n")]);
    let policy = RetryPolicy::persistent()
        .jitter(0.0)
        .server_delay_bounds(Duration::ZERO..);
    let (began, wall_began) = (Instant::now(), SystemTime::now());
    let mut events = in_memory(&server).retry(policy).stream();
    assert_eq!(client::next_data(&mut events).await, "a");
    assert!(began.elapsed() >= DAY);
    assert!(wall_began.elapsed().is_ok_and(|passed| passed < DAY / 24));
}

/// And back, as far as a date goes: with a `Date` beside it the wall's clock is not asked at all.
#[tokio::test(start_paused = true)]
async fn a_retry_after_date_is_relative_to_the_servers_clock() {
    for (date, until) in [
        (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:44 GMT",
        ),
        (
            "Thu, 01 Jan 2950 00:00:00 GMT",
            "Thu, 01 Jan 2950 00:00:07 GMT",
        ),
    ] {
        let refused = format!(
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nDate: {date}\r\nRetry-After: {until}\r\n\r\n"
        );
        let server = MemoryServer::script([Reply::raw(refused)]);
        let began = Instant::now();
        let mut events = in_memory(&server)
            .retry(RetryPolicy::persistent().jitter(0.0))
            .stream();
        assert!(events.next().await.is_none(), "a 204");
        assert_eq!(began.elapsed().as_secs(), 7, "{date}");
    }
}
