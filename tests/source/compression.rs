//! Compressed bodies: 89. and 90. of `tests/scenarios.md`. Reqwest decodes, where its feature is on and the user
//! asks for it; whole streams that explode are in `tests/compression_bomb.rs`.
#![cfg(all(
    feature = "gzip",
    feature = "brotli",
    feature = "deflate",
    feature = "zstd"
))]

use crate::client::{
    all, first_error, http, ms, next_data, next_words, reported, secs, sent_id, sent_ids, standard,
};
use crate::compressed::{ALL, Coding};
use crate::support::{Reply, Server, chunk};
use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, reqwest};
use tokio::time::timeout;

/// As the docs say: the header on the request, and nothing else.
fn asking(server: &Server, coding: Coding) -> EventSource<'static> {
    let request = http().get(server.url("/s"));
    EventSource::new(request.header("accept-encoding", coding.name())).retry(standard())
}

const CUT: &str = "retry 1 in 60ms after a cut";
const FIRST: &str = "retry: 60\nid: 7\ndata: a\n\n";

/// 89.
#[tokio::test]
async fn each_event_is_out_before_the_next_is_sent() {
    let events: Vec<_> = (0..20).map(|n| format!("id: {n}\ndata: {n}\n\n")).collect();
    for coding in ALL {
        let (parts, end) = coding.encode(&events).await;
        let server = Server::start().await;
        let mut stream = asking(&server, coding).retry(RetryPolicy::never()).stream();
        let handle = stream.handle();
        // The server goes on when the client's side has what was sent.
        let (handed_over, mut seen) = tokio::sync::watch::channel(0);
        let (data, ()) = tokio::join!(
            async {
                let mut data = Vec::new();
                while let Some(event) = stream.next().await {
                    data.push(event.expect("an event").into_data());
                    handed_over.send_replace(data.len());
                }
                data
            },
            async {
                let request = server.accept().await;
                assert_eq!(
                    request.header_values("accept-encoding"),
                    [coding.name().as_bytes()]
                );
                request.send(coding.head()).await;
                for (n, part) in parts.iter().enumerate() {
                    request.chunk(part).await;
                    let delivered = seen.wait_for(|&count| count == n + 1);
                    let delivered = timeout(secs(10), delivered).await;
                    delivered
                        .unwrap_or_else(|_| panic!("{coding:?} holds event {n} back"))
                        .expect("the client");
                    assert_eq!(handle.last_event_id(), n.to_string());
                }
                request.chunk(&end).await;
                request.last_chunk().await;
            }
        );
        let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(data, expected);
        assert_eq!(stream.finished(), Some(&Finished::Ended));
    }
}

/// 89.: nor does it matter how the bytes come.
#[tokio::test]
async fn a_compressed_body_may_be_cut_anywhere() {
    for coding in ALL {
        let body = coding.encode_whole("data: a\n\ndata: 🚀\n\n").await;
        let bytewise = body.iter().fold(Reply::raw(coding.head()), |reply, byte| {
            reply.chunk([*byte])
        });
        let server = Server::script([bytewise.last_chunk().fin()]).await;
        let events = all(asking(&server, coding).retry(RetryPolicy::never()).stream()).await;
        let data: Vec<_> = events.iter().map(|event| event.data()).collect();
        assert_eq!(data, ["a", "🚀"], "{coding:?}");
    }
}

/// The features alone change nothing: without a header the request asks for `identity`. A server that compresses anyway
/// works.
#[tokio::test]
async fn a_request_that_does_not_ask_offers_no_coding_and_every_coding_is_decoded() {
    for coding in ALL {
        let body = coding.encode_whole("data: a\n\n").await;
        let reply = Reply::raw(coding.head()).chunk(body).last_chunk().fin();
        let server = Server::script([reply]).await;
        let mut events = EventSource::new(http().get(server.url("/s"))).stream();
        assert_eq!(next_data(&mut events).await, "a");
        assert_eq!(
            server.requests()[0].header_values("accept-encoding"),
            [b"identity"]
        );
    }
}

/// 89.: a body that the client does not decode is not parsed.
#[tokio::test]
async fn a_coding_that_the_client_does_not_decode_is_an_error() {
    let client = reqwest::Client::builder().no_proxy();
    let client = client.no_gzip().no_brotli().no_deflate().no_zstd();
    let client = client.build().expect("a client");
    for coding in ALL {
        let body = coding.encode_whole("data: a\n\n").await;
        let reply = Reply::raw(coding.head()).chunk(body).last_chunk().fin();
        let server = Server::script([reply]).await;
        let source = EventSource::new(client.get(server.url("/s")));
        let error = first_error(source).await;
        assert_eq!(error.kind(), ErrorKind::ContentEncoding, "{error:?}");
        assert!(error.to_string().contains(coding.name()), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

/// 90.: what came before it is delivered, and its ID sent.
#[tokio::test]
async fn corrupt_bytes_break_the_connection() {
    for coding in ALL {
        let (parts, _) = coding.encode(&[FIRST]).await;
        let server = Server::start().await;
        let mut signals = asking(&server, coding).signals();
        let (words, request) = tokio::join!(next_words(&mut signals, 3), async {
            let request = server.accept().await;
            request.send(coding.head()).await;
            request.chunk(&parts[0]).await;
            request
        });
        assert_eq!(words, ["open", "reconnection time 60ms", "event a"]);
        let (words, again) = tokio::join!(next_words(&mut signals, 3), async {
            request.chunk([0xff; 64]).await;
            let again = server.accept().await;
            again.ok().await;
            again
        });
        assert_eq!(words, ["disconnected", CUT, "open"], "{coding:?}");
        assert_eq!(sent_id(&again), ["7"]);
    }
}

/// 90.: both in one packet: a decoder may keep what it has decoded, so that the event is asked for again.
#[tokio::test]
async fn an_event_next_to_corrupt_bytes_is_delivered_or_requested_again() {
    for coding in ALL {
        let (parts, _) = coding.encode(&[FIRST]).await;
        let body = chunk([&parts[0][..], &[0xff; 64]].concat());
        let reply = Reply::raw([coding.head().as_bytes(), &body].concat());
        let server = Server::script([reply.hold()]).await;
        let policy = standard().base_delay(ms(60));
        let words = reported(asking(&server, coding).retry(policy).signals()).await;
        assert!(words.contains(&CUT.to_owned()), "{coding:?}: {words:?}");
        let delivered = words.contains(&"event a".to_owned());
        let expected = delivered.then(|| "7".to_owned());
        assert_eq!(sent_ids(&server)[1], Vec::from_iter(expected), "{coding:?}");
    }
}

/// 90.: any byte, and any of its bits (every third of all). What no checksum tells may come out as other text; nothing else may happen, and the next request
/// has the ID of what was delivered.
#[tokio::test]
async fn any_flipped_bit_is_a_loss_or_other_text() {
    for coding in ALL {
        let (parts, end) = coding
            .encode(&["id: 7\ndata: a\n\n", "id: 8\ndata: b\n\n"])
            .await;
        let body = [parts.concat(), end].concat();
        for bit in (0..body.len() * 8).step_by(3) {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let reply = Reply::raw(coding.head()).chunk(flipped).last_chunk();
            let server = Server::script([reply.fin()]).await;
            let policy = standard().server_delay_bounds(..=ms(1)).base_delay(ms(1));
            let events = asking(&server, coding).retry(policy).stream();
            let handle = events.handle();
            let delivered = all(events).await;
            let what = format!("bit {bit} of {coding:?}: {delivered:?}");
            if bit / 8 >= parts[0].len() {
                assert!(
                    delivered.first().is_none_or(|event| event.data() == "a"),
                    "{what}"
                );
            }
            let id = handle.last_event_id();
            // It may have come to hold what no header carries.
            let sendable = !id.is_empty() && reqwest::header::HeaderValue::from_str(&id).is_ok();
            let expected = sendable.then(|| id.trim().to_owned());
            assert_eq!(sent_ids(&server)[1], Vec::from_iter(expected), "{what}");
        }
    }
}

/// The body ended, the coding did not: what was on its way is missing.
#[tokio::test]
async fn a_body_without_the_end_of_its_coding_is_a_broken_connection() {
    for coding in ALL {
        let (parts, end) = coding.encode(&[FIRST, "id: 8\ndata: b\n\n"]).await;
        let tail = [&parts[1][..], &end].concat();
        for length in [0, 1, parts[1].len() / 2, tail.len() - 1] {
            let body = [&parts[0][..], &tail[..length]].concat();
            let reply = Reply::raw(coding.head()).chunk(body).last_chunk().fin();
            let server = Server::script([reply]).await;
            let words = reported(asking(&server, coding).signals()).await;
            let cut = words.contains(&CUT.to_owned());
            assert!(
                cut,
                "{length} bytes of {}, {coding:?}: {words:?}",
                tail.len()
            );
            assert_eq!(words[2], "event a");
        }
    }
}

/// A server that compresses each event by itself. RFC 9110 allows it for gzip and zstd; reqwest goes on with zstd only.
#[tokio::test]
async fn later_members_break_the_connection_except_with_zstd() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let first = coding.encode_whole(FIRST).await;
        let second = coding.encode_whole("id: 8\ndata: b\n\n").await;
        let reply = Reply::raw(coding.head())
            .chunk(first)
            .wait(20)
            .chunk(second);
        let server = Server::script([reply.last_chunk().fin()]).await;
        let mut signals = asking(&server, coding).signals();
        assert_eq!(next_words(&mut signals, 3).await[2], "event a");
        let expected = match coding {
            Coding::Zstd => "event b",
            _ => "disconnected",
        };
        assert_eq!(next_words(&mut signals, 1).await, [expected], "{coding:?}");
    }
}
