//! How a body is framed, and what its end means: `tests/scenarios.md`, section G, by their numbers.
//! (89. and 90. are in `compression.rs`, 91. in `http2.rs`.)

use crate::client::{all_data, in_memory, ms, next_data, over_tcp, reported, sent_ids, standard};
use crate::support::{MemoryServer, OK_CHUNKED, Reply, Script, Server, chunk};
use fetch_event_source::{EventSource, RetryPolicy, reqwest};

/// A BOM, all line ends, a character of four bytes.
const BODY: &str = "\u{feff}id: 1\r\ndata: a\r\n\r\ndata: 🚀\r\rdata: b\ndata: c\n\n";
const DATA: [&str; 3] = ["a", "🚀", "b\nc"];

const LAST_CHUNK: &str = "0\r\n\r\n";

/// The events of a reply that ends cleanly.
async fn events_of(reply: Reply) -> Vec<String> {
    let server = MemoryServer::script([reply]);
    let events = in_memory(&server).retry(RetryPolicy::never()).stream();
    all_data(events).await
}

fn sized(length: usize, body: &str) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// By a client that keeps its connections.
fn pooled(server: &Server) -> EventSource<'static> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    EventSource::new(client.get(server.url("/s"))).retry(standard())
}

/// What follows a body with an event `a`, whose ID is 7 and whose reconnection time is 60 ms.
fn after_a(what: &str) -> Vec<String> {
    let retry = format!("retry 1 in 60ms after {what}");
    [
        "open",
        "reconnection time 60ms",
        "event a",
        "disconnected",
        &retry,
        "finished: NoContent",
    ]
    .map(str::to_owned)
    .to_vec()
}

const EVENT: &str = "retry: 60\nid: 7\ndata: a\n\n";

mod chunked {
    use super::*;

    /// 84.: in CRs and LFs, in the BOM, in a character, between two events.
    #[tokio::test(start_paused = true)]
    async fn chunks_may_be_cut_anywhere() {
        for cut in 1..BODY.len() {
            let (first, second) = BODY.as_bytes().split_at(cut);
            let reply = Reply::ok_chunked().chunk(first).wait(1).chunk(second);
            assert_eq!(events_of(reply.last_chunk()).await, DATA, "cut at {cut}");
        }
    }

    /// 84.
    #[tokio::test(start_paused = true)]
    async fn one_chunk_or_one_for_each_byte() {
        let whole = Reply::ok_chunked().chunk(BODY).last_chunk();
        assert_eq!(events_of(whole).await, DATA);
        let bytewise = BODY
            .bytes()
            .fold(Reply::ok_chunked(), |reply, byte| reply.chunk([byte]));
        assert_eq!(events_of(bytewise.last_chunk()).await, DATA);
    }

    /// 84.: packets know nothing of chunks. The head of a chunk, its CRLF and the last chunk are cut too.
    #[tokio::test(start_paused = true)]
    async fn the_framing_may_be_cut_anywhere() {
        let (first, second) = BODY.as_bytes().split_at(20);
        let framed = [chunk(first), chunk(second), LAST_CHUNK.as_bytes().to_vec()].concat();
        for cut in 1..framed.len() {
            let (before, after) = framed.split_at(cut);
            let reply = Reply::ok_chunked().send(before).wait(1).send(after);
            assert_eq!(events_of(reply).await, DATA, "cut at {cut}");
        }
    }

    /// 84.
    #[tokio::test(start_paused = true)]
    async fn extensions_and_trailers_give_no_events() {
        let length = BODY.len();
        for framed in [
            format!("{length:x};name=value;quoted=\"a b\"\r\n{BODY}\r\n0;last\r\n\r\n"),
            format!("{length:X}\r\n{BODY}\r\n0\r\nX-Trailer: data: no\r\n\r\n"),
            format!("000{length:x}\r\n{BODY}\r\n000\r\n\r\n"),
        ] {
            let reply = Reply::ok_chunked().send(&framed);
            assert_eq!(events_of(reply).await, DATA, "{framed:?}");
        }
    }

    /// 84., 92.: the end of the body is the end, not that of the socket.
    #[tokio::test(start_paused = true)]
    async fn the_last_chunk_is_a_clean_end_though_the_socket_stays_open() {
        let reply = Reply::ok_chunked().chunk(EVENT).last_chunk().hold();
        let server = MemoryServer::script([reply]);
        let words = reported(in_memory(&server).signals()).await;
        assert_eq!(words, after_a("a clean end"));
        assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
    }

    /// 85., and every other way in which the rest is missing.
    #[tokio::test(start_paused = true)]
    async fn an_end_without_the_last_chunk_is_a_broken_connection() {
        let half = chunk("id: 8\ndata: b\n\n");
        for rest in [
            "".as_bytes(),
            b"0",
            b"0\r\n",
            &half[..half.len() / 2],
            &half[..1],
            b"zz\r\n",
            b"ffffffffffffffffff\r\n",
        ] {
            let server = MemoryServer::script([Reply::ok_chunked().chunk(EVENT).send(rest).fin()]);
            let words = reported(in_memory(&server).signals()).await;
            assert_eq!(words, after_a("a cut"), "{:?}", rest.escape_ascii());
            assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
        }
    }

    /// 85.: what is whole in a chunk that is not is delivered.
    #[tokio::test(start_paused = true)]
    async fn an_event_counts_before_its_chunk_is_whole() {
        let reply = Reply::ok_chunked().send(format!("fff\r\n{EVENT}id: 8\ndata: b\n"));
        let server = MemoryServer::script([reply.fin()]);
        let words = reported(in_memory(&server).signals()).await;
        assert_eq!(words, after_a("a cut"));
        assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
    }

    /// 92.: on a real socket, and the connection serves the next request.
    #[tokio::test]
    async fn a_connection_that_is_kept_may_be_used_again() {
        let reply = Reply::ok_chunked().chunk(EVENT).last_chunk().hold();
        let server = Server::script(Script::new([reply.clone(), reply])).await;
        let source = pooled(&server);
        assert_eq!(all_data(source.stream()).await, ["a", "a"]);

        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert!(
            requests[1..]
                .iter()
                .all(|next| next.same_connection(&requests[0]))
        );
        assert_eq!(server.connections(), 1);
    }

    /// 92.: a client without a pool lets go of it, so that it dials anew.
    #[tokio::test]
    async fn a_client_without_a_pool_connects_again() {
        let reply = Reply::ok_chunked().chunk(EVENT).last_chunk().hold();
        let server = Server::script([reply]).await;
        assert_eq!(all_data(over_tcp(&server).stream()).await, ["a"]);
        assert_eq!(server.connections(), 2);
        assert_eq!(server.max_open_connections(), 1);
    }
}

mod content_length {
    use super::*;

    /// 86.: whether or not the socket closes.
    #[tokio::test(start_paused = true)]
    async fn the_last_byte_is_a_clean_end() {
        for reply in [
            sized(EVENT.len(), EVENT).hold(),
            sized(EVENT.len(), EVENT).fin(),
        ] {
            let server = MemoryServer::script([reply]);
            let words = reported(in_memory(&server).signals()).await;
            assert_eq!(words, after_a("a clean end"));
        }
    }

    /// 86.
    #[tokio::test]
    async fn a_connection_that_is_kept_may_be_used_again() {
        let reply = sized(EVENT.len(), EVENT).hold();
        let server = Server::script([reply.clone(), reply]).await;
        let source = pooled(&server);
        assert_eq!(all_data(source.stream()).await, ["a", "a"]);
        assert_eq!(server.requests().len(), 3);
        assert_eq!(server.connections(), 1);
    }

    /// 87.: what is whole is delivered, what is not is dropped.
    #[tokio::test(start_paused = true)]
    async fn fewer_bytes_than_announced_are_a_broken_connection() {
        for rest in ["", "id: 8\n", "id: 8\ndata: b\n"] {
            let body = format!("{EVENT}{rest}");
            let server = MemoryServer::script([sized(body.len() + 1, &body).fin()]);
            let words = reported(in_memory(&server).signals()).await;
            assert_eq!(words, after_a("a cut"), "{rest:?}");
            assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
        }
    }

    /// 88.
    #[tokio::test(start_paused = true)]
    async fn bytes_beyond_what_was_announced_are_not_parsed() {
        for rest in ["id: 8\ndata: b\n\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            let body = format!("{EVENT}{rest}");
            let server = MemoryServer::script([sized(EVENT.len(), &body).hold()]);
            let words = reported(in_memory(&server).signals()).await;
            assert_eq!(words, after_a("a clean end"), "{rest:?}");
            assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
        }
    }

    /// 88.: nor taken for the answer to the next request of a client that keeps its connections.
    #[tokio::test]
    async fn bytes_beyond_what_was_announced_answer_no_later_request() {
        let forged = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 14\r\n\r\ndata: forged\n\n";
        let body = format!("{EVENT}{forged}");
        let server = Server::script([
            sized(EVENT.len(), &body).hold(),
            Reply::ok("data: genuine\n\n").fin(),
        ])
        .await;
        let source = pooled(&server);
        assert_eq!(all_data(source.stream()).await, ["a", "genuine"]);
    }

    /// RFC 9112, section 6.3: both at once may be an attempt to smuggle; the chunks count.
    #[tokio::test(start_paused = true)]
    async fn chunks_win_over_a_length() {
        let head = OK_CHUNKED.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n");
        let reply = Reply::raw(head).chunk(BODY).last_chunk();
        assert_eq!(events_of(reply).await, DATA);
    }
}

/// In a body that ends with the connection an end and a cut look the same, so none is a failure.
#[tokio::test(start_paused = true)]
async fn without_framing_the_end_of_the_connection_is_a_clean_end() {
    for rest in ["", "data: b\n", "id: 8"] {
        let server = MemoryServer::script([Reply::ok(format!("{EVENT}{rest}")).fin()]);
        let words = reported(in_memory(&server).signals()).await;
        assert_eq!(words, after_a("a clean end"), "{rest:?}");
    }
}

/// …but a reset is one.
#[tokio::test]
async fn without_framing_a_reset_is_a_broken_connection() {
    let server = Server::start().await;
    let mut events = over_tcp(&server)
        .retry(RetryPolicy::default().base_delay(ms(1)))
        .stream();
    let (data, request) = tokio::join!(next_data(&mut events), async {
        let request = server.accept().await;
        request.ok_with("id: 7\ndata: a\n\n").await;
        request
    });
    assert_eq!(data, "a");
    let (data, _request) = tokio::join!(next_data(&mut events), async {
        request.reset();
        let request = server.accept().await;
        request.ok_with("data: b\n\n").await;
        request
    });
    assert_eq!(data, "b");
    assert_eq!(sent_ids(&server), [vec![], vec!["7".to_owned()]]);
}
