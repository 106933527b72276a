//! When the program tries again.

use crate::program::sse;
use crate::support::{Reply, Server};

const CUT: &str = "retry: 100\nid: 7\ndata: a\n\ndata: ha";

#[tokio::test]
async fn a_first_refusal_is_final() {
    let server = Server::script(vec![Reply::status(503, ""); 2]).await;
    let ran = sse(&[&server.url("/")]).await;
    assert_eq!(ran.exit, 4, "{ran:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn with_retry_the_first_connection_is_tried_again() {
    let soon = "HTTP/1.1 429 Scripted\r\nretry-after-ms: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = Server::script([Reply::raw(soon).fin(), Reply::ok("data: a\n\n").fin()]).await;
    let ran = sse(&["--retry", "1", "--data-only", &server.url("/")]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "a\n"), "{ran:?}");
    assert!(
        ran.err.contains("429") && ran.err.contains("again in"),
        "{ran:?}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_stream_that_broke_off_goes_on_after_its_last_event() {
    let replies = [
        Reply::ok_chunked().chunk(CUT).wait(50).fin(),
        Reply::ok("data: b\n\n").fin(),
    ];
    let server = Server::script(replies).await;
    let ran = sse(&["--data-only", &server.url("/")]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "a\nb\n"), "{ran:?}");
    let again = &server.requests()[1];
    assert_eq!(again.values("last-event-id"), ["7"]);
}

#[tokio::test]
async fn a_clean_end_is_the_end_unless_the_user_reconnects() {
    let reply = || Reply::ok("retry: 100\nid: 1\ndata: a\n\n").fin();
    let server = Server::script([reply(), reply(), reply()]).await;
    let once = sse(&["--data-only", &server.url("/")]).await;
    assert_eq!(once.out, "a\n");
    let again = sse(&["--data-only", "--reconnect", "-n", "2", &server.url("/")]).await;
    assert_eq!((again.exit, again.out.as_str()), (0, "a\na\n"), "{again:?}");
}

#[tokio::test]
async fn a_post_is_sent_again_only_with_replay() {
    let cut = || {
        Reply::ok_chunked()
            .chunk("retry: 100\ndata: a\n\n")
            .wait(50)
            .fin()
    };
    let server = Server::script([cut(), cut(), Reply::ok("data: b\n\n").fin()]).await;
    let ran = sse(&["-d", "ask", &server.url("/")]).await;
    assert_eq!(ran.exit, 5, "{ran:?}");
    assert!(ran.err.contains("the connection broke off"), "{ran:?}");
    assert!(
        ran.err.contains("not sent again") && ran.err.contains("(--replay)"),
        "{ran:?}"
    );

    let ran = sse(&["-d", "ask", "--replay", "--data-only", &server.url("/")]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "a\nb\n"), "{ran:?}");
    assert_eq!(server.requests().len(), 3);
}
