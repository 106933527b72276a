//! rustc's errors for hooks that do not compile: our messages, and those that the guide quotes.
//!
//! The expected texts are of one version of rustc; with another version this test compares nothing. After an update of rustc,
//! `TRYBUILD=overwrite cargo test -p fetch-event-source-messages` writes them again. Read them.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The version of rustc that wrote the texts.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn what_does_not_compile_is_said_in_our_words_and_in_the_guides() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("a rustc");
    let version = String::from_utf8(version.stdout).expect("its name");
    if !version.starts_with(RUSTC) {
        println!("not compared: {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
    cases.compile_fail("../src/guide/hooks/*.rs");
}

/// Checks that our message is in each error, whatever rustc adds.
#[test]
fn each_message_says_what_a_hook_may_return() {
    let cases = [
        (
            "on_message_returns_usize",
            "this hook cannot return `usize`",
            "return `()`, `ControlFlow<()>`, a `Result` of these, or a `Send` future of these",
        ),
        (
            "on_message_returns_an_action",
            "this hook cannot return `Action`",
            "return `()`, `ControlFlow<()>`, a `Result` of these, or a `Send` future of these",
        ),
        (
            "on_error_returns_a_flow",
            "this hook cannot return `ControlFlow<()>`",
            "return an `Action`, `()`, a `Result` of these, or a `Send` future of these",
        ),
        (
            "on_message_gives_a_future_of_usize",
            "the future of this hook cannot give `usize`",
            "give `()`, `ControlFlow<()>`, or a `Result` of these",
        ),
        (
            "on_error_gives_a_future_of_a_flow",
            "the future of this hook cannot give `ControlFlow<()>`",
            "give an `Action`, `()`, or a `Result` of these",
        ),
        (
            "on_message_returns_an_error_that_is_not_send",
            "this hook cannot return",
            "the error of a `Result` has to be `Into<Box<dyn Error + Send + Sync>>`",
        ),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    for (case, message, note) in cases {
        let said = fs::read_to_string(folder.join(case).with_extension("stderr"));
        let said = said.expect("a file of rustc's words");
        assert!(
            said.contains(&format!("error[E0277]: {message}")),
            "{case}: {said}"
        );
        assert!(said.contains(&format!("= note: {note}")), "{case}: {said}");
        assert!(said.contains("the hook given here"), "{case}: {said}");
    }
}
