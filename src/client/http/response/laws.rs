//! What a response is to us, whatever its headers hold: against the standards' algorithms, step by
//! step as they are written.
//!
//! The fuzz target `response` and a property test call [`check`]. It is compiled for them alone.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::{Allowed, Kind, judge, retry_after};

/// Reads the lines as a response: the first byte selects the status, then each line is a header, whose name its first byte
/// selects. Returns the judgement of the response, and its delay.
///
/// # Panics
///
/// If they differ from the standards.
pub(crate) fn check(lines: &[u8]) -> (Kind, Option<Duration>) {
    let (&first, lines) = lines.split_first().unwrap_or((&0, &[]));
    let status = [200, 200, 200, 200, 204, 503, 201, 404][usize::from(first % 8)];
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let accepted = match first & 8 {
        0 => vec![],
        _ => vec!["text/plain".to_owned()],
    };
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        if let Some((name, value)) = header(line) {
            headers.append(name, value);
        }
    }

    let allowed = Allowed {
        types: accepted.clone(),
        ..Allowed::default()
    };
    let kind = judge(status, &headers, &allowed);
    assert_eq!(kind, expected_kind(status, &headers, &accepted));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800);
    let after = retry_after(&headers, now).map(|asked| asked.delay);
    assert_eq!(after, expected_delay(&headers, now));
    (kind, after)
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_first()?;
    let name = match name % 5 {
        0 | 1 => CONTENT_TYPE,
        2 => CONTENT_ENCODING,
        3 => RETRY_AFTER,
        _ => DATE,
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

/// HTML standard, 9.2.3, and what is said at [`Kind`].
fn expected_kind(status: StatusCode, headers: &HeaderMap, accepted: &[String]) -> Kind {
    match status.as_u16() {
        204 => return Kind::NoContent,
        200 => {}
        _ => return Kind::Refusal,
    }
    // Fetch standard, "extract a MIME type".
    let mut essence = None;
    for value in get_decode_and_split(headers, &CONTENT_TYPE) {
        match mime_essence(&value) {
            Some(any) if any == "*/*" => {}
            None => {}
            some => essence = some,
        }
    }
    let opens = |essence: &String| essence == "text/event-stream" || accepted.contains(essence);
    if !essence.as_ref().is_some_and(opens) {
        return Kind::WrongType;
    }
    let codings = get_decode_and_split(headers, &CONTENT_ENCODING);
    let is_coding = |coding: &String| {
        let coding = coding.to_ascii_lowercase();
        "aes128gcm br compress dcb dcz deflate gzip x-compress x-gzip zstd"
            .split(' ')
            .any(|known| known == coding)
    };
    match codings.iter().any(is_coding) {
        true => Kind::Encoded,
        false => Kind::Stream,
    }
}

/// Fetch standard, "get, decode, and split": first of all the values are combined.
fn get_decode_and_split(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    if values.is_empty() {
        return Vec::new();
    }
    let combined = values
        .iter()
        .map(|value| value.as_bytes())
        .collect::<Vec<_>>()
        .join(&b", "[..]);
    let input: Vec<char> = combined.into_iter().map(char::from).collect();
    let mut position = 0;
    let mut values = Vec::new();
    let mut value = String::new();
    loop {
        while position < input.len() && !['"', ','].contains(&input[position]) {
            value.push(input[position]);
            position += 1;
        }
        if input.get(position) == Some(&'"') {
            let end = end_of_quoted_string(&input, position);
            value.extend(&input[position..end]);
            position = end;
            if position < input.len() {
                continue;
            }
        }
        values.push(value.trim_matches(['\t', ' ']).to_owned());
        value.clear();
        if position >= input.len() {
            return values;
        }
        position += 1; // the comma
    }
}

/// Fetch standard, "collect an HTTP quoted string".
fn end_of_quoted_string(input: &[char], start: usize) -> usize {
    let mut position = start + 1;
    loop {
        match input.get(position) {
            None => return position,
            Some('"') => return position + 1,
            Some('\\') if position + 1 == input.len() => return position + 1,
            Some('\\') => position += 2,
            Some(_) => position += 1,
        }
    }
}

/// MIME sniffing standard, "parse a MIME type", as far as the essence.
fn mime_essence(input: &str) -> Option<String> {
    let is_space = |char| matches!(char, '\n' | '\r' | '\t' | ' ');
    let is_token = |text: &str| {
        let is_allowed =
            |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
        !text.is_empty() && text.chars().all(is_allowed)
    };
    let (kind, rest) = input.trim_matches(is_space).split_once('/')?;
    let subtype = rest.split(';').next().unwrap_or_default();
    let subtype = subtype.trim_end_matches(is_space);
    (is_token(kind) && is_token(subtype)).then(|| format!("{kind}/{subtype}").to_ascii_lowercase())
}

/// RFC 9110, section 10.2.3: "delay-seconds = 1*DIGIT", or a date.
fn expected_delay(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let value = value.trim_matches(['\t', ' ']);
    let mut seconds: u64 = 0;
    let mut is_number = !value.is_empty();
    for char in value.chars() {
        let Some(digit) = char.to_digit(10) else {
            is_number = false;
            break;
        };
        seconds = seconds.saturating_mul(10).saturating_add(digit.into());
    }
    if is_number {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let sent = headers.get(DATE).and_then(|date| date.to_str().ok());
    let sent = sent.and_then(|date| httpdate::parse_http_date(date).ok());
    Some(date.duration_since(sent.unwrap_or(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::check;

    /// What headers are made of. A line end begins the next header, with its name.
    const PARTS: [&str; 32] = [
        "\n\0text/event-stream",
        "\n\0text/event-stream;",
        "\n\0TEXT/Event-Stream; charset=utf-8",
        "\n\0text/plain",
        "\n\0text/html",
        "\n\0",
        "\n\u{2}",
        "\n\u{2}gzip",
        "\n\u{2}identity",
        "\n\u{3}",
        "\n\u{3}7",
        "\n\u{3}99999999999999999999",
        "\n\u{3}Sun, 22 Nov 2026 12:00:30 GMT",
        "\n\u{4}Sun, 22 Nov 2026 12:00:00 GMT",
        "\n\u{4}",
        "text/event-stream",
        "*/*",
        "/",
        ";",
        ",",
        ",",
        "\"",
        "\"",
        "\\",
        " ",
        "\t",
        "br",
        "none",
        "0",
        "-",
        "\u{e9}",
        "x=y",
    ];

    fn lines(choices: &[u8]) -> Vec<u8> {
        let Some((&first, choices)) = choices.split_first() else {
            return Vec::new();
        };
        let parts = choices.iter().map(|choice| match choice {
            0..250 => PARTS[usize::from(choice % 32)].as_bytes(),
            other => std::slice::from_ref(other),
        });
        [&[first][..]]
            .into_iter()
            .chain(parts)
            .flatten()
            .copied()
            .collect()
    }

    #[test]
    fn whatever_the_headers_hold_a_response_is_what_the_standards_say() {
        let config = Config {
            cases: 4000,
            failure_persistence: None,
            ..Config::default()
        };
        // The same headers in every run.
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let reached = RefCell::new(BTreeMap::<String, u32>::new());
        let outcome =
            TestRunner::new_with_rng(config, random).run(&vec(any::<u8>(), 0..12), |choices| {
                let (kind, delay) = check(&lines(&choices));
                let mut reached = reached.borrow_mut();
                *reached.entry(format!("{kind:?}")).or_default() += 1;
                *reached.entry(format!("{}", delay.is_some())).or_default() += 1;
                Ok(())
            });
        assert_eq!(outcome, Ok(()));
        for what in [
            "Stream",
            "NoContent",
            "Refusal",
            "WrongType",
            "Encoded",
            "true",
        ] {
            let count = reached.borrow().get(what).copied().unwrap_or_default();
            assert!(count >= 20, "{what}: {reached:?}");
        }
    }
}
