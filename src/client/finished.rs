//! Why a source ended without an error.

use std::fmt;

/// Why a source ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// The server ended the stream, and neither the policy nor `on_close` reconnected.
    Ended,
    /// The end marker of [`until`](crate::EventSource::until) arrived.
    EndMarker,
    /// The server answered 204: no more events will come.
    NoContent,
    /// A hook returned `Break`, or [`Failure::stop`](crate::Failure::stop).
    Stopped,
    /// [`abort_on`](crate::EventSource::abort_on) or [`Handle::close`](crate::Handle::close) ended it.
    Aborted,
}

/// The name of a variant in logs: in snake case, without its value. Logs are as stable as the variants, which
/// are public.
pub(crate) fn name_in_logs(variant: &impl fmt::Debug) -> String {
    let mut name = String::new();
    for char in format!("{variant:?}").chars() {
        match char {
            'A'..='Z' if name.is_empty() => name.push(char.to_ascii_lowercase()),
            'A'..='Z' => name.extend(['_', char.to_ascii_lowercase()]),
            'a'..='z' | '0'..='9' => name.push(char),
            _ => break, // the value
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_has_stable_names_in_logs() {
        let names = [
            (Finished::Ended, "ended"),
            (Finished::EndMarker, "end_marker"),
            (Finished::NoContent, "no_content"),
            (Finished::Stopped, "stopped"),
            (Finished::Aborted, "aborted"),
        ];
        for (finished, name) in names {
            assert_eq!(name_in_logs(&finished), name);
        }
    }
}
