//! What we add to a request.

use std::time::Duration;

use reqwest::Request;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, Entry, HeaderMap, HeaderName, HeaderValue,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longer than any process: reqwest has no way to say "none" where its client has one.
const NO_TIMEOUT: Duration = Duration::MAX;

/// Sets our headers where the caller has set none.
///
/// `identity`, because a compression layer on the way holds events back until its buffer is full.
pub(crate) fn set_headers(request: &mut Request) {
    for (name, value) in [
        (ACCEPT, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (ACCEPT_ENCODING, "identity"),
    ] {
        if let Entry::Vacant(entry) = request.headers_mut().entry(name) {
            entry.insert(HeaderValue::from_static(value));
        }
    }
}

/// Lifts the total timeout of the client, which would cut a healthy stream. One that the caller
/// set on this request is the wish of whoever set it, and stays.
pub(crate) fn lift_timeout(request: &mut Request) {
    request.timeout_mut().get_or_insert(NO_TIMEOUT);
}

/// Sets `Last-Event-ID`, in place of any that is there; an empty ID is no header.
///
/// HTML standard, 9.2.3: "set (`Last-Event-ID`, lastEventIDValue)", as UTF-8, if it is not the
/// empty string. Gives `false`, and no header, where none can carry the ID.
pub(crate) fn set_last_event_id(headers: &mut HeaderMap, id: &str) -> bool {
    headers.remove(LAST_EVENT_ID);
    if id.is_empty() {
        return true;
    }
    match HeaderValue::from_bytes(id.as_bytes()) {
        Ok(value) => {
            headers.insert(LAST_EVENT_ID, value);
            true
        }
        Err(_) => false,
    }
}

pub(crate) fn has_last_event_id(headers: &HeaderMap) -> bool {
    headers.contains_key(LAST_EVENT_ID)
}

/// Whether a header can carry it.
pub(crate) fn is_sendable(id: &str) -> bool {
    HeaderValue::from_bytes(id.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    fn request() -> Request {
        Request::new(Method::GET, "http://127.0.0.1/".parse().unwrap())
    }

    #[test]
    fn headers_are_set_once_and_the_callers_stay() {
        let mut request = request();
        request.headers_mut().insert(ACCEPT, "x/y".parse().unwrap());
        set_headers(&mut request);
        set_headers(&mut request);
        let headers = request.headers();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers[ACCEPT], "x/y");
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert_eq!(headers[ACCEPT_ENCODING], "identity");
    }

    #[test]
    fn the_last_event_id_replaces_and_an_empty_one_removes() {
        let mut headers = HeaderMap::new();
        headers.append(LAST_EVENT_ID, "1".parse().unwrap());
        headers.append(LAST_EVENT_ID, "2".parse().unwrap());
        assert!(set_last_event_id(&mut headers, "…🚀"));
        let values: Vec<_> = headers.get_all(LAST_EVENT_ID).iter().collect();
        assert_eq!(values, ["…🚀".as_bytes()]);
        assert!(set_last_event_id(&mut headers, ""));
        assert!(headers.is_empty());
    }

    #[test]
    fn an_id_that_no_header_carries_is_left_out() {
        for id in ["\u{1}", "a\u{7f}b", "a\rb", "a\nb", "a\0b"] {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, "old".parse().unwrap());
            assert!(!set_last_event_id(&mut headers, id), "{id:?}");
            assert!(headers.is_empty());
            assert!(!is_sendable(id));
        }
        assert!(is_sendable("a\tb c"));
    }

    #[test]
    fn a_timeout_of_the_request_itself_stays() {
        let mut request = request();
        lift_timeout(&mut request);
        assert_eq!(request.timeout(), Some(&NO_TIMEOUT));
        *request.timeout_mut() = Some(Duration::from_secs(5));
        lift_timeout(&mut request);
        assert_eq!(request.timeout(), Some(&Duration::from_secs(5)));
    }
}
