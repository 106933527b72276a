//! How the program ends: its exit code, and the error in terms of its options.

use crate::program::{Ran, sse};
use crate::support::{Reply, Script, Server, closed_port};

async fn end_of(options: &[&str], reply: Reply) -> Ran {
    let server = Server::script(Script::new([]).then(reply)).await;
    let url = server.url("/");
    sse(&[options, &[url.as_str()]].concat()).await
}

/// Names of the library's, which mean nothing to the user of the program.
fn names_no_api(text: &str) -> bool {
    !text.contains('`') && !text.contains('_') && !text.contains("::")
}

#[tokio::test]
async fn each_failure_has_its_exit_code_and_names_its_option() {
    let ok = |body: &str| Reply::ok(body);
    let typed = |content_type: &str, body: &str| {
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n{body}"
        ))
        .fin()
    };
    let circle = Reply::redirect(302, "/");
    let cases: Vec<(&[&str], Reply, i32, &str)> = vec![
        (&[], ok("data: a\n\n").fin(), 0, ""),
        (
            &["--until", "b"],
            ok("data: a\n\n").fin(),
            5,
            "before the event of --until",
        ),
        (
            &["--idle-timeout", "0.1"],
            ok("data: a\n\n").hold(),
            5,
            "(--idle-timeout)",
        ),
        (
            &["--event-timeout", "0.1"],
            ok(": a\n").hold(),
            5,
            "(--event-timeout)",
        ),
        (
            &["--response-timeout", "0.1"],
            Reply::empty().hold(),
            3,
            "(--response-timeout)",
        ),
        (&[], Reply::empty().fin(), 3, "no response"),
        (
            &[],
            Reply::raw("SSH-2.0-OpenSSH_9.2\r\n").fin(),
            3,
            "malformed response head",
        ),
        (&["--max-redirs", "1"], circle, 3, "(--max-redirs)"),
        (&[], Reply::status(401, ""), 4, "401"),
        (
            &[],
            Reply::status(500, "out of order"),
            4,
            "the server says: out of order",
        ),
        (&[], typed("text/html", "<p>"), 4, "(--allow-content-type)"),
        (
            &["--allow-content-type", "text/html"],
            typed("text/html", "data: a\n\n"),
            0,
            "",
        ),
        (
            &["--allow-content-type", "html"],
            ok("").fin(),
            2,
            "--allow-content-type",
        ),
        (
            &["--max-event-size", "9"],
            ok("data: 0123456789\n\n").hold(),
            1,
            "larger than --max-event-size",
        ),
        (
            &[],
            ok("{\"error\": \"no\"}").fin(),
            4,
            "not an event stream",
        ),
    ];
    for (options, reply, exit, text) in cases {
        // The ends of streams that broke off are judged here, not their reconnection.
        let options = [options, &["--retry", "never"]].concat();
        let ran = end_of(&options, reply).await;
        assert_eq!(ran.exit, exit, "{options:?}: {ran:?}");
        assert!(ran.err.contains(text), "{options:?}: {ran:?}");
        assert!(names_no_api(&ran.err.replace("OpenSSH_", "")), "{ran:?}");
    }
}

#[tokio::test]
async fn wrong_options_say_what_is_wrong_with_their_value() {
    let cases: [(&[&str], &str); 14] = [
        (&[], "<URL>"),
        (&["http://["], "invalid IPv6 address"),
        (&["ftp://a"], "only http and https"),
        (&["a", "-H", "X"], "no colon"),
        (&["a", "-H", "X:"], "'NAME;'"),
        (&["a", "-H", "X: \u{1}"], "control character"),
        (&["a", "--retry", "sometimes"], "persistent"),
        (&["a", "--idle-timeout=-1"], "above zero"),
        (&["a", "--idle-timeout", "soon"], "number of seconds"),
        (&["a", "--last-event-id", "\u{7}"], "control character"),
        (&["a", "-x", "ftp://a"], "proxy"),
        (&["a", "-n", "0"], "1.."),
        (&["a", "--json", "1", "-d", "2"], "--data"),
        (&["a", "-sv"], "--verbose"),
    ];
    for (arguments, text) in cases {
        let ran = sse(arguments).await;
        assert_eq!(ran.exit, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(text), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    for option in ["-d", "-H", "--json"] {
        let ran = sse(&["127.0.0.1:1", option, "@no/such/file"]).await;
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.contains("no/such/file: No such file"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_user_without_password_and_terminal_is_an_error() {
    let ran = sse(&["127.0.0.1:1", "-u", "ann"]).await;
    // With a terminal, a test that runs on one would be asked; the runner's has none.
    if ran.exit != 3 {
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.contains("--user"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_refused_port_is_an_error_at_once() {
    let port = closed_port();
    let ran = sse(&[&port.url("/")]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (3, ""));
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert!(ran.err.starts_with("sse: no response: "), "{ran:?}");
}
