//! What the program sends.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::program::{command, end, sse, sse_with_input};
use crate::support::{Recorded, Reply, Server};

/// Runs the program with these options on a server that has nothing, and gives its request.
async fn request_of(options: &[&str]) -> Recorded {
    let server = Server::script([Reply::no_content()]).await;
    let url = server.url("/events");
    let ran = sse(&[options, &[url.as_str()]].concat()).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

fn body(request: &Recorded) -> &str {
    std::str::from_utf8(request.body()).expect("UTF-8")
}

#[tokio::test]
async fn a_url_alone_is_a_get_with_the_name_of_the_program() {
    let request = request_of(&[]).await;
    assert_eq!(request.method(), "GET");
    assert_eq!(request.values("accept"), ["text/event-stream"]);
    let agent = format!("sse/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.values("user-agent"), [agent]);
    assert_eq!(request.values("accept-encoding"), ["identity"]);
}

#[tokio::test]
async fn http_may_be_left_out() {
    let server = Server::script([Reply::no_content()]).await;
    let ran = sse(&[&format!("{}/a?b=c", server.addr())]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(server.requests()[0].target(), "/a?b=c");
}

#[tokio::test]
async fn curls_options_make_the_request() {
    let options = [
        "-X",
        "PUT",
        "-H",
        "X-A: 1",
        "-H",
        "x-a:2",
        "-H",
        "X-Empty;",
        "-A",
        "me",
        "-u",
        "ann:se:cret",
        "-d",
        "a=1",
        "-d",
        "b=2",
        "-NL",
        "--compressed",
        "--connect-timeout",
        "5",
    ];
    let request = request_of(&options).await;
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.values("x-a"), ["1", "2"]);
    assert_eq!(request.values("x-empty"), [""]);
    assert_eq!(request.values("user-agent"), ["me"]);
    assert_eq!(request.values("authorization"), ["Basic YW5uOnNlOmNyZXQ="]);
    assert_eq!(request.values("accept-encoding"), ["gzip, deflate"]);
    assert_eq!(body(&request), "a=1&b=2");
}

#[tokio::test]
async fn a_body_makes_a_post_with_its_content_type() {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    let cases: [(&[&str], &str, &str); 7] = [
        (&["-d", "a=1"], FORM, "a=1"),
        (&["-d", "12"], FORM, "12"),
        (&["-d", r#" {"a": 1}"#], JSON, r#" {"a": 1}"#),
        (&["-d", r#"{"a": 1"#], FORM, r#"{"a": 1"#),
        (&["--data-raw", "@a"], FORM, "@a"),
        (&["--json", "1", "--json", "2"], JSON, "12"),
        (
            &["--json", "{}", "-H", "Content-Type: text/plain"],
            "text/plain",
            "{}",
        ),
    ];
    for (options, content_type, expected) in cases {
        let request = request_of(options).await;
        assert_eq!(request.method(), "POST", "{options:?}");
        assert_eq!(
            request.values("content-type"),
            [content_type],
            "{options:?}"
        );
        assert_eq!(body(&request), expected, "{options:?}");
        assert_eq!(request.values("accept"), ["text/event-stream"]);
    }
}

#[tokio::test]
async fn body_and_headers_come_from_files_and_standard_input() {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(b"X-A: 1\n\nX-B: \xc3\xa9\n")
        .expect("to write");
    let at = format!("@{}", file.path().display());

    let request = request_of(&["-H", &at, "-d", &at]).await;
    assert_eq!(request.values("x-a"), ["1"]);
    assert_eq!(request.values("x-b"), ["é"]);
    assert_eq!(request.body(), b"X-A: 1\n\nX-B: \xc3\xa9\n");

    let server = Server::script([Reply::no_content()]).await;
    let ran = sse_with_input(&["-d", "@-", &server.url("/")], b"from a pipe").await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(server.requests()[0].body(), b"from a pipe");
}

#[tokio::test]
async fn the_last_event_id_is_sent() {
    let request = request_of(&["--last-event-id", "a b/7"]).await;
    assert_eq!(request.values("last-event-id"), ["a b/7"]);
}

#[tokio::test]
async fn a_proxy_is_used_and_an_empty_one_turns_that_of_the_environment_off() {
    let proxy = Server::script([Reply::no_content()]).await;
    let ran = sse(&["-x", &proxy.url(""), "http://nowhere.invalid/a"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(proxy.requests()[0].target(), "http://nowhere.invalid/a");

    let server = Server::script([Reply::no_content()]).await;
    let url = server.url("/a");
    let mut command = command(&["-x", "", &url]);
    command.env("http_proxy", proxy.url(""));
    let ran = end(command.spawn().expect("the program")).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(server.requests()[0].target(), "/a");
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_allowed() {
    let there = Server::script([Reply::no_content()]).await;
    let here = Server::script(vec![Reply::redirect(307, &there.url("/b")); 2]).await;
    let ran = sse(&[&here.url("/a")]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(there.requests()[0].target(), "/b");

    let ran = sse(&["--max-redirs", "0", &here.url("/a")]).await;
    assert_eq!(ran.exit, 4, "{ran:?}");
    assert!(ran.err.contains("--max-redirs"), "{ran:?}");
}
