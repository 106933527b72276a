//! The headers that the source adds to a request.

use http::HeaderMap;
use http::header::{Entry, HeaderName};

use crate::client::platform;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Sets the headers that the caller has not set.
pub(crate) fn set(headers: &mut HeaderMap) {
    for (name, value) in platform::HEADERS {
        if let Entry::Vacant(entry) = headers.entry(name) {
            entry.insert(value);
        }
    }
}

/// Sets `Last-Event-ID`, or removes it if the ID is empty.
///
/// HTML standard, 9.2.3: "set (`Last-Event-ID`, lastEventIDValue)", as UTF-8, if it is not the empty
/// string. Returns `false`, and sets no header, if no header can hold the ID.
pub(crate) fn set_last_event_id(headers: &mut HeaderMap, id: &str) -> bool {
    headers.remove(LAST_EVENT_ID);
    if id.is_empty() {
        return true;
    }
    let Some(value) = platform::id_header(id) else {
        return false;
    };
    headers.insert(LAST_EVENT_ID, value);
    true
}

/// The ID in a header of the caller, with U+FFFD for bytes that are not UTF-8.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LAST_EVENT_ID)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether the caller set an ID that is not UTF-8.
pub(crate) fn has_binary_id(headers: &HeaderMap) -> bool {
    let value = headers.get(LAST_EVENT_ID);
    value.is_some_and(|value| std::str::from_utf8(value.as_bytes()).is_err())
}

pub(crate) fn has_last_event_id(headers: &HeaderMap) -> bool {
    headers.contains_key(LAST_EVENT_ID)
}

/// Whether a header can hold the ID.
pub(crate) fn is_sendable(id: &str) -> bool {
    id.is_empty() || platform::id_header(id).is_some()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL};

    use super::*;

    #[test]
    fn headers_are_set_once_and_the_callers_stay() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("x/y"));
        set(&mut headers);
        set(&mut headers);
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
}
