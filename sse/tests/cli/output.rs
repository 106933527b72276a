//! What the program prints.

use crate::program::sse;
use crate::support::{Reply, Server};

const BODY: &str = ": hi\nretry: 200\n\nid: 1\nevent: price\ndata: {\"b\": 1.50,\ndata: \"a\": 2}\n\ndata: two words\n\n";

async fn out_of(options: &[&str], body: &str) -> String {
    let server = Server::script([Reply::ok(body).fin()]).await;
    let url = server.url("/");
    let ran = sse(&[options, &[url.as_str()]].concat()).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    ran.out
}

#[tokio::test]
async fn each_format_prints_the_events() {
    let cases: [(&[&str], &str); 5] = [
        (
            &[],
            "price       1  {\"b\": 1.50,\n               \"a\": 2}\nmessage     1  two words\n",
        ),
        (
            &["--json-lines"],
            "{\"type\":\"price\",\"id\":\"1\",\"data\":\"{\\\"b\\\": 1.50,\\n\\\"a\\\": 2}\"}\n{\"type\":\"message\",\"id\":\"1\",\"data\":\"two words\"}\n",
        ),
        (
            &["--json-data"],
            "{\"type\":\"price\",\"id\":\"1\",\"data\":{\"b\": 1.50, \"a\": 2}}\n{\"type\":\"message\",\"id\":\"1\",\"data\":\"two words\"}\n",
        ),
        (&["--data-only"], "{\"b\": 1.50,\n\"a\": 2}\ntwo words\n"),
        (
            &["--raw"],
            ": hi\nretry: 200\nevent: price\nid: 1\ndata: {\"b\": 1.50,\ndata: \"a\": 2}\n\nid: 1\ndata: two words\n\n",
        ),
    ];
    for (options, expected) in cases {
        assert_eq!(out_of(options, BODY).await, expected, "{options:?}");
    }
}

#[tokio::test]
async fn formats_exclude_each_other() {
    let ran = sse(&["--raw", "--json-lines", "127.0.0.1:1"]).await;
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("--json-lines"), "{ran:?}");
}

#[tokio::test]
async fn types_the_end_marker_and_a_number_choose_events() {
    let body = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\nevent: a\ndata: 3\n\ndata: end\n\nevent: a\ndata: 4\n\n";
    let cases: [(&[&str], &str); 4] = [
        (&["-e", "a"], "1\n3\n4\n"),
        (&["-e", "a", "-e", "b", "-n", "2"], "1\n2\n"),
        (&["--until", "end"], "1\n2\n3\n"),
        (&["-e", "b", "--until", "end"], "2\n"),
    ];
    for (options, expected) in cases {
        let options = [options, &["--data-only"]].concat();
        assert_eq!(out_of(&options, body).await, expected, "{options:?}");
    }
}

#[tokio::test]
async fn verbose_says_what_the_connection_does() {
    let server = Server::script([Reply::ok(": hi\n\n").fin()]).await;
    let ran = sse(&["-v", &server.url("/")]).await;
    assert_eq!(ran.out, "");
    for line in [
        "* open: HTTP/1.1 200 OK from 127.0.0.1:",
        "*   content-type: text/event-stream\n",
        "* comment: hi\n",
    ] {
        assert!(ran.err.contains(line), "{line}: {ran:?}");
    }
}

#[tokio::test]
async fn silent_leaves_standard_error_empty_unless_errors_are_wanted() {
    let server = Server::script(vec![Reply::status(404, "no such stream"); 3]).await;
    let url = server.url("/");
    let loud = sse(&[&url]).await;
    assert!(loud.err.contains("no such stream"), "{loud:?}");
    let silent = sse(&["-s", &url]).await;
    assert_eq!((silent.exit, silent.err.as_str()), (4, ""));
    assert_eq!(sse(&["-sS", &url]).await.err, loud.err);
}

#[tokio::test]
async fn a_line_of_an_unknown_field_is_reported() {
    let server = Server::script([Reply::ok("error: overloaded\n\ndata: a\n\n").fin()]).await;
    let ran = sse(&[&server.url("/")]).await;
    assert!(ran.err.contains("error: overloaded"), "{ran:?}");
}
