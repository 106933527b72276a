//! What lies behind an error: what the causes say, and what follows from it.
//!
//! HTTP and TLS libraries are the caller's choice, and most of their types are not ours. What can be told
//! by a type is: `io::Error`, and reqwest's errors through [`Facts`]. The rest is told by the text of the
//! innermost cause.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use url::Url;

use super::{Error, ErrorKind};
use crate::bounds::BoxError;
use crate::client::platform;
use crate::client::reqwest::classify::{facts, without_url};

/// Marks an error as worth a retry.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Transient(BoxError);

/// Marks an error of [`from_fn`](crate::EventSource::from_fn) or
/// [`connect_with`](crate::EventSource::connect_with) as worth a retry.
///
/// Transient without the mark are: an [`io::Error`] of a broken or refused connection, of a time-out or an
/// unreachable network; tokio's `Elapsed`; a reqwest error of connecting, of a time-out, or of a status
/// that is retried.
///
/// ```
/// use fetch_event_source::{BoxError, transient};
///
/// async fn token() -> Result<String, BoxError> {
///     Err(transient("the token service is being restarted"))
/// }
/// # let _ = token();
/// ```
pub fn transient(error: impl Into<BoxError>) -> BoxError {
    Transient(error.into()).into()
}

/// The error and its causes. `io::Error` hides the error it carries from `source()`.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match carried {
            Some(carried) => Some(carried as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

pub(super) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    match facts(error) {
        Some(facts) => facts.is_timeout,
        None => io_kind(error) == Some(io::ErrorKind::TimedOut),
    }
}

pub(super) fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    match facts(error) {
        Some(facts) => facts.is_connect,
        // What other HTTP stacks say. Other kinds may come from a connection that was made.
        None => io_kind(error) == Some(io::ErrorKind::ConnectionRefused),
    }
}

/// Whether a later try may succeed, where nothing was sent.
pub(crate) fn is_transient(
    error: &(dyn StdError + 'static),
    retries: impl Fn(u16) -> bool,
) -> bool {
    chain(as_given(error)).any(|cause| {
        cause.is::<Transient>()
            || platform::is_elapsed(cause)
            || io_kind(cause).is_some_and(is_transient_kind)
            || facts(cause).is_some_and(|facts| {
                facts.is_connect || facts.is_timeout || facts.status.is_some_and(&retries)
            })
    })
}

fn is_transient_kind(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::*;
    matches!(
        kind,
        ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | NotConnected
            | BrokenPipe
            | TimedOut
            | UnexpectedEof
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
    )
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    Some(error.downcast_ref::<io::Error>()?.kind())
}

/// The error of a request that brought no response. `asked`: its URL, if it is known.
pub(crate) fn no_response(error: BoxError, asked: Option<&Url>) -> Error {
    Error::caused(no_response_kind(&*error, asked), RedactedError::of(error))
}

fn no_response_kind(error: &(dyn StdError + 'static), asked: Option<&Url>) -> ErrorKind {
    let mut is_redirect = false;
    let mut is_builder = false;
    let mut is_marked = false;
    for cause in chain(error) {
        is_marked |= cause.is::<Transient>();
        let Some(facts) = facts(cause) else { continue };
        // A redirect to a scheme that is not HTTP is a builder's error too, about its target.
        let is_of_target = facts.is_builder && facts.url.is_some_and(|url| Some(&url) != asked);
        is_redirect |= facts.is_redirect || is_of_target;
        is_builder |= facts.is_builder;
    }
    match () {
        () if is_marked => ErrorKind::NoResponse,
        () if is_redirect => ErrorKind::Redirect,
        () if is_builder => ErrorKind::InvalidRequest,
        () if !platform::TELLS_CAUSES => ErrorKind::NoResponse,
        () if chain(error).any(is_proxy_refusal) => ErrorKind::Proxy,
        () if is_tls_failure(error) && chain(error).any(is_handshake) => ErrorKind::Certificate,
        () if chain(error).any(is_malformed_head) => ErrorKind::MalformedHead,
        () => ErrorKind::NoResponse,
    }
}

/// Whether TLS is what failed. A server may put any text into an HTTP error, so the text of the innermost
/// cause counts only together with a TLS or connect error above it.
fn is_handshake(error: &(dyn StdError + 'static)) -> bool {
    is_connect(error)
        || is_alert(&error.to_string())
        || io_kind(error) == Some(io::ErrorKind::InvalidData)
}

/// rustls says "received fatal alert: CertificateRequired", OpenSSL "tlsv13 alert certificate required".
fn is_alert(text: &str) -> bool {
    text.to_ascii_lowercase().contains("alert")
}

/// Whether TLS failed in a way that would repeat: over a certificate, or an alert of this kind. rustls says
/// "invalid peer certificate", OpenSSL "certificate verify failed".
fn is_tls_failure(error: &(dyn StdError + 'static)) -> bool {
    const ALERTS: [&str; 5] = [
        "handshakefailure",
        "protocolversion",
        "unrecognisedname",
        "noapplicationprotocol",
        "accessdenied",
    ];
    let innermost = chain(error).last().map(|cause| cause.to_string());
    let text: String = innermost
        .unwrap_or_default()
        .chars()
        .filter(|char| char.is_ascii_alphabetic())
        .map(|char| char.to_ascii_lowercase())
        .collect();
    let text = text.replace("unrecognized", "unrecognised");
    text.contains("certificate")
        || text.contains("unknownca")
        || ALERTS
            .iter()
            .any(|alert| text.contains(alert) && is_alert(&text))
}

/// hyper-util's words for a 407, and for another refusal, of a proxy that was asked to CONNECT.
fn is_proxy_refusal(error: &(dyn StdError + 'static)) -> bool {
    error.to_string() == "tunnel error: proxy authorization required"
}

/// hyper's words for a head that it cannot parse. Half a head is "connection closed before message
/// completed", and not among them.
fn is_malformed_head(error: &(dyn StdError + 'static)) -> bool {
    const WORDS: [&str; 6] = [
        "invalid HTTP version parsed",
        "invalid HTTP header parsed",
        "invalid HTTP status-code parsed",
        "invalid content-length parsed",
        "unexpected transfer-encoding parsed",
        "message head is too large",
    ];
    let text = error.to_string();
    WORDS.iter().any(|words| text.starts_with(words))
}

/// The error of a function that gave no request.
pub(crate) fn made_no_request(error: BoxError) -> Error {
    Error::caused(ErrorKind::MakeRequest, RedactedError::of(error))
}

/// What an error and its causes say, without the URLs that reqwest's errors print.
#[derive(thiserror::Error)]
#[error("{text}")]
pub(crate) struct RedactedError {
    text: String,
    source: Option<Box<Self>>,
    /// The error itself, of whose types and kinds questions are answered; never shown.
    given: Option<BoxError>,
}

impl fmt::Debug for RedactedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactedError")
            .field("text", &self.text)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// The error as it was given, which must not be shown. Questions about a type or a kind go to this
/// one, for a redacted copy is only text.
pub(crate) fn as_given<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    match error.downcast_ref::<RedactedError>() {
        Some(RedactedError {
            given: Some(given), ..
        }) => &**given,
        _ => error,
    }
}

impl RedactedError {
    /// The error, redacted where it is one of reqwest's. Of one that wraps another which cannot be redacted
    /// in its place, a copy of the text is shown.
    pub(crate) fn of(error: BoxError) -> BoxError {
        let error = without_url(error);
        if chain(&*error).any(|cause| shows_url(&cause.to_string())) {
            let mut copy = Self::copy(&*error);
            copy.given = Some(error);
            copy.into()
        } else {
            error
        }
    }

    fn copy(error: &(dyn StdError + 'static)) -> Self {
        Self {
            text: strip_url(error.to_string()),
            source: error.source().map(|source| Box::new(Self::copy(source))),
            given: None,
        }
    }
}

/// reqwest of any version prints " for url (…)".
const URL: &str = " for url (";

fn shows_url(text: &str) -> bool {
    text.contains(URL)
}

fn strip_url(text: String) -> String {
    let Some((before, rest)) = text.split_once(URL) else {
        return text;
    };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    strip_url(format!("{before}{after}"))
}

/// The text of the innermost cause. An `io::Error` of the system is named by its kind.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let Some(cause) = chain(error).last() else {
        return String::new();
    };
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() && is_transient_kind(error.kind()) => {
            error.kind().to_string()
        }
        _ => platform::cause_text(cause.to_string()),
    }
}

/// The text in one line of at most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let line = |char: char| if char.is_control() { ' ' } else { char };
    let mut chars = text.chars().map(line);
    let mut short: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}
