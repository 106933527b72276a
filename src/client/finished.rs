//! Why a source ended without an error.

/// Why a source ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// The server ended the stream, and the policy, or `on_close`, did not reconnect.
    Ended,
    /// The event that [`until`](crate::EventSource::until) waits for came.
    EndMarker,
    /// The server answered 204: there is nothing (more) to come.
    NoContent,
    /// A hook said so: `Break`, or [`Failure::stop`](crate::Failure::stop).
    Stopped,
    /// [`abort_on`](crate::EventSource::abort_on) or [`Handle::close`](crate::Handle::close).
    Aborted,
}

impl Finished {
    /// The name in logs: a promise, see the crate's documentation.
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
