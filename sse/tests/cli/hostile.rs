//! Servers that mean harm, or send what is not an event stream.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::program::{command, end, sse};
use crate::support::{OK, Reply, Server};

#[tokio::test]
async fn control_characters_do_not_reach_the_terminal() {
    let body =
        "event: \u{1b}[2J\nid: \u{9b}31m\ndata: a\u{1b}]0;b\u{7}\tc\u{202e}d\n\nerror\u{1b}: x\n\n";
    for options in [&[][..], &["--json-lines"]] {
        let server = Server::script([Reply::ok(body).fin()]).await;
        let url = server.url("/");
        let ran = sse(&[options, &["-v", &url]].concat()).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        let unsafe_ones = |c: &char| matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{202e}');
        assert_eq!(ran.out.chars().find(unsafe_ones), None, "{ran:?}");
        assert_eq!(ran.err.chars().find(unsafe_ones), None, "{ran:?}");
    }
}

#[tokio::test]
async fn the_body_of_a_refusal_is_cut_and_escaped() {
    let body = format!("\u{1b}[2J{}", "x".repeat(60_000));
    let server = Server::script([Reply::status(418, body)]).await;
    let ran = sse(&[&server.url("/")]).await;
    assert_eq!(ran.exit, 4, "{ran:?}");
    assert!(
        ran.err.contains("\\u{1b}[2Jxxx") && ran.err.len() < 3000,
        "{ran:?}"
    );
}

#[tokio::test]
async fn bytes_that_are_not_text_are_not_an_event_stream() {
    let bytes: Vec<u8> = (0..4096u32).map(|n| (n * 167 % 251) as u8).collect();
    let reply = Reply::raw([OK.as_bytes(), &bytes].concat()).fin();
    let server = Server::script([reply]).await;
    let ran = sse(&["-s", &server.url("/")]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (4, ""), "{ran:?}");
}

#[tokio::test]
async fn an_endless_line_ends_at_the_limit() {
    let server = Server::start().await;
    let child = command(&["--max-event-size", "100000", &server.url("/")]).spawn();
    let exchange = server.accept().await;
    exchange.ok_with("data: ").await;
    while exchange.try_send([b'x'; 10_000]).await.is_ok() {}
    let ran = end(child.expect("the program")).await;
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""), "{ran:?}");
}

#[tokio::test]
async fn a_closed_pipe_ends_the_program_without_a_word() {
    let server = Server::start().await;
    let mut child = command(&["--data-only", &server.url("/")])
        .spawn()
        .expect("the program");
    let exchange = server.accept().await;
    exchange.ok_with("data: a\n\n").await;
    let mut out = child.stdout.take().expect("its output");
    let mut first = [0; 2];
    out.read_exact(&mut first).await.expect("the first event");
    drop(out);
    exchange.send("data: b\n\n").await;
    let ran = end(child).await;
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_unless_the_user_insists() {
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().expect("its address").port()
    );
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // The first handshake fails, as it should.
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let reply = format!("{OK}data: a\n\n");
            stream
                .write_all(reply.as_bytes())
                .await
                .expect("that the client reads");
            stream.shutdown().await.expect("a clean end");
        }
    });
    let ran = sse(&[&url]).await;
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert!(ran.err.contains("(-k accepts any certificate)"), "{ran:?}");
    let ran = sse(&["-k", "--data-only", &url]).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "a\n"), "{ran:?}");
}

#[tokio::test]
async fn without_standard_error_the_program_works() {
    let server = Server::script([Reply::ok("data: a\n\n").fin()]).await;
    let mut command = command(&["-v", "--data-only", &server.url("/")]);
    command.stderr(Stdio::null());
    let ran = end(command.spawn().expect("the program")).await;
    assert_eq!((ran.exit, ran.out.as_str()), (0, "a\n"), "{ran:?}");
}
