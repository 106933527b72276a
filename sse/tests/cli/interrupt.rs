//! Ctrl-C.

#![cfg(unix)]

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::program::{Ran, command, end};
use crate::support::Server;

/// Interrupts the program after it has printed an event with this ID.
async fn interrupted_after(id: &str, options: &[&str]) -> Ran {
    let server = Server::start().await;
    let url = server.url("/");
    let mut child = command(&[options, &[url.as_str()]].concat())
        .spawn()
        .expect("the program");
    let exchange = server.accept().await;
    exchange.ok_with(format!("id: {id}\ndata: a\n\n")).await;
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    out.read_line(&mut String::new()).await.expect("the event");
    let process = child.id().expect("its process").to_string();
    let killed = Command::new("kill").args(["-INT", &process]).status();
    assert!(killed.await.expect("kill").success());
    end(child).await
}

#[tokio::test]
async fn the_last_id_is_printed_as_the_option_that_goes_on() {
    let cases = [
        ("42", "--last-event-id 42"),
        ("it's a/b", "--last-event-id \"it's a/b\""),
        ("", ""),
        ("\u{1b}[2J", "the last event ID is \"\\u{1b}[2J\""),
    ];
    for (id, text) in cases {
        let ran = interrupted_after(id, &[]).await;
        assert_eq!(ran.exit, 130, "{ran:?}");
        assert!(ran.err.contains(text), "{ran:?}");
        assert_eq!(ran.err.is_empty(), id.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn silent_prints_no_id() {
    let ran = interrupted_after("42", &["-s"]).await;
    assert_eq!((ran.exit, ran.err.as_str()), (130, ""), "{ran:?}");
}
