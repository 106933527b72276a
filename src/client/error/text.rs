//! The text of an error: what failed and the innermost cause, in one line.

use std::fmt;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{Method, StatusCode};

use super::{Error, ErrorKind, cause};
use crate::client::finished::name_in_logs;
use crate::client::http::response;

/// The maximum length of the text, in characters.
const LINE: usize = 120;

impl Error {
    /// What failed, in our words.
    fn what(&self) -> String {
        let what = match self.kind() {
            ErrorKind::Status(status) => return self.status_text(status),
            ErrorKind::ContentType => {
                return match self.header(CONTENT_TYPE) {
                    Some(found) => format!("content type {found}, not text/event-stream"),
                    None => "no content type, expected text/event-stream".to_owned(),
                };
            }
            ErrorKind::ContentEncoding => {
                let found = self.header(CONTENT_ENCODING).unwrap_or_default();
                return format!("content encoding {found} was not decoded");
            }
            ErrorKind::ResponseTimeout(clock) => return format!("no response within {clock:?}"),
            ErrorKind::FirstEventTimeout(clock) => {
                return format!("no first event within {clock:?}");
            }
            ErrorKind::IdleTimeout(clock) => return format!("no byte for {clock:?}"),
            ErrorKind::EventTimeout(clock) => return format!("no event for {clock:?}"),
            ErrorKind::NotReplayed => {
                let method = self.0.method.as_ref();
                let method = method.map_or("the request", Method::as_str);
                return format!("{method} not sent again: the server may have acted on it");
            }
            ErrorKind::NeverOpened(finished) => {
                return format!("ended before it opened: {}", name_in_logs(&finished));
            }
            ErrorKind::InvalidRequest => "invalid request",
            ErrorKind::InvalidLastEventId => "invalid last event ID: no header can hold it",
            ErrorKind::InvalidOption => "invalid option",
            ErrorKind::DefaultClient => "cannot build the default HTTP client",
            ErrorKind::MakeRequest => "no request",
            ErrorKind::NoResponse => "no response",
            ErrorKind::Certificate => "TLS failed",
            ErrorKind::Redirect => "cannot follow the redirect",
            ErrorKind::Proxy => "the proxy refused to connect",
            ErrorKind::MalformedHead => "malformed response head",
            ErrorKind::NotAnEventStream => "not an event stream: it has only unknown lines",
            ErrorKind::Validate => "rejected by `validate`",
            ErrorKind::Hook => "a hook failed",
            ErrorKind::Disconnected => "the connection broke off",
            ErrorKind::Incomplete => "the stream ended before its end marker",
            ErrorKind::EventTooLarge => "event too large",
            ErrorKind::NotCloneable => "not sent again: the request cannot be repeated",
        };
        what.to_owned()
    }

    fn status_text(&self, status: StatusCode) -> String {
        let code = status.as_u16();
        match self.retry_after() {
            _ if status.is_redirection() => {
                format!("status {code}, a redirect that was not followed")
            }
            Some(delay) => format!("status {status}, retry after {delay:?}"),
            None => format!("status {status}"),
        }
    }

    /// The value of a header: its lines combined, escaped and shortened.
    fn header(&self, name: HeaderName) -> Option<String> {
        const QUOTED: usize = 60;
        let headers = self.headers()?;
        headers.get(&name)?;
        let mut value = response::combined(headers, &name);
        let more = if value.len() > QUOTED { "…" } else { "" };
        value.truncate(QUOTED);
        Some(format!("\"{}{more}\"", value.escape_ascii()))
    }
}

/// What failed and the innermost cause.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.what();
        match (self.kind(), &self.0.source) {
            // The caller's own text may be meant for people, so it is not shortened.
            (ErrorKind::Hook, Some(source)) => return write!(f, "{line}: {source}"),
            (_, Some(source)) => {
                line.push_str(": ");
                line.push_str(&cause::innermost(&**source));
            }
            (_, None) => {}
        }
        f.write_str(&cause::shortened(&line, LINE))
    }
}
