//! Errors in terms of the command line.

use fetch_event_source::reqwest::StatusCode;
use fetch_event_source::{Error, ErrorKind};

use crate::text::{one_line, printable};

/// How many characters of a refusal's body are printed.
const BODY_SHOWN: usize = 2000;

/// Why the program ends; with what the server says, if it refused. `lacks_replay`: the request is
/// one that must not be repeated.
pub(crate) fn final_error(error: &Error, lacks_replay: bool) -> String {
    let mut text = describe(error);
    let is_withheld = lacks_replay && error.is_incomplete();
    if is_withheld || error.kind() == ErrorKind::NotReplayed {
        text += "; not sent again, because the server may have acted on it (--replay)";
    }
    if let Some(body) = error.body_text().filter(|body| !body.trim().is_empty()) {
        let body: String = body.trim_end().chars().take(BODY_SHOWN).collect();
        text += "\nsse: the server says: ";
        text += &printable(&body);
    }
    text
}

/// What failed, and the option that changes it.
pub(crate) fn describe(error: &Error) -> String {
    let what = one_line(&behind(error).to_string());
    match behind(error).kind() {
        ErrorKind::Incomplete => "the stream ended before the event of --until".to_owned(),
        ErrorKind::InvalidOption => "--allow-content-type: not a content type".to_owned(),
        ErrorKind::Certificate => format!("{what} (-k accepts any certificate)"),
        ErrorKind::Status(StatusCode::UNAUTHORIZED) => format!("{what} (-u, or -H with a token)"),
        ErrorKind::Status(status) if status.is_redirection() => format!("{what} (--max-redirs)"),
        ErrorKind::ContentType => format!("{what} (--allow-content-type)"),
        ErrorKind::ContentEncoding => format!("{what} (--compressed decodes gzip and deflate)"),
        ErrorKind::ResponseTimeout(_) => format!("{what} (--response-timeout)"),
        ErrorKind::IdleTimeout(_) => format!("{what} (--idle-timeout)"),
        ErrorKind::EventTimeout(_) => format!("{what} (--event-timeout)"),
        ErrorKind::EventTooLarge => "an event is larger than --max-event-size".to_owned(),
        ErrorKind::Redirect => format!("{what} (--max-redirs)"),
        ErrorKind::Proxy => format!("{what} (-x)"),
        _ => what,
    }
}

/// The failure that led to a request that is not sent again, or the error itself.
fn behind(error: &Error) -> &Error {
    let is_refused = matches!(
        error.kind(),
        ErrorKind::NotReplayed | ErrorKind::NotCloneable
    );
    let failure = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    failure.filter(|_| is_refused).unwrap_or(error)
}

pub(crate) fn exit_code(error: &Error) -> u8 {
    use ErrorKind::{
        Certificate, InvalidLastEventId, InvalidOption, InvalidRequest, MalformedHead, NoResponse,
        NotAnEventStream, Proxy, Redirect, ResponseTimeout,
    };
    match error.kind() {
        InvalidRequest | InvalidLastEventId | InvalidOption => 2,
        _ if error.is_incomplete() => 5,
        _ if error.status().is_some() => 4,
        NotAnEventStream => 4,
        NoResponse | ResponseTimeout(_) => 3,
        Redirect | Certificate | Proxy | MalformedHead => 3,
        _ => 1,
    }
}
