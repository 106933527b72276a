//! The scripted server itself: what the other tests rely on when they read its record.

use std::{io, time::Duration};

use crate::support::{
    ClientClose, Exchange, Fetching, MemoryServer, OK, Reply, Script, Server, black_hole,
    closed_port,
};
use futures_util::{FutureExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

const SHORT: Duration = Duration::from_millis(50);
const GET: &str = "GET /s HTTP/1.1\r\nHost: h\r\n\r\n";

/// A client without a pool: each request dials.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .expect("a client")
}

/// Connects, sends `request` as it is and gives the socket with the server's view of it.
async fn raw(server: &Server, request: impl AsRef<[u8]>) -> (TcpStream, Exchange) {
    let mut socket = dial(server).await;
    socket.write_all(request.as_ref()).await.expect("to write");
    (socket, server.accept().await)
}

async fn dial(server: &Server) -> TcpStream {
    TcpStream::connect(server.addr())
        .await
        .expect("to connect to a listening server")
}

/// Reads to the end, in order or not.
async fn read_all(socket: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut bytes = Vec::new();
    let end = socket.read_to_end(&mut bytes).await;
    (bytes, end.err().map(|error| error.kind()))
}

/// What a reqwest error has at the end of its chain.
fn root(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind))
}

mod record {
    use super::*;

    #[tokio::test]
    async fn head_is_kept_to_the_byte() {
        let server = Server::start().await;
        let head = b"POST /s?a=1&b=%2F HTTP/1.1\r\nhOsT: h\r\nLast-Event-ID: \t\xe2\x80\xa6 \r\n\
                     last-event-id:7\r\nX:\r\nContent-Length: 3\r\n\r\n";
        let (_socket, request) = raw(&server, [head, &b"abc"[..]].concat()).await;

        assert_eq!(request.head(), head);
        assert_eq!(
            (request.method(), request.target()),
            ("POST", "/s?a=1&b=%2F")
        );
        assert_eq!(
            request.header_values("LAST-event-id"),
            [b"\xe2\x80\xa6".to_vec(), b"7".to_vec()]
        );
        assert_eq!(request.header_values("x"), [b""]);
        assert!(request.header_values("y").is_empty());
        assert_eq!(request.body(), b"abc");
    }

    #[tokio::test]
    async fn chunked_body_is_put_together() {
        let server = Server::start().await;
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut socket = dial(&server).await;
        for part in [head, "3;x=y\r\nab", "c\r\n2\r", "\nde\r\n0\r\n", "\r\n"] {
            assert!(server.requests().is_empty());
            socket.write_all(part.as_bytes()).await.expect("to write");
            tokio::task::yield_now().await;
        }
        assert_eq!(server.accept().await.body(), b"abcde");
    }

    #[tokio::test]
    async fn reqwest_body_is_recorded() {
        let server = Server::script([Reply::ok("").fin()]).await;
        let post = client().post(server.url("/q#fragment")).body("question");
        post.send().await.expect("a response");

        let requests = server.requests();
        assert_eq!(requests[0].body(), b"question");
        assert_eq!(requests[0].target(), "/q");
    }

    #[tokio::test]
    async fn requests_on_one_connection_are_kept_apart() {
        let server = Server::start().await;
        let (mut socket, first) = raw(&server, format!("{GET}{GET}")).await;
        let before = first.request().clone();
        let second = first.next_request().await;
        assert!(second.same_connection(&before));
        assert_eq!((before.number(), second.number()), (1, 2));

        second.keep_alive();
        socket.write_all(GET.as_bytes()).await.expect("to write");
        assert_eq!(server.accept().await.number(), 3);
        assert_eq!((server.requests().len(), server.connections()), (3, 1));
    }

    #[tokio::test]
    async fn a_connection_without_a_whole_request_is_not_a_request() {
        let server = Server::start().await;
        let mut socket = dial(&server).await;
        socket.write_all(b"GET / HT").await.expect("to write");
        drop(socket);

        assert!(server.accept_within(SHORT).await.is_none());
        assert_eq!((server.requests().len(), server.connections()), (0, 1));
        server.wait_all_closed().await;
    }
}

mod by_hand {
    use super::*;

    #[tokio::test]
    async fn bytes_arrive_as_they_are_and_fin_is_a_clean_end() {
        let server = Server::start().await;
        let (mut socket, request) = raw(&server, GET).await;
        request.ok_with("data: a\n\n").await;
        request.send(b"\xff\x00").await;
        request.finish();

        let expected = [OK.as_bytes(), b"data: a\n\n\xff\x00"].concat();
        assert_eq!(read_all(&mut socket).await, (expected, None));
    }

    #[tokio::test]
    async fn rst_is_an_error() {
        let server = Server::start().await;
        let (mut socket, request) = raw(&server, GET).await;
        request.ok().await;
        let mut head = vec![0; OK.len()];
        socket.read_exact(&mut head).await.expect("the head");
        request.reset();

        let reset = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(read_all(&mut socket).await, (Vec::new(), reset));
    }

    #[tokio::test]
    async fn fin_with_unread_bytes_is_still_a_fin() {
        let server = Server::start().await;
        let (mut socket, request) = raw(&server, GET).await;
        socket.write_all(b"more").await.expect("to write");
        request.finish();
        assert_eq!(read_all(&mut socket).await, (Vec::new(), None));
    }

    #[tokio::test]
    async fn reqwest_sees_fin_and_rst_differently() {
        let server = Server::start().await;
        for broken in [false, true] {
            let sent = client().get(server.url("/")).send();
            let (response, request) = tokio::join!(sent, async {
                let request = server.accept().await;
                request.ok_with("a").await;
                request
            });
            let mut response = response.expect("a response");
            let first = response.chunk().await.expect("the first bytes");
            assert_eq!(first.as_deref(), Some(&b"a"[..]));
            match broken {
                false => request.finish(),
                true => request.reset(),
            }
            let end = response.chunk().await;
            assert_eq!(end.is_err(), broken, "{end:?}");
        }
    }

    #[tokio::test]
    async fn chunks_end_the_body_and_not_the_connection() {
        let server = Server::start().await;
        let sent = client().get(server.url("/")).send();
        let (response, request) = tokio::join!(sent, async {
            let request = server.accept().await;
            request.ok_chunked().await;
            request.chunk("0123456789abcdef").await;
            request.chunk("x").await;
            request.last_chunk().await;
            request
        });
        let text = response.expect("a response").text().await;
        assert_eq!(text.expect("a whole body"), "0123456789abcdefx");
        // No pool: the client closes, once the body is over.
        request.wait_closed().await;
    }

    #[tokio::test]
    async fn close_by_the_client_is_noticed() {
        let server = Server::start().await;
        let sent = client().get(server.url("/")).send();
        let (response, request) = tokio::join!(sent, async {
            let request = server.accept().await;
            request.ok().await;
            request
        });
        let response = response.expect("a response");
        assert!(!request.is_closed_within(SHORT).await);
        assert!(request.closed_at().is_none());
        assert_eq!(server.open_connections(), 1);

        drop(response);
        request.wait_closed().await;
        assert!(request.closed_at().is_some());
        assert_eq!(server.open_connections(), 0);
    }

    #[tokio::test]
    async fn fin_and_rst_of_the_client_are_distinguished() {
        let server = Server::start().await;
        let (socket, request) = raw(&server, GET).await;
        drop(socket);
        assert_eq!(request.wait_closed().await, ClientClose::Fin);

        let (socket, request) = raw(&server, GET).await;
        socket.set_zero_linger().expect("to set SO_LINGER");
        drop(socket);
        assert_eq!(request.wait_closed().await, ClientClose::Rst);
    }

    #[tokio::test]
    async fn a_cancelled_request_closes_its_connection() {
        let server = Server::start().await;
        let sent = tokio::spawn(client().get(server.url("/")).send());
        let request = server.accept().await;
        sent.abort();
        request.wait_closed().await;
    }

    #[tokio::test]
    async fn silence_and_a_request_are_distinguished() {
        let server = Server::start().await;
        server.expect_no_request(SHORT).await;
        let _socket = raw(&server, GET).await;
        server.expect_no_request(SHORT).await;

        let _silent = dial(&server).await;
        let silence = server.expect_no_request(Duration::from_secs(5));
        let failed = std::panic::AssertUnwindSafe(silence).catch_unwind().await;
        assert!(failed.is_err(), "a connection went unnoticed");
    }
}

mod connections {
    use super::*;

    #[tokio::test]
    async fn largest_number_at_one_moment_is_counted() {
        let server = Server::start().await;
        let first = raw(&server, GET).await;
        let second = raw(&server, GET).await;
        assert_eq!(server.open_connections(), 2);
        drop((first, second));
        let _third = raw(&server, GET).await;
        assert_eq!(server.open_connections(), 1);
        assert_eq!(server.max_open_connections(), 2);
    }

    /// The client closes and dials in one go, before the server's tasks had a turn.
    async fn one_after_the_other() {
        let server = Server::start().await;
        let mut before = raw(&server, GET).await;
        for _ in 0..50 {
            drop(before.0);
            before = raw(&server, GET).await;
        }
        assert_eq!(server.connections(), 51);
        assert_eq!(server.max_open_connections(), 1);
    }

    #[tokio::test]
    async fn one_after_the_other_is_one_at_a_time() {
        one_after_the_other().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_after_the_other_is_one_at_a_time_on_threads_too() {
        one_after_the_other().await;
    }

    #[tokio::test]
    async fn a_stopped_server_refuses_until_it_listens_again() {
        let server = Server::script([Reply::ok("a").hold()]).await;
        let mut response = client()
            .get(server.url("/"))
            .send()
            .await
            .expect("a response");
        for _ in 0..3 {
            server.stop_listening().await;
            let refused = client().get(server.url("/")).send().await;
            let error = refused.expect_err("to be refused");
            assert!(error.is_connect());
            assert_eq!(root(&error), Some(io::ErrorKind::ConnectionRefused));
            server.listen_again();
            let again = client().get(server.url("/")).send().await;
            assert_eq!(again.expect("a response").status(), 204);
        }
        let body = response.chunk().await.expect("the old connection to live");
        assert_eq!(body.as_deref(), Some(&b"a"[..]));
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let port = closed_port();
        let error = client().get(port.url("/")).send().await;
        let error = error.expect_err("to be refused");
        assert_eq!(root(&error), Some(io::ErrorKind::ConnectionRefused));
    }

    #[tokio::test]
    async fn a_black_hole_never_answers() {
        let Some(hole) = black_hole().await else {
            return;
        };
        let sent = client().get(hole.url("/")).send();
        assert!(tokio::time::timeout(SHORT, sent).await.is_err());
    }

    #[tokio::test]
    async fn any_transport_can_be_served() {
        let server = Server::start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut socket = TcpStream::connect(address).await.expect("to connect");
        let (accepted, _) = listener.accept().await.expect("to accept");
        server.serve(accepted);
        socket.write_all(GET.as_bytes()).await.expect("to write");
        assert_eq!(server.accept().await.target(), "/s");
    }

    #[tokio::test]
    async fn dropping_the_server_closes_everything() {
        let server = Server::script([Reply::empty().hold()]).await;
        let mut silent = dial(&server).await;
        let mut held = dial(&server).await;
        held.write_all(GET.as_bytes()).await.expect("to write");
        server.wait_for_requests(1).await;
        drop(server);
        assert_eq!(read_all(&mut silent).await, (Vec::new(), None));
        assert_eq!(read_all(&mut held).await, (Vec::new(), None));
    }
}

mod script {
    use super::*;

    /// The status and the body of a GET, or nothing if no whole response came.
    async fn get(server: &Server) -> Option<(u16, String)> {
        let response = client().get(server.url("/")).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.text().await.ok()?))
    }

    fn answer(status: u16, body: &str) -> Option<(u16, String)> {
        Some((status, body.to_owned()))
    }

    #[tokio::test]
    async fn replies_follow_the_order_of_requests() {
        let server = Server::script([
            Reply::ok("data: 1\n\n").fin(),
            Reply::empty().fin(),
            Reply::ok("data: 3").rst(),
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4").send("!"),
            Reply::status(503, "data: 5\n\n"),
            Reply::ok_chunked()
                .chunk("da")
                .wait(1)
                .chunk("ta")
                .last_chunk(),
            Reply::ok("").send_bytewise("7!", 1).fin(),
        ])
        .await;

        assert_eq!(get(&server).await, answer(200, "data: 1\n\n"));
        assert_eq!(get(&server).await, None);
        assert_eq!(get(&server).await, None);
        assert_eq!(get(&server).await, answer(200, "4!"));
        assert_eq!(get(&server).await, answer(503, "data: 5\n\n"));
        assert_eq!(get(&server).await, answer(200, "data"));
        assert_eq!(get(&server).await, answer(200, "7!"));
        assert_eq!(get(&server).await, answer(204, ""));
        assert_eq!(server.requests().len(), 8);
        server.wait_all_closed().await;
        assert_eq!(server.max_open_connections(), 1);
    }

    #[tokio::test]
    async fn the_reply_after_the_script_can_be_set() {
        let script = Script::new([Reply::ok("1").fin()]).then(Reply::ok("then").fin());
        let server = Server::script(script).await;
        for expected in ["1", "then", "then"] {
            assert_eq!(get(&server).await, answer(200, expected));
        }

        let numbered = Script::from_fn(|request| Reply::ok(format!("R{}", request.number())).fin());
        let server = Server::script(numbered).await;
        for expected in ["R1", "R2"] {
            assert_eq!(get(&server).await, answer(200, expected));
        }
    }

    #[tokio::test]
    async fn redirects_are_followed() {
        let target = Server::script([Reply::ok("there").fin()]).await;
        let server = Server::script([
            Reply::redirect(307, "/here"),
            Reply::redirect(302, &target.url("/s")),
        ])
        .await;
        assert_eq!(get(&server).await, answer(200, "there"));
        assert_eq!(server.requests()[1].target(), "/here");
        assert_eq!(target.requests()[0].target(), "/s");
    }

    #[tokio::test]
    async fn next_request_on_a_held_connection_gets_the_next_reply() {
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
        let server = Server::script([
            Reply::raw(response).send("1").hold(),
            Reply::raw(response).send("2").fin(),
        ])
        .await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        for expected in ["1", "2"] {
            let response = client.get(server.url("/")).send().await;
            let text = response.expect("a response").text().await;
            assert_eq!(text.expect("a body"), expected);
        }
        let requests = server.requests();
        assert!(requests[0].same_connection(&requests[1]));
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_reply() {
        let server = Server::script([Reply::ok("a").wait(60_000).send("b").hold()]).await;
        let sent = client().get(server.url("/")).send().await;
        drop(sent.expect("a response"));
        server.wait_all_closed().await;
    }

    #[tokio::test]
    async fn a_panic_in_a_task_fails_the_next_wait() {
        let server = Server::script(Script::new([]).then_fail()).await;
        assert_eq!(get(&server).await, None);
        let wait = std::panic::AssertUnwindSafe(server.wait_for_requests(2));
        assert!(wait.catch_unwind().await.is_err());
        assert!(dropped_badly(server));
    }

    #[tokio::test]
    async fn a_panic_in_a_task_fails_the_drop() {
        let server = Server::script(Script::new([]).then_fail()).await;
        assert_eq!(get(&server).await, None);
        assert!(dropped_badly(server));
        assert!(!dropped_badly(Server::start().await));
    }

    fn dropped_badly(server: Server) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server))).is_err()
    }
}

mod memory {
    use super::*;

    fn get(server: &MemoryServer, path: &str) -> Fetching {
        let request = client().get(server.url(path)).build();
        server.fetch()(request.expect("a request"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_passes_at_once() {
        let real = std::time::Instant::now();
        let began = Instant::now();
        let server = MemoryServer::script([Reply::ok("a").wait(30_000).send("b").fin()]);
        let response = get(&server, "/").await.expect("a response");
        assert_eq!(response.text().await.expect("a body"), "ab");

        assert_eq!(began.elapsed(), Duration::from_secs(30));
        assert!(real.elapsed() < Duration::from_secs(10));
        assert_eq!(server.requests()[0].arrived_at(), began);
        assert_eq!(
            server.requests()[0].closed_at(),
            Some(began + Duration::from_secs(30))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn request_and_response_are_whole() {
        let server = MemoryServer::start();
        let request = client()
            .post("http://u:p@memory.test:81/s?a=1#f")
            .header("last-event-id", "7")
            .body("question");
        let fetching = server.fetch()(request.build().expect("a request"));
        let (response, request) = tokio::join!(fetching, async {
            let request = server.accept().await;
            request
                .send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 418 Tea\r\nX: y\r\n\r\n")
                .await;
            request
        });
        let response = response.expect("a response");
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers()["x"], "y");
        assert_eq!(response.url().path(), "/s");

        assert_eq!(request.target(), "/s?a=1");
        assert_eq!(request.header_values("host"), [b"memory.test:81"]);
        assert_eq!(request.header_values("last-event-id"), [b"7"]);
        assert_eq!(request.body(), b"question");
    }

    #[tokio::test(start_paused = true)]
    async fn fin_and_rst_are_distinguished() {
        let server = MemoryServer::script([
            Reply::ok("a").wait(1).fin(),
            Reply::ok("a").wait(1).rst(),
            Reply::ok_chunked().chunk("a").wait(1).fin(),
        ]);
        for reset in [false, true] {
            let mut response = get(&server, "/").await.expect("a response");
            assert_eq!(
                response.chunk().await.expect("bytes").as_deref(),
                Some(&b"a"[..])
            );
            let end = response.chunk().await;
            let kind = end.as_ref().err().and_then(|error| root(error));
            assert_eq!(
                kind,
                reset.then_some(io::ErrorKind::ConnectionReset),
                "{end:?}"
            );
        }
        let mut cut = get(&server, "/").await.expect("a response").bytes_stream();
        assert!(cut.next().await.is_some_and(|bytes| bytes.is_ok()));
        assert!(cut.next().await.is_some_and(|bytes| bytes.is_err()));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_response_closes() {
        let server = MemoryServer::start();
        let (response, request) = tokio::join!(get(&server, "/"), async {
            let request = server.accept().await;
            request.ok().await;
            request
        });
        assert!(!request.is_closed_within(Duration::from_secs(3600)).await);
        assert_eq!(server.open_connections(), 1);
        drop(response);
        assert_eq!(server.open_connections(), 0);
        assert_eq!(request.wait_closed().await, ClientClose::Fin);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(request.try_send("more").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_future_closes() {
        let server = MemoryServer::start();
        let sent = tokio::spawn(get(&server, "/"));
        let request = server.accept().await;
        sent.abort();
        request.wait_closed().await;
        server
            .expect_no_request(Duration::from_secs(24 * 3600))
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn redialing_at_once_is_one_connection_at_a_time() {
        let server = MemoryServer::script(Script::new([]).then(Reply::ok("a").hold()));
        for _ in 0..20 {
            drop(get(&server, "/").await.expect("a response"));
        }
        assert_eq!(
            (server.connections(), server.max_open_connections()),
            (20, 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_server_refuses() {
        let server = MemoryServer::script([]);
        server.stop_listening();
        let error = get(&server, "/").await.expect_err("to be refused");
        assert_eq!(root(&*error), Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(server.wait_for_refusals(1).await, [Instant::now()]);
        assert_eq!(server.connections(), 0);

        server.listen_again();
        assert_eq!(get(&server, "/").await.expect("a response").status(), 204);
        let fetching = get(&server, "/");
        drop(server);
        assert!(fetching.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_waits_for_its_reader() {
        let server = MemoryServer::start();
        let (response, request) = tokio::join!(get(&server, "/"), async {
            let request = server.accept().await;
            request.ok().await;
            request
        });
        let flood = vec![b':'; 4 << 20];
        let blocked = tokio::time::timeout(Duration::from_secs(60), request.try_send(&flood));
        assert!(blocked.await.is_err());

        let sending = async {
            request.send("end").await;
            request.finish();
        };
        let (body, ()) = tokio::join!(response.expect("a response").bytes(), sending);
        assert!(body.expect("a body").ends_with(b"end"));
    }
}
