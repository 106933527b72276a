//! The four hooks, what they may return and the effects; `until` and `abort_on`; and the reason of the end.

use crate::client;
use std::{ops::ControlFlow, task::Poll, time::Duration};

use crate::client::{
    DAY, Log, Shared, all_data, cause, gaps, http, in_memory, kind, ms, next, next_data,
    next_words, reported, secs, sent_ids,
};
use crate::support::{MemoryServer, Reply, Script, Server};
use fetch_event_source::{
    ActionValue, BoxError, ErrorKind, EventSource, Failure, Finished, HookResult, HookValue,
    RetryPolicy, StreamEnd, reqwest::StatusCode,
};
use futures_util::FutureExt;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

/// A source that tries once, so that what the hooks say is all that matters.
fn once(server: &MemoryServer) -> EventSource<'static> {
    in_memory(server).retry(RetryPolicy::never())
}

/// For a hook or `decide` that is not to be asked.
fn must_not_be_called() {
    unreachable!("it is asked");
}

/// A stream of one event that ends cleanly.
fn one_event() -> Reply {
    Reply::ok("data: a\n\n").fin()
}

mod answer {
    use super::*;

    /// What an LLM streams, from a server that is busy at first.
    #[tokio::test(start_paused = true)]
    async fn a_streamed_answer_is_put_together() -> Result<(), BoxError> {
        let server = MemoryServer::script([
            Reply::status(409, "busy"),
            Reply::ok(
                "data: {\"text\": \"Be\"}\n\ndata: {\"text\": \"cause.\"}\n\ndata: [DONE]\n\n",
            )
            .hold(),
        ]);
        let (client, url) = (http(), server.url("/chat"));
        let mut opened = Vec::new();
        let mut answer = String::new();
        let finished = EventSource::new(client.post(url).body("Why?"))
            .fetch(server.fetch())
            .until(|event| event.data() == "[DONE]")
            .on_open(|response| opened.push(response.status()))
            .on_message(|event| -> HookResult {
                let delta: serde_json::Value = serde_json::from_str(event.data())?;
                answer.push_str(delta["text"].as_str().ok_or("no text")?);
                Ok(())
            })
            .on_error(async |failure| match failure.error().status() {
                Some(StatusCode::CONFLICT) => failure.retry_after(Duration::from_secs(5)),
                _ => failure.follow_policy(),
            })
            .on_close(async |end| end.follow_policy())
            .run()
            .await?;

        assert_eq!(finished, Finished::EndMarker);
        assert_eq!(answer, "Because.");
        assert_eq!(opened, [200]);
        assert_eq!(gaps(&server), [secs(5)]);
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.body() == b"Why?")
        );
        server.wait_all_closed().await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_marker_is_not_delivered_and_ends_it() {
        let body = "id: 1\ndata: a\n\nid: 2\ndata: [DONE]\n\ndata: b\n\n";
        let server = MemoryServer::script([Reply::ok(body).hold()]);
        let source = in_memory(&server).until(|event| event.data() == "[DONE]");
        let handle = source.handle();
        let mut events = source.stream();
        assert_eq!(next_data(&mut events).await, "a");
        assert!(events.next().await.is_none());
        assert_eq!(events.finished(), Some(&Finished::EndMarker));
        assert_eq!(handle.last_event_id(), "1");
        server.wait_all_closed().await;
        server.expect_no_request(DAY).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_ends_before_its_marker_is_incomplete() {
        let is_end = |event: &fetch_event_source::Event| event.data() == "[DONE]";
        for reply in [
            one_event(),
            Reply::ok_chunked().chunk("data: a\n\n").last_chunk(),
        ] {
            let server = MemoryServer::script([reply]);
            let mut events = once(&server).until(is_end).stream();
            assert_eq!(next_data(&mut events).await, "a");
            let error = events.next().await.expect("an item").expect_err("an error");
            assert_eq!(error.kind(), ErrorKind::Incomplete);
            assert!(error.is_incomplete());
            assert!(events.next().await.is_none());
            assert!(events.finished().is_none());
        }

        // It is a failure, not a clean end: `on_error` hears of it, and a GET is tried again.
        let server = MemoryServer::script([one_event(), Reply::ok("data: [DONE]\n\n").hold()]);
        let log = Shared::new(Vec::new());
        let source = in_memory(&server)
            .retry(RetryPolicy::default())
            .until(is_end);
        let finished = source
            .on_error(async |failure| log.lock().push(kind(failure.error())))
            .on_close(async |_| log.lock().push("close"))
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::EndMarker);
        assert_eq!(log.into_inner(), ["incomplete"]);
    }

    /// A POST that was cut is not sent again, and the error is the cut.
    #[tokio::test(start_paused = true)]
    async fn an_incomplete_answer_to_a_post_is_final() {
        let server = MemoryServer::script([one_event()]);
        let source = EventSource::new(http().post(server.url("/s")).body("Why?"));
        let source = source.fetch(server.fetch()).until(|_| false);
        let error = source.run().await.expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::Incomplete);
        server.expect_no_request(DAY).await;
    }
}

mod captures {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hooks_borrow_and_change_locals() {
        let server = MemoryServer::script([one_event(), Reply::ok_chunked().wait(1).rst()]);
        let (mut opened, mut failed, mut closed) = (0, None, false);
        let prefix = "got ".to_owned();
        let heard = Shared::new(Vec::new());
        let finished = in_memory(&server)
            .on_open(|_| opened += 1)
            .on_message(async |event| {
                sleep(ms(1)).await;
                let line = format!("{prefix}{}", event.data());
                heard.lock().push(line);
            })
            .on_error(|failure| failed = Some((kind(failure.error()), heard.lock().len())))
            .on_close(|_| closed = true)
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::NoContent);
        assert_eq!((opened, heard.into_inner()), (2, vec!["got a".to_owned()]));
        assert_eq!((failed, closed), (Some(("a cut", 1)), true));
        drop(prefix);
    }

    #[tokio::test(start_paused = true)]
    async fn hooks_that_own_what_they_use_can_be_spawned() {
        let server = MemoryServer::script([one_event(), Reply::ok_chunked().wait(1).rst()]);
        let log = Log::new();
        let [open, message, error, close] = std::array::from_fn(|_| log.clone());
        let mut count = 0;
        let running = in_memory(&server)
            .on_open(move |head| open.add(head.status().as_str()))
            .on_message(move |event| {
                count += 1;
                let (count, message) = (count, message.clone());
                async move {
                    sleep(ms(1)).await;
                    message.add(format!("{count} {}", event.data()));
                }
            })
            .on_error(move |failure| {
                let error = error.clone();
                async move {
                    sleep(ms(1)).await;
                    error.add(kind(failure.error()));
                    failure.follow_policy()
                }
            })
            .on_close(move |end| {
                let close = close.clone();
                async move {
                    sleep(ms(1)).await;
                    close.add("close");
                    end.follow_policy()
                }
            })
            .run();
        let finished = tokio::spawn(running).await.expect("no panic");
        assert_eq!(finished.expect("no error"), Finished::NoContent);
        assert_eq!(log.lines(), ["200", "1 a", "close", "200", "a cut"]);
    }

    #[tokio::test(start_paused = true)]
    async fn options_come_before_or_after_hooks() {
        let server = MemoryServer::script([Reply::empty().hold()]);
        let error = EventSource::get(server.url("/s"))
            .on_message(async |_| {})
            .fetch(server.fetch())
            .on_open(async |_| {})
            .retry(RetryPolicy::never())
            .response_timeout(secs(1))
            .run()
            .await
            .expect_err("an error");
        assert!(matches!(error.kind(), ErrorKind::ResponseTimeout(_)));
    }

    /// The last of two hooks of a kind counts.
    #[tokio::test(start_paused = true)]
    async fn a_later_hook_replaces_an_earlier_one() {
        let server = MemoryServer::script([one_event()]);
        let mut heard = 0;
        once(&server)
            .on_message(async |_| Err::<(), BoxError>("the first".into()))
            .on_message(|_| heard += 1)
            .run()
            .await
            .expect("no error");
        assert_eq!(heard, 1);
    }
}

mod order {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hooks_are_called_in_order_and_never_at_once() {
        let server = MemoryServer::script([
            Reply::ok("data: a\n\ndata: b\n\n").fin(),
            Reply::ok_chunked().chunk("data: c\n\n").wait(1).rst(),
        ]);
        let log = Shared::new(Vec::new());
        let busy = Shared::new(false);
        let slowly = async |what: String| {
            assert!(!busy.replace(true), "two hooks at once");
            sleep(secs(100)).await;
            log.lock().push(what);
            busy.replace(false);
        };
        in_memory(&server)
            .on_open(async |_| slowly("open".into()).await)
            .on_message(async |event| slowly(event.into_data()).await)
            .on_error(async |_| slowly("error".into()).await)
            .on_close(async |_| slowly("close".into()).await)
            .run()
            .await
            .expect("no error");
        let log = log.into_inner();
        assert_eq!(log, ["open", "a", "b", "close", "open", "c", "error"]);
        assert_eq!(server.max_open_connections(), 1);
    }

    /// The connection is gone before a hook is asked what follows.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_while_a_hook_decides() {
        let server = MemoryServer::script([
            Reply::ok_chunked().last_chunk().hold(),
            Reply::ok("").hold(),
        ]);
        let source = in_memory(&server).idle_timeout(secs(1));
        source
            .on_close(async |_| assert_eq!(server.open_connections(), 0))
            .on_error(async |failure| {
                assert_eq!(server.open_connections(), 0);
                failure.stop()
            })
            .run()
            .await
            .expect("no error");
    }
}

mod flow {
    use super::*;

    /// A return value of `on_open` and `on_message`, and its effect.
    async fn ends<R: HookValue + 'static>(value: fn() -> R) -> [String; 2] {
        let mut ends = [String::new(), String::new()];
        for (end, in_open) in ends.iter_mut().zip([true, false]) {
            let server = MemoryServer::script([Reply::ok("data: a\n\ndata: b\n\n").fin()]);
            let asked = Shared::new(false);
            let source = once(&server)
                .on_error(async |_| {
                    asked.replace(true);
                })
                .on_close(async |_| {});
            let result = match in_open {
                true => source.on_open(async |_| value()).run().await,
                false => source.on_message(async |_| value()).run().await,
            };
            *end = match result {
                Ok(finished) => format!("{finished:?}"),
                Err(error) if error.kind() == ErrorKind::Hook => format!("hook: {}", cause(&error)),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(
                *asked.lock(),
                end.starts_with("hook"),
                "a hook's failure, and only that, is shown to on_error"
            );
            server.wait_all_closed().await;
            server.expect_no_request(DAY).await;
        }
        ends
    }

    fn both(end: &str) -> [String; 2] {
        [end.to_owned(), end.to_owned()]
    }

    #[tokio::test(start_paused = true)]
    async fn on_open_and_on_message_return_nothing_a_flow_or_a_result_of_either() {
        assert_eq!(ends(|| ()).await, both("Ended"));
        assert_eq!(ends(|| ControlFlow::Continue(())).await, both("Ended"));
        assert_eq!(ends(|| ControlFlow::Break(())).await, both("Stopped"));
        assert_eq!(ends(|| Ok::<_, BoxError>(())).await, both("Ended"));
        assert_eq!(
            ends(|| Ok::<_, BoxError>(ControlFlow::Continue(()))).await,
            both("Ended")
        );
        assert_eq!(
            ends(|| Ok::<_, BoxError>(ControlFlow::Break(()))).await,
            both("Stopped")
        );
        let own = || "x".parse::<u32>().map(drop);
        assert_eq!(ends(own).await, both("hook: invalid digit found in string"));
        let flow = || Err::<ControlFlow<()>, _>("no");
        assert_eq!(ends(flow).await, both("hook: no"));
    }

    /// On a real socket, with an event more in the same read.
    #[tokio::test]
    async fn break_closes_the_socket_and_delivers_nothing_more() {
        let server = Server::script([Reply::ok("data: a\n\ndata: b\n\n").hold()]).await;
        let mut heard = Vec::new();
        let finished = client::over_tcp(&server)
            .on_message(|event| {
                heard.push(event.into_data());
                ControlFlow::Break(())
            })
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Stopped);
        assert_eq!(heard, ["a"]);
        server.wait_all_closed().await;
    }

    /// The cause of the error is available. The policy treats it as final.
    #[tokio::test(start_paused = true)]
    async fn a_hooks_error_is_final_and_its_event_is_not_delivered() {
        let server = MemoryServer::script([Reply::ok(
            "id: 1\ndata: 1\n\nid: 2\ndata: x\n\nid: 3\ndata: 3\n\n",
        )
        .hold()]);
        let source = in_memory(&server).on_error(|failure| {
            assert_eq!(failure.next_delay(), None);
            failure.follow_policy()
        });
        let handle = source.handle();
        let error = source
            .on_message(async |event| event.data().parse::<u32>().map(drop))
            .run()
            .await
            .expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::Hook, "{error}");
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        assert_eq!(handle.last_event_id(), "1");
        server.wait_all_closed().await;
        server.expect_no_request(DAY).await;
    }

    /// `Break` is a word about an event that was taken.
    #[tokio::test(start_paused = true)]
    async fn an_event_that_broke_was_delivered() {
        let server = MemoryServer::script([Reply::ok("id: 1\ndata: 1\n\n").hold()]);
        let source = in_memory(&server);
        let handle = source.handle();
        let finished = source
            .on_message(async |_| ControlFlow::Break(()))
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Stopped);
        assert_eq!(handle.last_event_id(), "1");
    }
}

mod on_error {
    use super::*;

    /// The effect of one answer to a 503, which the policy would retry, and to a 404, which it would not.
    async fn ends<R: ActionValue + 'static>(
        answer: fn(&Failure) -> R,
    ) -> [(String, Vec<Duration>); 2] {
        let mut ends = Vec::new();
        for status in [503, 404] {
            let server = MemoryServer::script([Reply::status(status, "no"), one_event()]);
            let policy = RetryPolicy::default().jitter(0);
            let source = in_memory(&server).retry(policy);
            let result = source
                .on_error(async |failure| answer(&failure))
                .run()
                .await;
            let end = match result {
                Ok(finished) => format!("{finished:?}"),
                Err(error) if error.kind() == ErrorKind::Hook => format!("hook: {}", cause(&error)),
                Err(error) => format!("{}", error.status().expect("a status").as_u16()),
            };
            server.wait_all_closed().await;
            ends.push((end, gaps(&server)));
        }
        ends.try_into().expect("two of them")
    }

    fn end(end: &str, gaps: &[Duration]) -> (String, Vec<Duration>) {
        (end.to_owned(), gaps.to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn its_answer_is_followed() {
        let as_policy = [end("Ended", &[secs(1)]), end("404", &[])];
        assert_eq!(ends(Failure::follow_policy).await, as_policy);
        assert_eq!(ends(|_| ()).await, as_policy);
        assert_eq!(ends(|_| Ok::<_, BoxError>(())).await, as_policy);
        assert_eq!(
            ends(|failure| Ok::<_, BoxError>(failure.follow_policy())).await,
            as_policy
        );

        let retried = [end("Ended", &[secs(1)]), end("Ended", &[secs(1)])];
        assert_eq!(ends(Failure::retry).await, retried);
        let exactly = [end("Ended", &[ms(70)]), end("Ended", &[ms(70)])];
        assert_eq!(ends(|failure| failure.retry_after(ms(70))).await, exactly);
        let stopped = [end("Stopped", &[]), end("Stopped", &[])];
        assert_eq!(ends(|failure| failure.stop()).await, stopped);
        let failed = [end("503", &[]), end("404", &[])];
        assert_eq!(ends(|failure| failure.fail()).await, failed);

        let thrown = [end("hook: no", &[]), end("hook: no", &[])];
        assert_eq!(ends(|_| Err::<(), _>("no")).await, thrown);
        let thrown_or_not = |_: &Failure| Err::<fetch_event_source::Action, BoxError>("no".into());
        assert_eq!(ends(thrown_or_not).await, thrown);
    }

    /// The number and the delay, of retries in a row and after progress.
    #[tokio::test(start_paused = true)]
    async fn it_sees_the_count_and_the_delay() {
        let server = MemoryServer::script([
            Reply::empty().fin(),
            Reply::status(503, ""),
            Reply::ok_chunked().wait(1).rst(),
            Reply::ok_chunked()
                .chunk("id: 1\ndata: a\n\n")
                .wait(1)
                .rst(),
            Reply::status(500, ""),
            Reply::status(404, ""),
        ]);
        let policy = RetryPolicy::default().jitter(0);
        let log = Shared::new(Vec::new());
        let error = in_memory(&server)
            .retry(policy)
            .on_error(async |failure| {
                let delay = failure.next_delay().map(|delay| delay.as_secs());
                log.lock()
                    .push((kind(failure.error()), failure.retries(), delay));
            })
            .run()
            .await
            .expect_err("an error");
        assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
        assert_eq!(
            log.into_inner(),
            [
                ("no response", 0, Some(1)),
                ("a status", 1, Some(2)),
                ("a cut", 2, Some(4)),
                ("a cut", 0, Some(1)),
                ("a status", 1, Some(2)),
                ("a status", 2, None),
            ]
        );
        let waited: Vec<_> = gaps(&server).iter().map(Duration::as_secs).collect();
        assert_eq!(waited, [1, 2, 4, 1, 2]);
    }

    /// With jitter, what is shown is what is waited.
    #[tokio::test(start_paused = true)]
    async fn the_delay_shown_is_the_delay_taken() {
        let server = MemoryServer::script(vec![Reply::empty().fin(); 6]);
        let shown = Shared::new(Vec::new());
        let source = in_memory(&server).retry(RetryPolicy::default());
        source
            .on_error(async |failure| {
                sleep(secs(7)).await; // the delay runs from the answer
                shown.lock().extend(failure.next_delay());
            })
            .run()
            .await
            .expect("no error");
        let waited = gaps(&server);
        let shown = shown.into_inner();
        assert_eq!(waited.len(), shown.len());
        for (waited, shown) in waited.into_iter().zip(shown) {
            let late = waited - secs(7) - shown;
            assert!(late <= ms(1), "{shown:?} shown, {waited:?} waited");
        }
    }

    /// Exact: no backoff, no jitter, no bounds, not even what the server asked; and once.
    #[tokio::test(start_paused = true)]
    async fn retry_after_is_exact_and_for_once() {
        let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n";
        let server = MemoryServer::script([
            Reply::raw(busy).fin(),
            Reply::raw(busy).fin(),
            Reply::raw(busy).fin(),
            one_event(),
        ]);
        let mut asked = 0;
        let source = in_memory(&server).retry(RetryPolicy::default());
        source
            .on_error(|failure| {
                asked += 1;
                match asked {
                    1 => failure.retry_after(ms(1)),
                    2 => failure.follow_policy(),
                    _ => failure.retry_after(secs(4000)),
                }
            })
            .run()
            .await
            .expect("no error");
        let gaps = gaps(&server);
        assert_eq!((gaps[0], gaps[2]), (ms(1), secs(4000)));
        assert!((secs(60)..=secs(62)).contains(&gaps[1]), "{:?}", gaps[1]);
    }

    /// A hook's own word goes beyond the limits of the policy.
    #[tokio::test(start_paused = true)]
    async fn a_hook_may_retry_a_final_failure() {
        let server = MemoryServer::script([
            Reply::status(404, ""),
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n").fin(),
            Reply::empty().fin(),
            one_event(),
        ]);
        let log = Shared::new(Vec::new());
        let finished = once(&server)
            .on_error(async |failure| {
                log.lock()
                    .push((kind(failure.error()), failure.next_delay()));
                failure.retry()
            })
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Ended);
        let expected = ["a status", "a content type", "no response"].map(|kind| (kind, None));
        assert_eq!(log.into_inner(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_called_once_for_each_failure_and_not_for_other_ends() {
        let server =
            MemoryServer::script([Reply::empty().fin(), Reply::status(503, ""), one_event()]);
        let mut asked = 0;
        let source = in_memory(&server).retry(RetryPolicy::default());
        let finished = source.on_error(|_| asked += 1).run().await;
        assert_eq!((finished.expect("no error"), asked), (Finished::Ended, 2));

        for reply in [one_event(), Reply::no_content()] {
            let server = MemoryServer::script([reply]);
            let mut asked = 0;
            once(&server)
                .on_error(|_| asked += 1)
                .run()
                .await
                .expect("no error");
            assert_eq!(asked, 0);
        }
        let server = MemoryServer::script([]);
        let source = in_memory(&server).last_event_id("7");
        let finished = source.on_error(async |_| must_not_be_called()).run().await;
        assert_eq!(finished.expect("no error"), Finished::NoContent);
    }

    /// On consent a POST is sent again, and only then.
    #[tokio::test(start_paused = true)]
    async fn a_retry_is_consent_to_send_a_post_again() {
        for (consents, sent) in [(true, 2), (false, 1)] {
            let server = MemoryServer::script([Reply::ok_chunked().wait(1).rst(), one_event()]);
            let source = EventSource::new(http().post(server.url("/s")).body("Why?"));
            let result = source
                .fetch(server.fetch())
                .on_error(async |failure| match consents {
                    true => failure.retry(),
                    false => {
                        assert_eq!(failure.next_delay(), None);
                        failure.follow_policy()
                    }
                })
                .run()
                .await;
            assert_eq!(result.is_ok(), consents);
            assert_eq!(server.requests().len(), sent);
        }
    }
}

mod on_close {
    use super::*;

    /// The effect of one answer to a clean end after which the policy would reconnect, and to one after which it would not.
    async fn ends<R: ActionValue + 'static>(
        answer: fn(&StreamEnd) -> R,
    ) -> [(String, Vec<Duration>); 2] {
        let mut ends = Vec::new();
        for reconnects in [true, false] {
            let server = MemoryServer::script([one_event()]);
            let policy = RetryPolicy::default()
                .jitter(0)
                .reconnect_on_close(reconnects);
            let source = in_memory(&server).retry(policy);
            let result = source.on_close(async |end| answer(&end)).run().await;
            let end = match result {
                Ok(finished) => format!("{finished:?}"),
                Err(error) if error.kind() == ErrorKind::Hook => format!("hook: {}", cause(&error)),
                Err(other) => panic!("{other}"),
            };
            ends.push((end, gaps(&server)));
        }
        ends.try_into().expect("two of them")
    }

    fn end(end: &str, gaps: &[Duration]) -> (String, Vec<Duration>) {
        (end.to_owned(), gaps.to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn its_answer_is_followed() {
        let as_policy = [end("NoContent", &[secs(1)]), end("Ended", &[])];
        assert_eq!(ends(StreamEnd::follow_policy).await, as_policy);
        assert_eq!(ends(|_| ()).await, as_policy);
        assert_eq!(ends(|_| Ok::<_, BoxError>(())).await, as_policy);
        assert_eq!(
            ends(|end| Ok::<_, BoxError>(end.follow_policy())).await,
            as_policy
        );

        let back = [end("NoContent", &[secs(1)]), end("NoContent", &[secs(1)])];
        assert_eq!(ends(StreamEnd::reconnect).await, back);
        let exactly = [end("NoContent", &[ms(70)]), end("NoContent", &[ms(70)])];
        assert_eq!(ends(|end| end.reconnect_after(ms(70))).await, exactly);
        let finished = [end("Ended", &[]), end("Ended", &[])];
        assert_eq!(ends(StreamEnd::finish).await, finished);
        let thrown = [end("hook: no", &[]), end("hook: no", &[])];
        assert_eq!(ends(|_| Err::<(), _>("no")).await, thrown);
    }

    #[tokio::test(start_paused = true)]
    async fn it_sees_the_count_and_the_delay() {
        let empty = || Reply::ok("").fin();
        let server = MemoryServer::script([empty(), empty(), one_event(), empty()]);
        let log = Shared::new(Vec::new());
        in_memory(&server)
            .retry(RetryPolicy::persistent().jitter(0))
            .on_close(async |end| {
                let delay = end.next_delay().map(|delay| delay.as_secs());
                log.lock().push((end.retries(), delay));
            })
            .run()
            .await
            .expect("no error");
        let expected = [(0, Some(1)), (1, Some(2)), (0, Some(1)), (1, Some(2))];
        assert_eq!(log.into_inner(), expected);

        let server = MemoryServer::script([one_event()]);
        let source = in_memory(&server).retry(RetryPolicy::default());
        let run = source
            .on_close(async |end| assert_eq!(end.next_delay(), None))
            .run();
        assert_eq!(run.await.expect("no error"), Finished::Ended);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_called_for_a_204_an_abort_or_the_end_marker() {
        for (name, reply) in [
            ("NoContent", Reply::no_content()),
            ("Aborted", Reply::ok("data: abort\n\n").hold()),
            ("EndMarker", Reply::ok("data: end\n\n").fin()),
            ("Stopped", Reply::ok("data: stop\n\n").fin()),
        ] {
            let server = MemoryServer::script([reply]);
            let source = in_memory(&server).until(|event| event.data() == "end");
            let handle = source.handle();
            let mut asked = 0;
            let finished = source
                .on_message(async |event| match event.data() {
                    "stop" => ControlFlow::Break(()),
                    _ => {
                        handle.close();
                        ControlFlow::Continue(())
                    }
                })
                .on_close(|_| asked += 1)
                .run()
                .await
                .expect("no error");
            assert_eq!(format!("{finished:?}"), name);
            assert_eq!(asked, 0, "{name}");
        }
    }
}

mod on_error_in_every_style {
    use super::*;

    fn script() -> [Reply; 3] {
        [Reply::status(404, ""), Reply::empty().fin(), one_event()]
    }

    /// Retries a 404 at once, and leaves the rest to the policy.
    fn mends(source: EventSource<'static>, log: &Log) -> EventSource<'static> {
        let log = log.clone();
        source.on_error(move |failure| {
            log.add(format!("{} {}", kind(failure.error()), failure.retries()));
            match failure.error().status() {
                Some(StatusCode::NOT_FOUND) => failure.retry_after(Duration::ZERO),
                _ => failure.follow_policy(),
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_called_in_every_style() {
        for style in ["stream", "signals", "run"] {
            let server = MemoryServer::script(script());
            let log = Log::new();
            let source = mends(in_memory(&server), &log);
            match style {
                "stream" => assert_eq!(all_data(source.stream()).await, ["a"]),
                "signals" => {
                    let words = reported(source.signals()).await;
                    assert_eq!(words[0], "retry 1 in 0ns after a status");
                }
                _ => {
                    let run = source.on_message(async |_| {}).run();
                    assert_eq!(run.await.expect("no error"), Finished::NoContent);
                }
            }
            assert_eq!(log.lines(), ["a status 0", "no response 1"], "{style}");
            assert_eq!(gaps(&server), [Duration::ZERO, secs(3), secs(3)], "{style}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_one_counts() {
        let server = MemoryServer::script(script());
        let (log, mut asked) = (Log::new(), 0);
        let source = mends(in_memory(&server), &log);
        let result = source.on_error(|_| asked += 1).run().await;
        let error = result.expect_err("the policy takes a 404 as final");
        assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
        assert_eq!((log.lines().len(), asked), (0, 1));
    }

    /// The other answers.
    #[tokio::test(start_paused = true)]
    async fn it_may_stop_fail_and_throw() {
        let failing = || MemoryServer::script([Reply::empty().fin()]);
        let server = failing();
        let mut events = in_memory(&server)
            .on_error(|failure| failure.stop())
            .stream();
        assert!(events.next().await.is_none());
        assert_eq!(events.finished(), Some(&Finished::Stopped));

        let server = failing();
        let mut events = in_memory(&server)
            .on_error(|failure| failure.fail())
            .stream();
        let error = events.next().await.expect("an item").expect_err("an error");
        assert_eq!(kind(&error), "no response");
        assert!(events.next().await.is_none());

        let server = failing();
        let thrown = in_memory(&server).on_error(|_| Err::<(), _>("no"));
        let mut events = thrown.stream();
        let error = events.next().await.expect("an item").expect_err("an error");
        assert!(error.kind() == ErrorKind::Hook && cause(&error) == "no");
        assert!(events.next().await.is_none());
        server.expect_no_request(DAY).await;
    }
}

/// A hook that asks for a delay of zero gets it, and other tasks still run.
#[tokio::test(start_paused = true)]
async fn a_retry_without_delay_of_a_fetch_that_fails_at_once_does_not_hog_the_executor() {
    for style in ["decide", "on_error"] {
        let fetched = Log::new();
        let count = fetched.clone();
        let source = EventSource::get("http://memory.test/").fetch(move |_| {
            count.add("fetch");
            async { Err("no".into()) }
        });
        let handle = source.handle();
        let running = match style {
            "decide" => tokio::spawn(source.on_error(|it| it.retry_after(Duration::ZERO)).run()),
            _ => tokio::spawn(
                source
                    .on_error(async |it| it.retry_after(Duration::ZERO))
                    .run(),
            ),
        };
        // On the same thread, in the same queue: that it gets so far is the point.
        let other = tokio::spawn(async {
            for _ in 0..100 {
                take_turns().await;
            }
        });
        other.await.expect("no panic");
        assert!(fetched.lines().len() > 10, "{style}");
        handle.close();
        assert_eq!(
            running.await.expect("no panic").expect("no error"),
            Finished::Aborted
        );
        let fetches = fetched.lines().len();
        assert!(fetches < 1000, "{style}: {fetches} fetches in 100 turns");
    }
}

/// Goes to the end of the queue, once. (tokio's `yield_now` waits until the queue is empty, or long.)
async fn take_turns() {
    let mut been = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut been, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

mod abort_on {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_the_source_in_every_state() {
        let states: [(&str, Option<Reply>, &[&str]); 5] = [
            ("before the first poll", None, &[]),
            ("connecting", Some(Reply::empty().hold()), &[]),
            (
                "reading a refusal",
                Some(Reply::raw("HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n").hold()),
                &[],
            ),
            (
                "open",
                Some(Reply::ok("data: a\n\n").hold()),
                &["open", "event a"],
            ),
            (
                "in the delay",
                Some(Reply::ok("").fin()),
                &["open", "disconnected", "retry 1 in 3s after a clean end"],
            ),
        ];
        for (name, reply, before) in states {
            let server = MemoryServer::script(reply.clone().into_iter().collect::<Vec<_>>());
            let (abort, aborted) = oneshot::channel::<()>();
            let mut signals = in_memory(&server).abort_on(aborted).signals();
            if reply.is_some() {
                assert_eq!(
                    next_words(&mut signals, before.len()).await,
                    before,
                    "{name}"
                );
                assert!(timeout(secs(1), signals.next()).await.is_err(), "{name}");
            }
            let began = Instant::now();
            // Either end of it will do: the future's result is not looked at.
            let end = match reply {
                None => {
                    drop(abort);
                    reported(signals).await
                }
                Some(_) => tokio::join!(reported(signals), async { drop(abort) }).0,
            };
            assert_eq!(end, ["finished: Aborted"], "{name}");
            assert_eq!(began.elapsed(), Duration::ZERO, "{name}");
            assert_eq!(
                server.requests().len(),
                usize::from(reply.is_some()),
                "{name}"
            );
            server.wait_all_closed().await;
            server.expect_no_request(DAY).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_a_paused_source() {
        let server = MemoryServer::start();
        let mut signals = in_memory(&server).abort_on(sleep(secs(60))).signals();
        signals.handle().pause();
        assert!(timeout(secs(59), signals.next()).await.is_err());
        assert_eq!(reported(signals).await, ["finished: Aborted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_checked_after_every_hook() {
        for (within, calls) in [("open", 1), ("message", 2), ("close", 3), ("error", 5)] {
            let server =
                MemoryServer::script([one_event(), Reply::ok_chunked().wait(1).rst(), one_event()]);
            let (abort, aborted) = oneshot::channel::<()>();
            let abort = Shared::new(Some(abort));
            let called = Shared::new(0);
            let call = |name| {
                *called.lock() += 1;
                if name == within {
                    drop(abort.lock().take());
                }
            };
            let finished = in_memory(&server)
                .abort_on(aborted)
                .on_open(async |_| call("open"))
                .on_message(async |_| call("message"))
                .on_close(async |_| call("close"))
                .on_error(async |_| call("error"))
                .run()
                .await;
            assert_eq!(finished.expect("no error"), Finished::Aborted, "{within}");
            assert_eq!(called.into_inner(), calls, "{within}");
        }
    }

    /// What a hook answers does not count against it.
    #[tokio::test(start_paused = true)]
    async fn it_comes_before_a_final_failure() {
        let server = MemoryServer::script([Reply::status(404, "")]);
        let (abort, aborted) = oneshot::channel::<()>();
        let mut abort = Some(abort);
        let finished = in_memory(&server)
            .abort_on(aborted)
            .on_error(|failure| {
                drop(abort.take());
                failure.fail()
            })
            .run()
            .await;
        assert_eq!(finished.expect("no error"), Finished::Aborted);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_hook_was_cancelled_comes_again_after_a_restart() {
    // Gives the events after the one the client has.
    let server = MemoryServer::script(Script::from_fn(|request| {
        let seen = client::sent_id(request);
        let seen: usize = seen.first().map_or(0, |id| id.parse().expect("a number"));
        let rest = (seen + 1..=3).map(|n| format!("id: {n}\ndata: {n}\n\n"));
        Reply::ok(rest.collect::<String>()).hold()
    }));
    let source = in_memory(&server);
    let handle = source.handle();
    let heard = Shared::new(Vec::new());
    let running = source
        .on_message(async |event| {
            if event.data() == "2" {
                std::future::pending::<()>().await;
            }
            heard.lock().push(event.into_data());
        })
        .run();
    assert!(
        timeout(secs(1), running).await.is_err(),
        "it hangs in the second event"
    );
    assert_eq!(handle.last_event_id(), "1");

    let again = in_memory(&server).last_event_id(handle.last_event_id());
    let running = again
        .on_message(async |event| heard.lock().push(event.into_data()))
        .run();
    assert!(timeout(secs(1), running).await.is_err());
    assert_eq!(heard.into_inner(), ["1", "2", "3"]);
    assert_eq!(sent_ids(&server), [vec![], vec!["1".to_owned()]]);
}

/// Each reason, from `run()` and from a stream.
#[tokio::test(start_paused = true)]
async fn the_reason_of_the_end_is_returned() {
    for (reply, expected) in [
        (Reply::ok("data: a\n\n").fin(), Finished::Ended),
        (Reply::ok("data: end\n\n").fin(), Finished::EndMarker),
        (Reply::no_content(), Finished::NoContent),
        (Reply::status(503, ""), Finished::Stopped),
        (Reply::ok("").hold(), Finished::Aborted),
    ] {
        let server = MemoryServer::script([reply.clone(), reply]);
        let source = || {
            // A clean end is an end here only without `until`.
            let source = once(&server)
                .on_error(|failure| failure.stop())
                .abort_on(sleep(secs(60)));
            match expected {
                Finished::EndMarker => source.until(|event| event.data() == "end"),
                _ => source,
            }
        };
        let mut events = source().stream();
        assert!(events.finished().is_none());
        while let Some(event) = events.next().await {
            event.expect("no error");
        }
        assert_eq!(events.finished(), Some(&expected));
        let finished = source().on_message(async |_| {}).run().await;
        assert_eq!(finished.expect("no error"), expected);
    }
}

/// `run()` without any hook does its work as well: IDs, retries, and the end.
#[tokio::test(start_paused = true)]
async fn a_run_without_hooks_runs() {
    let server = MemoryServer::script([Reply::ok("id: 1\ndata: a\n\n").fin()]);
    let finished = in_memory(&server).run().await;
    assert_eq!(finished.expect("no error"), Finished::NoContent);
    assert_eq!(sent_ids(&server), [vec![], vec!["1".to_owned()]]);
}

/// Nothing is sent before somebody polls.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_first_poll() {
    let server = MemoryServer::script([Reply::ok("data: a\n\n").hold()]);
    let events = in_memory(&server).stream();
    let signals = in_memory(&server).signals();
    let run = in_memory(&server).on_message(async |_| {}).run();
    server.expect_no_request(DAY).await;
    drop((events, signals, run));
    let mut events = in_memory(&server).stream();
    assert!(events.next().now_or_never().is_none());
    assert_eq!(next(&mut events).await.data(), "a");
}
