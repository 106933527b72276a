//! Data of a hostile server, read as something else: no depth and no length of it brings us down.

#![allow(clippy::unwrap_used)]

use fetch_event_source::Event;

/// The result is three quarters of the data, which the limit of an event bounds; while it is made,
/// data with white space is there a second time.
#[test]
fn base64_takes_no_more_memory_than_its_data() {
    const LEN: usize = 4 << 20;
    for (what, data) in [
        ("in one line", "AAAA".repeat(LEN / 4)),
        ("in lines", "AAA\n".repeat(LEN / 4)),
        ("nothing but white space", " ".repeat(LEN)),
        ("wrong at its end", format!("{}!", "AAAA".repeat(LEN / 4))),
        ("no base64", "\u{fffd}".repeat(LEN / 3)),
        ("padding", "=".repeat(LEN)),
    ] {
        let event = Event::new(data);
        let mut result = None;
        let held = allocation_counter::measure(|| result = Some(event.decode_base64()));
        assert!(
            held.bytes_max <= 2 * LEN as u64 + 64,
            "{what}: {}",
            held.bytes_max
        );
        match result.unwrap() {
            Ok(bytes) => assert!(bytes.len() <= LEN / 4 * 3, "{what}"),
            Err(error) => assert!(error.to_string().len() < 100, "{what}: {error}"),
        }
    }
}

/// serde_json stops at 128 levels, where the stack would be next.
#[cfg(feature = "json")]
#[test]
fn json_of_any_depth_is_an_error_without_a_stack_overflow() {
    #[derive(Debug, serde::Deserialize)]
    struct Nested {
        #[serde(default)]
        next: Option<Box<Nested>>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum ByType {
        #[allow(dead_code)]
        Message(Box<Nested>),
    }
    let array = |depth: usize| Event::new("[".repeat(depth) + &"]".repeat(depth));
    let object = |depth: usize| Event::new(r#"{"next":"#.repeat(depth) + "{}" + &"}".repeat(depth));
    assert!(array(100).json::<serde_json::Value>().is_ok());
    assert!(object(100).json::<Nested>().unwrap().next.is_some());
    for depth in [200, 1 << 20] {
        for error in [
            array(depth).json::<serde_json::Value>().unwrap_err(),
            object(depth).json::<serde_json::Value>().unwrap_err(),
            object(depth).json::<Nested>().unwrap_err(),
            object(depth).typed::<ByType>().unwrap_err(),
            Event::new("[".repeat(depth))
                .json::<serde_json::Value>()
                .unwrap_err(),
        ] {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("recursion limit"), "{error}: {cause}");
            assert!(error.to_string().len() < 300, "{error}");
        }
        // What a type passes over is passed over without recursion.
        let ignored = Event::new(format!(
            r#"{{"other":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ));
        assert!(
            ignored
                .json::<Nested>()
                .is_ok_and(|nested| nested.next.is_none())
        );
    }
}

/// Numbers, keys and texts of any length are bounded by the data.
#[cfg(feature = "json")]
#[test]
fn json_takes_memory_in_proportion_to_its_data() {
    const LEN: usize = 1 << 20;
    for (what, data) in [
        ("a number", "9".repeat(LEN)),
        ("an exponent", format!("1e{}", "9".repeat(LEN))),
        ("a text", format!("\"{}\"", "\\u0041".repeat(LEN / 6))),
        ("half a text", format!("\"{}", "x".repeat(LEN))),
        ("many values", format!("[{}0]", "0,".repeat(LEN / 2))),
    ] {
        let event = Event::new(data);
        let mut result = None;
        let held = allocation_counter::measure(|| result = Some(event.json::<serde_json::Value>()));
        // A value of serde_json takes 32 bytes, and stands for two of the data; a list doubles.
        assert!(
            held.bytes_max <= 16 * 3 * LEN as u64,
            "{what}: {}",
            held.bytes_max
        );
        if let Err(error) = result.unwrap() {
            assert!(error.to_string().len() < 100, "{what}: {error}");
        }
    }
}
