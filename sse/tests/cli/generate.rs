//! Help, version, completions and the man page.

use crate::program::sse;

#[tokio::test]
async fn help_and_version_go_to_standard_output() {
    for option in ["-h", "--help"] {
        let ran = sse(&[option]).await;
        assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
        assert!(
            ran.out.contains("Exit codes:") && ran.out.contains("--json-data"),
            "{ran:?}"
        );
    }
    for option in ["-V", "--version"] {
        let ran = sse(&[option]).await;
        assert_eq!(ran.out, format!("sse {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test]
async fn every_shell_and_man_get_their_file_with_the_options() {
    let cases = [
        ("man", r"\-\-last\-event\-id"),
        ("bash", "--last-event-id"),
        ("elvish", "--last-event-id"),
        ("fish", "last-event-id"),
        ("powershell", "--last-event-id"),
        ("zsh", "--last-event-id"),
    ];
    for (what, text) in cases {
        let ran = sse(&["--generate", what]).await;
        assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{what}");
        assert!(ran.out.contains(text), "{what}: {}", ran.out);
    }
    let ran = sse(&["--generate", "tcsh"]).await;
    assert_eq!(ran.exit, 2, "{ran:?}");
}
