//! Why a source ended without an error.

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

impl Finished {
    /// The name in logs, which is stable: see the crate's documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::EndMarker => "end_marker",
            Self::NoContent => "no_content",
            Self::Stopped => "stopped",
            Self::Aborted => "aborted",
        }
    }
}
