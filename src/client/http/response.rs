//! Decides whether a response opens a stream.

#[cfg(any(test, fuzzing))]
pub(crate) mod laws;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_url::mime::Mime;
use http::StatusCode;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use url::{Position, Url};

use crate::client::platform::{self, Transport};

/// The head of a response: status and headers. A clone refers to the same head.
#[derive(Clone)]
pub struct ResponseHead(Arc<Parts>);

struct Parts {
    status: StatusCode,
    headers: HeaderMap,
    url: Option<Url>,
    transport: Transport,
}

impl ResponseHead {
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        url: Option<Url>,
        transport: Transport,
    ) -> Self {
        Self(Arc::new(Parts {
            status,
            headers: unshared(headers),
            url,
            transport,
        }))
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// Returns the status: 200, unless another was [allowed](crate::EventSource::allow_status).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the URL that answered, after redirects; `None` if the HTTP stack does not tell, as with
    /// [`connect_with`](crate::EventSource::connect_with). In the standard, its origin is the event's origin.
    #[must_use]
    pub fn url(&self) -> Option<&Url> {
        self.0.url.as_ref()
    }
}

impl fmt::Debug for ResponseHead {
    /// Shows only the host of the URL and the names of the headers: the rest may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ResponseHead");
        debug.field("status", &self.status());
        self.transport().show(&mut debug);
        debug
            .field("host", &self.url().and_then(Url::host_str))
            .field("headers", &self.headers().keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Copies the headers, because their values refer to the connection's read buffer, and the head is kept as
/// long as the stream is open, for later errors.
fn unshared(headers: &HeaderMap) -> HeaderMap {
    let copy = |(name, value): (&HeaderName, &HeaderValue)| {
        let mut copied = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        copied.set_sensitive(value.is_sensitive());
        Some((name.clone(), copied))
    };
    // With room for these names: an empty map would begin with room for six.
    let mut unshared = HeaderMap::with_capacity(headers.keys_len());
    unshared.extend(headers.iter().filter_map(copy));
    unshared
}

/// Responses that open a stream besides a 200 with `text/event-stream`.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) statuses: Vec<StatusCode>,
    /// In lower case, without parameters.
    pub(crate) types: Vec<String>,
    pub(crate) any_type: bool,
}

/// The judgement of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    NoContent,
    Refusal,
    WrongType,
    /// Compressed, and the HTTP stack did not decode it.
    Encoded,
}

/// HTML standard, 9.2.3: "if res's status is not 200, or if res's `Content-Type` is not
/// `text/event-stream`, then fail the connection". A 204 is how a server asks us to stop.
pub(crate) fn judge(status: StatusCode, headers: &HeaderMap, allowed: &Allowed) -> Kind {
    match status {
        StatusCode::NO_CONTENT => Kind::NoContent,
        _ if !opens(status, allowed) => Kind::Refusal,
        _ if !is_allowed_type(headers, allowed) => Kind::WrongType,
        _ if !platform::IS_DECODED && is_encoded(headers) => Kind::Encoded,
        _ => Kind::Stream,
    }
}

fn opens(status: StatusCode, allowed: &Allowed) -> bool {
    status == StatusCode::OK || allowed.statuses.contains(&status)
}

fn is_allowed_type(headers: &HeaderMap, allowed: &Allowed) -> bool {
    allowed.any_type
        || essence(headers)
            .is_some_and(|found| found == "text/event-stream" || allowed.types.contains(&found))
}

/// A layer that decodes a body removes the header, as reqwest does. An unknown coding is ignored, as in
/// browsers: servers write `none` to keep compression layers off.
fn is_encoded(headers: &HeaderMap) -> bool {
    split_values(&combined(headers, &CONTENT_ENCODING)).any(|coding| {
        let coding = coding.trim_ascii();
        CODINGS
            .iter()
            .any(|known| coding.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// The content codings of the HTTP registry, except `identity`.
const CODINGS: [&str; 10] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];

/// Returns type and subtype in lower case.
///
/// Fetch standard, "extract a MIME type": the last value counts that can be parsed and is not `*/*`.
fn essence(headers: &HeaderMap) -> Option<String> {
    split_values(&combined(headers, &CONTENT_TYPE))
        // Isomorphic decode: a byte is a code point.
        .map(|value| value.iter().copied().map(char::from).collect::<String>())
        .filter_map(|value| parse_essence(&value))
        .filter(|essence| essence != "*/*")
        .last()
}

/// The essence of `text/plain; charset=utf-8` is `text/plain`. Parameters do not matter here, and parsing
/// them takes quadratic time (each is compared with all before it), so they are cut off.
pub(crate) fn parse_essence(value: &str) -> Option<String> {
    let essence = value.split(';').next().unwrap_or_default();
    let mime: Mime = essence.parse().ok()?;
    Some(format!("{}/{}", mime.type_, mime.subtype))
}

/// Joins the lines of a repeated header with commas: an open quote reaches into the next line.
pub(crate) fn combined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lines.collect::<Vec<_>>().join(&b", "[..])
}

/// Fetch standard, "get, decode, and split": splits at commas outside of quoted strings. It is lazy, because
/// a server may send hundreds of thousands of values.
fn split_values(combined: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    combined.split(move |&byte| {
        let ends = byte == b',' && !quoted;
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && !escaped && byte == b'\\';
        ends
    })
}

/// Whether another URL answered than the requested one.
pub(crate) fn was_redirected(asked: &Url, answered: &Url) -> bool {
    asked[..Position::AfterQuery] != answered[..Position::AfterQuery]
}

/// How long the server asks to wait before the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    pub(crate) delay: Duration,
    /// Whether there was a `Retry-After`. `retry-after-ms` alone does not prove that the server did nothing.
    pub(crate) is_standard: bool,
}

/// RFC 9110, section 10.2.3: seconds, or a date. `retry-after-ms`, which large APIs send too, is more exact
/// and takes precedence.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<RetryAfter> {
    let standard = standard_retry_after(headers, now);
    let delay = retry_after_ms(headers).or(standard)?;
    Some(RetryAfter {
        delay,
        is_standard: standard.is_some(),
    })
}

fn retry_after_ms(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after-ms")?.to_str().ok()?.trim();
    // Some write a fraction. It counts as a whole millisecond: to parse a float would add 10 kB to a page.
    let (millis, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if millis.is_empty() || !is_number || !millis.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let started = u64::from(fraction.bytes().any(|byte| byte != b'0'));
    let millis = millis.parse().unwrap_or(u64::MAX).saturating_add(started);
    Some(Duration::from_millis(millis))
}

/// A date is relative to the response's `Date`, if it has one, so that a difference between the two clocks
/// does not matter.
fn standard_retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = platform::http_date(value)?;
    let sent = headers
        .get(DATE)
        .and_then(|date| platform::http_date(date.to_str().ok()?))
        .unwrap_or(now);
    Some(date.duration_since(sent).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_type(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                CONTENT_TYPE,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    fn opens(values: &[&str]) -> bool {
        judge(StatusCode::OK, &content_type(values), &Allowed::default()) == Kind::Stream
    }

    #[test]
    fn the_essence_decides_whatever_its_case_parameters_and_white_space() {
        for value in [
            "text/event-stream",
            "TEXT/Event-Stream",
            "text/event-stream;",
            "text/event-stream;charset=utf-8",
            "text/event-stream; charset=UTF-8; x=\"a;b\"",
            "text/event-stream; x=\"a,b/c\"",
            "text/event-stream;charset=utf-16",
            " \ttext/event-stream \t",
            "text/event-stream; x=\u{ff}",
        ] {
            assert!(opens(&[value]), "{value:?}");
        }
    }

    #[test]
    fn what_only_looks_like_it_does_not_open() {
        for value in [
            "text/x-bogus",
            "application/json",
            "text/plain",
            "x bogus",
            "text/event-streamx",
            "text/event-stream-json",
            "text/event-stream+json",
            "xtext/event-stream",
            "text/event-stream x",
            "text /event-stream",
            "",
        ] {
            assert!(!opens(&[value]), "{value:?}");
        }
        assert!(!opens(&[]));
    }

    #[test]
    fn the_last_value_that_can_be_parsed_decides() {
        assert!(opens(&["text/plain", "text/event-stream"]));
        assert!(opens(&["text/plain, text/event-stream"]));
        assert!(opens(&["text/event-stream, nonsense"]));
        assert!(opens(&["text/event-stream", "*/*"]));
        assert!(!opens(&["text/event-stream", "text/plain"]));
        assert!(!opens(&["text/event-stream, text/plain"]));
    }

    #[test]
    fn a_quote_left_open_reaches_into_the_next_line_of_the_header() {
        assert!(!opens(&["text/plain; x=\"", "text/event-stream"]));
        assert!(opens(&["text/event-stream; x=\"", "text/plain"]));
    }

    #[test]
    fn another_type_opens_where_the_caller_accepts_it() {
        let plain = content_type(&["Text/Plain; charset=utf-8"]);
        let allowed = Allowed {
            types: vec![parse_essence("text/plain").unwrap()],
            ..Allowed::default()
        };
        assert_eq!(judge(StatusCode::OK, &plain, &allowed), Kind::Stream);
        let default = Allowed::default();
        assert_eq!(judge(StatusCode::OK, &plain, &default), Kind::WrongType);
    }

    #[test]
    fn any_type_or_none_opens_where_the_caller_allows_it() {
        let allowed = Allowed {
            any_type: true,
            ..Allowed::default()
        };
        for headers in [
            HeaderMap::new(),
            content_type(&["x"]),
            content_type(&["application/json"]),
        ] {
            assert_eq!(judge(StatusCode::OK, &headers, &allowed), Kind::Stream);
            assert_eq!(
                judge(StatusCode::CREATED, &headers, &allowed),
                Kind::Refusal
            );
        }
    }

    #[test]
    fn another_status_opens_where_the_caller_allows_it() {
        let stream = content_type(&["text/event-stream"]);
        let allowed = Allowed {
            statuses: vec![StatusCode::CREATED],
            ..Allowed::default()
        };
        assert_eq!(judge(StatusCode::CREATED, &stream, &allowed), Kind::Stream);
        assert_eq!(judge(StatusCode::OK, &stream, &allowed), Kind::Stream);
        assert_eq!(
            judge(StatusCode::ACCEPTED, &stream, &allowed),
            Kind::Refusal
        );
        let none = HeaderMap::new();
        assert_eq!(judge(StatusCode::CREATED, &none, &allowed), Kind::WrongType);
    }

    #[test]
    fn a_quote_is_escaped_only_within_quotes() {
        // The backslash stands outside of quotes, so the quote after it opens a string.
        assert!(!opens(&[r#"x\", text/event-stream"#]));
        assert!(opens(&[r#"x/y; z="\"", text/event-stream"#]));
    }

    #[test]
    fn milliseconds_go_before_seconds_and_settle_nothing() {
        let now = SystemTime::UNIX_EPOCH;
        let mut headers = HeaderMap::new();
        headers.insert("retry-after-ms", "1500".parse().unwrap());
        let asked = retry_after(&headers, now).unwrap();
        assert_eq!(
            (asked.delay, asked.is_standard),
            (Duration::from_millis(1500), false)
        );
        headers.insert(RETRY_AFTER, "2".parse().unwrap());
        let asked = retry_after(&headers, now).unwrap();
        assert_eq!(
            (asked.delay, asked.is_standard),
            (Duration::from_millis(1500), true)
        );
        let longest = Duration::from_millis(u64::MAX);
        for (text, delay) in [
            ("1500.0", Duration::from_millis(1500)),
            ("1500.75", Duration::from_millis(1501)), // not before the time asked for
            ("99999999999999999999", longest),
        ] {
            headers.insert("retry-after-ms", text.parse().unwrap());
            assert_eq!(retry_after(&headers, now).unwrap().delay, delay, "{text}");
        }
        for senseless in ["", "soon", "-1", "+1", "NaN", "inf", "1e999", "1.5s", "."] {
            headers.insert("retry-after-ms", senseless.parse().unwrap());
            let asked = retry_after(&headers, now).unwrap();
            assert_eq!(asked.delay, Duration::from_secs(2), "{senseless:?}");
        }
    }

    #[test]
    fn a_body_that_nobody_has_decoded_does_not_open() {
        let mut headers = content_type(&["text/event-stream"]);
        for (coding, kind) in [
            ("Identity", Kind::Stream),
            ("none", Kind::Stream),
            ("utf-8", Kind::Stream),
            ("GZip", Kind::Encoded),
            ("identity, br", Kind::Encoded),
            ("\tbr ", Kind::Encoded),
            ("\u{85}br", Kind::Stream), // U+0085 is not white space in HTTP
        ] {
            let latin_1: Vec<u8> = coding.chars().map(|char| char as u8).collect();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_bytes(&latin_1).unwrap());
            assert_eq!(
                judge(StatusCode::OK, &headers, &Allowed::default()),
                kind,
                "{coding}"
            );
        }
    }

    #[test]
    fn every_status_except_200_and_204_is_a_refusal() {
        let headers = content_type(&["text/event-stream"]);
        for status in [
            201, 202, 203, 205, 206, 210, 299, 300, 304, 307, 400, 401, 404, 429, 503,
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                judge(status, &headers, &Allowed::default()),
                Kind::Refusal,
                "{status}"
            );
        }
        assert_eq!(
            judge(StatusCode::NO_CONTENT, &headers, &Allowed::default()),
            Kind::NoContent
        );
    }

    fn after(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after_at(&headers)
    }

    /// Sun, 22 Nov 2026 12:00:00 GMT
    fn retry_after_at(headers: &HeaderMap) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        Some(retry_after(headers, now)?.delay)
    }

    #[test]
    fn retry_after_in_seconds() {
        assert_eq!(after("7", None), Some(Duration::from_secs(7)));
        assert_eq!(after(" 0 ", None), Some(Duration::ZERO));
        assert_eq!(
            after("99999999999999999999999", None),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn retry_after_as_a_date_is_taken_against_the_responses_own() {
        let (noon, later) = (
            "Sun, 22 Nov 2026 12:00:00 GMT",
            "Sun, 22 Nov 2026 12:00:30 GMT",
        );
        assert_eq!(after(later, None), Some(Duration::from_secs(30)));
        assert_eq!(after(later, Some(noon)), Some(Duration::from_secs(30)));
        assert_eq!(
            after(later, Some("Sun, 22 Nov 2026 12:00:20 GMT")),
            Some(Duration::from_secs(10))
        );
        assert_eq!(after(noon, Some(later)), Some(Duration::ZERO));
        assert_eq!(
            after(later, Some("yesterday")),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn retry_after_that_says_nothing_is_none() {
        for senseless in ["", "soon", "-1", "1.5", "7 s"] {
            assert_eq!(after(senseless, None), None, "{senseless:?}");
        }
    }
}
