//! A server's text on a terminal.

use std::fmt::Write;

/// Escapes control characters, which could move the cursor, or worse, and those that reorder text.
/// Keeps line ends and tabs.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_unsafe(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// The same for JSON. There such characters stand in strings only, except for line ends and tabs,
/// which are spaces.
pub(crate) fn json_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c)); // a String takes everything
            }
            c => out.push(c),
        }
    }
    out
}

/// Control characters, and those of bidirectional text.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\t', "\\t").replace('\n', "\\n")
}
