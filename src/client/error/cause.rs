//! Reads the causes of an error.
//!
//! The caller chooses the HTTP and TLS libraries, and this crate does not depend on most of their types. It
//! knows `io::Error`, and reqwest's errors through [`Facts`]. For the rest it reads the text of the innermost
//! cause.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use url::Url;

use super::{Error, ErrorKind};
use crate::bounds::BoxError;
use crate::client::http::facts::Facts;
use crate::client::platform;
use crate::client::reqwest::classify::{facts, without_url};

/// Marks an error as worth a retry.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Transient(BoxError);

/// Marks an error of [`from_fn`](crate::EventSource::from_fn) or
/// [`connect_with`](crate::EventSource::connect_with) as worth a retry.
///
/// Without the mark, these are transient: an [`io::Error`] of a broken or refused connection, a timeout or an
/// unreachable network; tokio's `Elapsed`; a reqwest error of connecting, a timeout, or a status that is
/// retried.
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
        // Other HTTP stacks report this. Other kinds may come from an established connection.
        None => io_kind(error) == Some(io::ErrorKind::ConnectionRefused),
    }
}

/// Whether a later attempt may succeed, if nothing was sent.
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

/// Makes the error of a request without a response. `asked`: its URL, if it is known.
pub(crate) fn no_response(error: BoxError, asked: Option<&Url>) -> Error {
    Error::caused(no_response_kind(&*error, asked), RedactedError::of(error))
}

fn no_response_kind(error: &(dyn StdError + 'static), asked: Option<&Url>) -> ErrorKind {
    let facts: Vec<_> = chain(error).filter_map(facts).collect();
    // A redirect to a scheme other than HTTP is also a builder error, about its target.
    let is_redirect = |facts: &Facts| {
        let is_of_target = facts.url.as_ref().is_some_and(|url| Some(url) != asked);
        facts.is_redirect || (facts.is_builder && is_of_target)
    };
    match () {
        () if chain(error).any(|cause| cause.is::<Transient>()) => ErrorKind::NoResponse,
        () if facts.iter().any(is_redirect) => ErrorKind::Redirect,
        () if facts.iter().any(|facts| facts.is_builder) => ErrorKind::InvalidRequest,
        () if !platform::TELLS_CAUSES => ErrorKind::NoResponse,
        () if chain(error).any(is_proxy_refusal) => ErrorKind::Proxy,
        () if is_tls_failure(error) && chain(error).any(is_handshake) => ErrorKind::Certificate,
        () if chain(error).any(is_malformed_head) => ErrorKind::MalformedHead,
        () => ErrorKind::NoResponse,
    }
}

/// Whether TLS failed. A server may put any text into an HTTP error, so the text of the innermost cause only
/// counts below a TLS or connect error.
fn is_handshake(error: &(dyn StdError + 'static)) -> bool {
    is_connect(error)
        || is_alert(&error.to_string())
        || io_kind(error) == Some(io::ErrorKind::InvalidData)
}

/// rustls says "received fatal alert: CertificateRequired", OpenSSL "tlsv13 alert certificate required".
fn is_alert(text: &str) -> bool {
    text.to_ascii_lowercase().contains("alert")
}

/// Whether TLS failed in a way that would repeat: a certificate, or one of these alerts. rustls says
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
    let mut text = innermost.unwrap_or_default().to_ascii_lowercase();
    text.retain(|char| char.is_ascii_alphabetic());
    let text = text.replace("unrecognized", "unrecognised");
    text.contains("certificate")
        || text.contains("unknownca")
        || ALERTS
            .iter()
            .any(|alert| text.contains(alert) && is_alert(&text))
}

/// The text of hyper-util for a 407 of a proxy in answer to CONNECT.
fn is_proxy_refusal(error: &(dyn StdError + 'static)) -> bool {
    error.to_string() == "tunnel error: proxy authorization required"
}

/// The texts of hyper for a head that it cannot parse. Half a head is not one of them: it is "connection
/// closed before message completed".
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

/// Makes the error of a function that returned no request.
pub(crate) fn made_no_request(error: BoxError) -> Error {
    Error::caused(ErrorKind::MakeRequest, RedactedError::of(error))
}

/// The text of an error and its causes, without the URLs in reqwest's errors.
#[derive(thiserror::Error)]
#[error("{text}")]
pub(crate) struct RedactedError {
    text: String,
    source: Option<Box<Self>>,
    /// The original error, which answers questions about types and kinds, and is never shown.
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

/// The original error, which must not be shown. It answers questions about types and kinds, because a
/// redacted copy is only text.
pub(super) fn as_given<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let redacted = error.downcast_ref::<RedactedError>();
    match redacted.and_then(|redacted| redacted.given.as_ref()) {
        Some(given) => &**given,
        None => error,
    }
}

impl RedactedError {
    /// The error, redacted if it is one of reqwest's. If it wraps one that cannot be redacted in place, a copy
    /// of the text is used.
    pub(crate) fn of(error: BoxError) -> BoxError {
        let error = without_url(error);
        if !chain(&*error).any(|cause| cause.to_string().contains(URL)) {
            return error;
        }
        let mut copy = Self::copy(&*error);
        copy.given = Some(error);
        copy.into()
    }

    fn copy(error: &(dyn StdError + 'static)) -> Self {
        Self {
            text: strip_url(error.to_string()),
            source: error.source().map(|source| Box::new(Self::copy(source))),
            given: None,
        }
    }
}

/// Every version of reqwest prints " for url (…)".
const URL: &str = " for url (";

fn strip_url(text: String) -> String {
    let Some((before, rest)) = text.split_once(URL) else {
        return text;
    };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    strip_url(format!("{before}{after}"))
}

/// The text of the innermost cause. For an `io::Error` of the system, the name of its kind.
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

/// The text in one line of at most `most` characters.
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
