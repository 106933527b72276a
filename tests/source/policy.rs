//! The defaults of the policies, and the effect of each setting: as seen from the server, in paused time.

use std::time::Duration;

use fetch_event_source::{ErrorKind, EventSource, Finished, RetryPolicy, Signal};
use tokio::time::Instant;

use crate::client::{Outcome, get, outcome, standard};
use crate::support::{MemoryServer, OK, Recorded, Reply, Script};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A failure without progress, however often.
fn failing() -> Script {
    Script::new([]).then(Reply::status(503, ""))
}

async fn run(script: impl Into<Script>, policy: RetryPolicy) -> (Outcome, Vec<Recorded>) {
    let server = MemoryServer::script(script);
    let outcome = outcome(get(&server).retry(policy)).await;
    assert!(server.max_open_connections() <= 1);
    (outcome, server.requests())
}

/// The first so many delays of a source that never gets anywhere.
async fn first_delays(source: EventSource<'static>, count: usize) -> Vec<Duration> {
    let mut signals = source.signals();
    let mut delays = Vec::new();
    while delays.len() < count {
        let signal = signals.next().await.expect("no end");
        if let Signal::Retrying { delay, .. } = signal.expect("no error") {
            delays.push(delay);
        }
    }
    delays
}

fn seconds(delays: &[Duration]) -> Vec<f64> {
    delays.iter().map(Duration::as_secs_f64).collect()
}

/// The time between requests is what was announced: never less, and not much more.
fn assert_waited(requests: &[Recorded], delays: &[Duration]) {
    assert_eq!(requests.len(), delays.len() + 1);
    for (pair, delay) in requests.windows(2).zip(delays) {
        let waited = pair[1].arrived_at() - pair[0].arrived_at();
        let late = waited.checked_sub(*delay);
        assert!(
            late.is_some_and(|late| late < 5 * MILLISECOND),
            "{waited:?} for {delay:?}"
        );
    }
}

fn retry_after(status: u16, value: &str) -> Reply {
    retry_after_dated(status, value, "")
}

fn retry_after_dated(status: u16, value: &str, date: &str) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 {status} Busy\r\nRetry-After: {value}\r\n{date}Content-Length: 0\r\n\r\n"
    ))
}

mod delays {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn default_and_persistent_double_from_one_second_to_thirty() {
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::persistent().max_retries(10),
        ] {
            let (outcome, requests) = run(failing(), policy.jitter(0.0)).await;
            let delays = outcome.delays();
            assert_eq!(
                seconds(&delays),
                [1., 2., 4., 8., 16., 30., 30., 30., 30., 30.]
            );
            assert_waited(&requests, &delays);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_adds_up_to_once_the_delay() {
        let plain = [1., 2., 4., 8., 16., 30., 30., 30., 30., 30.];
        let mut shares = Vec::new();
        for policy in [
            RetryPolicy::default(),
            RetryPolicy::persistent().max_retries(10),
        ] {
            for seed in 0..50 {
                let (outcome, requests) = run(failing(), policy.clone().jitter_seed(seed)).await;
                let delays = outcome.delays();
                assert_waited(&requests, &delays);
                for (delay, plain) in seconds(&delays).into_iter().zip(plain) {
                    assert!((plain..2. * plain).contains(&delay), "{delay} for {plain}");
                    shares.push(delay / plain - 1.);
                }
            }
        }
        // It takes all of the range, not some corner of it.
        assert!(shares.iter().any(|share| *share < 0.05));
        assert!(shares.iter().any(|share| *share > 0.95));
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_makes_the_jitter_the_same_in_every_run() {
        let delays = async |seed: Option<u64>| {
            run(failing(), RetryPolicy::default().jitter_seed(seed))
                .await
                .0
                .delays()
        };
        assert_eq!(delays(Some(7)).await, delays(Some(7)).await);
        assert_ne!(delays(Some(7)).await, delays(Some(8)).await);
        assert_ne!(delays(None).await, delays(None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn standard_waits_three_seconds_each_time() {
        let server = MemoryServer::script(Script::new([]).then(Reply::empty().fin()));
        let source = get(&server).retry(RetryPolicy::standard());
        assert_eq!(first_delays(source, 50).await, vec![3 * SECOND; 50]);
        let requests = server.requests();
        assert_waited(&requests[..50], &[3 * SECOND; 49]);
    }

    #[tokio::test(start_paused = true)]
    async fn base_delay_factor_and_max_delay_are_as_set() {
        let policy = RetryPolicy::default()
            .jitter(0.0)
            .base_delay(200 * MILLISECOND)
            .factor(3.0)
            .max_delay(10 * SECOND)
            .max_retries(6);
        let (outcome, _) = run(failing(), policy.clone()).await;
        assert_eq!(seconds(&outcome.delays()), [0.2, 0.6, 1.8, 5.4, 10., 10.]);

        let (outcome, _) = run(failing(), policy.max_delay(None).max_retries(8)).await;
        let last = outcome.delays()[7];
        assert!((last.as_secs_f64() - 437.4).abs() < 1e-6, "{last:?}");
    }

    /// A server's reconnection time is where growth begins, and a longer one than `max_delay` is
    /// kept to.
    #[tokio::test(start_paused = true)]
    async fn growth_begins_at_the_servers_reconnection_time() {
        for (retry, delays) in [
            (5000, [5., 10., 20., 30., 30.]),
            (60_000, [60., 60., 60., 60., 60.]),
        ] {
            let first = Reply::ok(format!("retry: {retry}\n\n")).wait(1).rst();
            let script = Script::new([first]).then(Reply::status(503, ""));
            let policy = RetryPolicy::default().jitter(0.0).max_retries(5);
            let (outcome, _) = run(script, policy).await;
            assert_eq!(seconds(&outcome.delays()), delays);
        }
    }

    /// For good: neither a success nor a failure brings the base delay back.
    #[tokio::test(start_paused = true)]
    async fn the_servers_reconnection_time_holds_until_the_next() {
        let replies = [
            Reply::empty().fin(),
            Reply::ok("retry: 60\n\n").fin(),
            Reply::ok("data: a\n\n").fin(),
            Reply::empty().fin(),
            Reply::ok("retry: 90\ndata: b\n\n").fin(),
        ];
        let (outcome, requests) = run(replies, standard()).await;
        let milliseconds: Vec<_> = outcome.delays().iter().map(Duration::as_millis).collect();
        assert_eq!(milliseconds, [3000, 60, 60, 60, 90]);
        assert_waited(&requests, &outcome.delays());
    }
}

mod limits {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn default_gives_up_after_ten_retries_with_the_last_error() {
        let script = Script::from_fn(|request| Reply::status(503, request.number().to_string()));
        let (outcome, requests) = run(script, RetryPolicy::default()).await;
        assert_eq!(requests.len(), 11);
        assert_eq!(outcome.error().status().unwrap(), 503);
        assert_eq!(outcome.error().body().unwrap(), "11");
        let retries = outcome.signals.iter().map(|signal| match signal {
            Signal::Retrying { retries, .. } => *retries,
            other => panic!("{other:?}"),
        });
        assert!(retries.eq(1..=10));
    }

    #[tokio::test(start_paused = true)]
    async fn default_gives_up_on_a_wrong_port_with_the_connect_error() {
        for (policy, connects) in [
            (RetryPolicy::default(), 1),
            (RetryPolicy::interactive(), 1),
            (RetryPolicy::default().fail_fast(false), 11),
            (RetryPolicy::interactive().fail_fast(false), 3),
            (RetryPolicy::persistent().fail_fast(true), 1),
        ] {
            let server = MemoryServer::start();
            server.stop_listening();
            let outcome = outcome(get(&server).retry(policy)).await;
            assert_eq!(outcome.error().kind(), ErrorKind::NoResponse);
            assert!(outcome.error().is_connect());
            assert_eq!(server.refusals().len(), connects);
        }
    }

    /// A server that answered once is not a wrong port.
    #[tokio::test(start_paused = true)]
    async fn after_any_response_a_refused_connection_is_waited_out() {
        for first in [
            Reply::status(503, ""),
            Reply::ok("id: 1\ndata: a\n\n").wait(1).rst(),
        ] {
            let server = MemoryServer::script([first]);
            let mut signals = get(&server)
                .retry(RetryPolicy::default().jitter(0))
                .signals();
            loop {
                let signal = signals.next().await.unwrap().unwrap();
                if let Signal::Retrying { .. } = signal {
                    server.stop_listening();
                    break;
                }
            }
            let Signal::Retrying { error, retries, .. } = signals.next().await.unwrap().unwrap()
            else {
                panic!("it gives up");
            };
            assert!(error.unwrap().is_connect());
            assert_eq!(retries, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn persistent_and_standard_do_not_give_up() {
        for policy in [RetryPolicy::persistent(), RetryPolicy::standard()] {
            let server = MemoryServer::start();
            server.stop_listening();
            assert_eq!(first_delays(get(&server).retry(policy), 50).await.len(), 50);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn never_sends_one_request() {
        for reply in [
            Reply::status(503, ""),
            Reply::empty().fin(),
            Reply::ok("retry: 1\ndata: a\n\n").fin(),
            Reply::ok_chunked().chunk("data: a\n\n").fin(),
            retry_after(429, "1"),
        ] {
            let (outcome, requests) = run([reply], RetryPolicy::never()).await;
            assert_eq!(requests.len(), 1);
            assert!(outcome.delays().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn max_retries_is_as_set() {
        for retries in [0, 1, 3] {
            let (outcome, requests) =
                run(failing(), RetryPolicy::default().max_retries(retries)).await;
            assert_eq!(requests.len() as u32, 1 + retries);
            assert_eq!(outcome.error().status().unwrap(), 503);
        }
        let server = MemoryServer::script(failing());
        let unlimited = RetryPolicy::default().max_retries(None);
        assert_eq!(
            first_delays(get(&server).retry(unlimited), 50).await.len(),
            50
        );
    }

    /// No attempt begins later than that after the first failure of the row.
    #[tokio::test(start_paused = true)]
    async fn max_elapsed_ends_the_row() {
        // Attempts at 0, 1, 3, 7 and 15 s.
        for (limit, attempts) in [
            (0, 1),
            (900, 1),
            (6900, 3),
            (7100, 4),
            (14_900, 4),
            (15_100, 5),
        ] {
            let policy = RetryPolicy::default()
                .jitter(0.0)
                .max_elapsed(limit * MILLISECOND);
            let (outcome, requests) = run(failing(), policy).await;
            assert_eq!(requests.len(), attempts, "{limit}");
            assert_eq!(outcome.error().status().unwrap(), 503);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_resets_max_elapsed() {
        let script = Script::from_fn(|request| match request.number() {
            1..=20 => Reply::ok("data: a\n\n").fin(),
            _ => Reply::status(503, ""),
        });
        let policy = RetryPolicy::persistent()
            .jitter(0.0)
            .max_elapsed(5 * SECOND);
        let (outcome, requests) = run(script, policy).await;
        assert_eq!(outcome.data().len(), 20);
        // Twenty seconds of clean ends, then the row: the last end with progress began it.
        assert_eq!(requests.len(), 22);
    }
}

mod statuses {
    use super::*;

    async fn is_retried(status: u16, policy: RetryPolicy) -> bool {
        let (outcome, requests) = run([Reply::status(status, "")], policy).await;
        let retried = requests.len() == 2;
        assert_eq!(outcome.result.is_ok(), retried);
        retried
    }

    #[tokio::test(start_paused = true)]
    async fn default_and_persistent_retry_transient_statuses() {
        for policy in [RetryPolicy::default(), RetryPolicy::persistent()] {
            for status in [408, 425, 429, 500, 502, 503, 504, 599] {
                assert!(is_retried(status, policy.clone()).await, "{status}");
            }
            for status in [501, 505, 511, 404, 400, 401, 403, 409, 410, 600, 201, 300] {
                assert!(!is_retried(status, policy.clone()).await, "{status}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn standard_and_never_retry_none() {
        for policy in [RetryPolicy::standard(), RetryPolicy::never()] {
            for status in [408, 425, 429, 500, 502, 503, 504, 599, 404] {
                assert!(!is_retried(status, policy.clone()).await, "{status}");
            }
        }
    }
}

mod server_delays {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn policies() -> [(RetryPolicy, Duration); 3] {
        [
            (
                RetryPolicy::default().jitter(0.0).reconnect_on_close(true),
                300 * SECOND,
            ),
            (RetryPolicy::persistent().jitter(0.0), HOUR),
            (RetryPolicy::standard(), HOUR),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconnection_time_is_moved_into_the_bounds() {
        for (policy, longest) in policies() {
            for (retry, expected) in [
                ("0", 100 * MILLISECOND),
                ("1", 100 * MILLISECOND),
                ("100", 100 * MILLISECOND),
                ("101", 101 * MILLISECOND),
                ("299999", Duration::from_millis(299_999)),
                ("3600001", longest),
                ("18446744073709551615", longest),
                ("999999999999999999999999999999", longest),
            ] {
                let reply = Reply::ok(format!("retry: {retry}\ndata: a\n\n")).fin();
                let (outcome, requests) = run([reply], policy.clone()).await;
                assert_eq!(outcome.delays(), [expected], "{retry}");
                assert_waited(&requests, &[expected]);
                let reported = outcome.signals.iter().find_map(|signal| match signal {
                    Signal::ReconnectionTime(time) => Some(*time),
                    _ => None,
                });
                assert_eq!(reported, Some(expected), "{retry}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_at_the_bound_is_waited_for_and_beyond_is_final() {
        for (policy, longest) in policies().into_iter().take(2) {
            let at = longest.as_secs();
            for status in [429, 503, 500] {
                let reply = retry_after(status, &at.to_string());
                let (waited, requests) = run([reply], policy.clone()).await;
                assert_eq!(waited.delays(), [longest]);
                assert_waited(&requests, &[longest]);

                let reply = retry_after(status, &(at + 1).to_string());
                let (failed, requests) = run([reply], policy.clone()).await;
                assert_eq!(failed.error().status().unwrap(), status);
                assert_eq!(failed.error().retry_after(), Some(longest + SECOND));
                assert_eq!(requests.len(), 1);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_is_a_floor_under_the_delay() {
        let replies = [
            retry_after(503, "7"),
            retry_after(503, "0"),
            retry_after(503, "1"),
            retry_after(503, "9"),
        ];
        let (outcome, requests) = run(replies, RetryPolicy::default().jitter(0.0)).await;
        assert_eq!(seconds(&outcome.delays()), [7., 2., 4., 9.]);
        assert_waited(&requests, &outcome.delays());
    }

    /// It is for once: the reconnection time stays what it was.
    #[tokio::test(start_paused = true)]
    async fn a_retry_after_is_not_the_reconnection_time() {
        let policy = RetryPolicy::persistent().jitter(0.0);
        let replies = [retry_after(503, "7"), Reply::ok("data: a\n\n").fin()];
        let (outcome, _) = run(replies, policy).await;
        assert_eq!(seconds(&outcome.delays()), [7., 1.]);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_comes_on_top_of_a_retry_after() {
        for seed in 0..20 {
            let policy = RetryPolicy::default().jitter_seed(seed);
            let (outcome, _) = run([retry_after(503, "7")], policy).await;
            let delay = outcome.delays()[0];
            assert!(delay >= 7 * SECOND && delay < 14 * SECOND, "{delay:?}");
        }
    }

    /// Against the response's own `Date`: the server's clock is years away from ours.
    #[tokio::test(start_paused = true)]
    async fn a_retry_after_may_be_a_date() {
        let date = "Date: Tue, 01 Feb 2000 12:00:00 GMT\r\n";
        for (value, expected) in [
            ("Tue, 01 Feb 2000 12:00:30 GMT", 30),
            ("Tue, 01 Feb 2000 12:05:00 GMT", 300),
            // A date in the past is ignored, and the policy's delay counts.
            ("Tue, 01 Feb 2000 11:59:00 GMT", 1),
        ] {
            let reply = retry_after_dated(503, value, date);
            let (outcome, requests) = run([reply], RetryPolicy::default().jitter(0.0)).await;
            assert_eq!(outcome.delays(), [expected * SECOND], "{value}");
            assert_waited(&requests, &outcome.delays());
        }
        let reply = retry_after_dated(503, "Tue, 01 Feb 2000 12:05:01 GMT", date);
        let (outcome, requests) = run([reply], RetryPolicy::default()).await;
        assert_eq!(outcome.error().retry_after(), Some(301 * SECOND));
        assert_eq!(requests.len(), 1);
    }

    /// Without a `Date` it is our own clock that counts.
    #[tokio::test(start_paused = true)]
    async fn a_date_without_the_servers_date_is_relative_to_our_clock() {
        let (past, future) = (
            "Tue, 01 Feb 2000 12:00:00 GMT",
            "Fri, 01 Feb 2999 12:00:00 GMT",
        );
        let (waited, _) = run([retry_after(503, past)], RetryPolicy::default().jitter(0.0)).await;
        assert_eq!(waited.delays(), [SECOND]);
        let (failed, _) = run([retry_after(503, future)], RetryPolicy::default()).await;
        assert!(failed.error().retry_after().unwrap() > HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn an_invalid_retry_after_is_ignored() {
        for value in ["", "soon", "-1", "1.5", "7 s"] {
            let policy = RetryPolicy::default().jitter(0.0);
            let (outcome, _) = run([retry_after(503, value)], policy).await;
            assert_eq!(outcome.delays(), [SECOND], "{value:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_are_as_set() {
        let policy = RetryPolicy::persistent()
            .jitter(0.0)
            .factor(1.0)
            .server_delay_bounds(SECOND..=9 * SECOND);
        let replies = [
            Reply::ok("retry: 1\ndata: a\n\n").fin(),
            Reply::ok("retry: 99999\ndata: a\n\n").fin(),
            retry_after(503, "9"),
            retry_after(503, "10"),
        ];
        let (outcome, _) = run(replies, policy).await;
        assert_eq!(seconds(&outcome.delays()), [1., 9., 9.]);
        assert_eq!(outcome.error().retry_after(), Some(10 * SECOND));
    }

    /// The caller's base delay does not come from a server.
    #[tokio::test(start_paused = true)]
    async fn bounds_do_not_limit_the_base_delay() {
        for base in [MILLISECOND, 2 * HOUR] {
            let policy = RetryPolicy::standard().base_delay(base);
            let (outcome, _) = run([Reply::empty().fin()], policy).await;
            assert_eq!(outcome.delays(), [base]);
        }
    }

    /// No panic in arithmetic, and `close` still works.
    #[tokio::test(start_paused = true)]
    async fn an_endless_reconnection_time_can_be_cut_short() {
        let reply = Reply::ok("retry: 18446744073709551615\ndata: a\n\n").fin();
        let server = MemoryServer::script([reply]);
        let source = get(&server).retry(standard());
        let handle = source.handle();
        let mut signals = source.signals();
        loop {
            if let Signal::Retrying { delay, .. } = signals.next().await.unwrap().unwrap() {
                assert_eq!(delay, Duration::from_millis(u64::MAX));
                break;
            }
        }
        let waited = tokio::time::timeout(1000 * HOUR, signals.next()).await;
        assert!(waited.is_err());
        handle.close();
        assert!(signals.next().await.is_none());
        assert_eq!(signals.finished(), Some(&Finished::Aborted));
        assert_eq!(server.requests().len(), 1);
    }
}

mod progress {
    use super::*;

    /// Fails twice, then answers like this, then fails: the delay shows whether it was progress.
    async fn delays_around(reply: Reply, policy: RetryPolicy) -> Vec<f64> {
        let down = || Reply::empty().fin();
        let (outcome, _) = run([down(), down(), reply, down()], policy.jitter(0.0)).await;
        seconds(&outcome.delays())
    }

    fn policies() -> [RetryPolicy; 2] {
        [
            RetryPolicy::default().reconnect_on_close(true),
            RetryPolicy::persistent(),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn a_bare_200_is_not_progress() {
        for policy in policies() {
            for reply in [
                Reply::ok("").fin(),
                Reply::ok(": hi\n\nid\n\n").fin(),
                Reply::ok("data: half").wait(9_900).fin(),
                Reply::ok("data: half").wait(9_900).rst(),
                Reply::status(500, "data: a\n\n"),
            ] {
                assert_eq!(delays_around(reply, policy.clone()).await, [1., 2., 4., 8.]);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_id_is_progress_and_so_is_an_event_before_a_clean_end() {
        for policy in policies() {
            for reply in [
                Reply::ok("data: a\n\n").fin(),
                Reply::ok("id: 7\n\n").fin(),
                Reply::ok_chunked().chunk("id: 7\n\n").fin(),
                Reply::ok_chunked().chunk("id: 7\ndata: a\n\n").fin(),
            ] {
                assert_eq!(delays_around(reply, policy.clone()).await, [1., 2., 1., 2.]);
            }
        }
    }

    /// A server that greets and dies is asked ever more rarely.
    #[tokio::test(start_paused = true)]
    async fn an_event_without_an_id_before_a_cut_is_not_progress() {
        for policy in policies() {
            for body in ["data: a\n\n", "data: a\n\ndata: b", "id\ndata: a\n\n"] {
                let reply = Reply::ok_chunked().chunk(body).fin();
                assert_eq!(delays_around(reply, policy.clone()).await, [1., 2., 4., 8.]);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ten_seconds_of_an_open_body_are_progress() {
        for policy in policies() {
            for reply in [
                Reply::ok("").wait(10_010).fin(),
                Reply::ok(": hi\n\n").wait(10_010).rst(),
            ] {
                assert_eq!(delays_around(reply, policy.clone()).await, [1., 2., 1., 2.]);
            }
        }
    }

    /// How long a hook takes says nothing of the server.
    #[tokio::test(start_paused = true)]
    async fn ten_seconds_with_the_consumer_are_not_progress() {
        let server = MemoryServer::script(vec![Reply::ok("").rst(); 30]);
        let mut delays = Vec::new();
        let failed = get(&server)
            .retry(RetryPolicy::default().jitter(0.0))
            .on_open(async |_| tokio::time::sleep(Duration::from_secs(10)).await)
            .on_error(|failure| delays.extend(failure.next_delay()))
            .run()
            .await;
        assert!(failed.is_err(), "it gives up");
        assert_eq!(seconds(&delays)[..4], [1., 2., 4., 8.]);
        assert_eq!(server.requests().len(), 11);
    }

    /// It is not lost where a handle, and no end, closes the connection.
    #[tokio::test(start_paused = true)]
    async fn progress_counts_if_a_handle_closed_the_connection() {
        let down = || Reply::empty().fin();
        for paused in [true, false] {
            let event = Reply::ok("id: 1\ndata: a\n\n");
            let server = MemoryServer::script([down(), down(), event, down(), down()]);
            let policy = RetryPolicy::default().jitter(0.0).max_elapsed(5 * SECOND);
            let mut signals = get(&server).retry(policy).signals();
            let handle = signals.handle();
            let mut delays = Vec::new();
            while let Some(signal) = signals.next().await {
                match signal.unwrap() {
                    Signal::Retrying { delay, .. } => delays.push(delay),
                    Signal::Event(_) if paused => {
                        handle.pause();
                        handle.resume();
                    }
                    Signal::Event(_) => handle.reconnect(),
                    _ => {}
                }
            }
            assert_eq!(seconds(&delays), [1., 2., 1., 2.]);
        }
    }

    /// The wait for the head is not the body's.
    #[tokio::test(start_paused = true)]
    async fn a_slow_head_is_not_progress() {
        let slow = || Reply::empty().wait(60_000);
        for reply in [
            slow().send(OK).fin(),
            slow().fin(),
            slow().send("HTTP/1.1 500 No\r\n\r\n").fin(),
        ] {
            let policy = RetryPolicy::persistent();
            assert_eq!(delays_around(reply, policy).await, [1., 2., 4., 8.]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn healthy_after_is_as_set() {
        let policy = RetryPolicy::persistent().healthy_after(2 * SECOND);
        let quiet = |milliseconds| Reply::ok("").wait(milliseconds).fin();
        assert_eq!(
            delays_around(quiet(1900), policy.clone()).await,
            [1., 2., 4., 8.]
        );
        assert_eq!(
            delays_around(quiet(2010), policy.clone()).await,
            [1., 2., 1., 2.]
        );
        let only_events = policy.healthy_after(None);
        assert_eq!(
            delays_around(quiet(3_600_000), only_events).await,
            [1., 2., 4., 8.]
        );
    }

    /// Accept and hang up: backoff, and an end after ten, though each answer was a 200.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_accepts_and_hangs_up_does_not_defeat_the_backoff() {
        let script = Script::new([]).then(Reply::ok_chunked().fin());
        let (outcome, requests) = run(script, RetryPolicy::default().jitter(0.0)).await;
        assert_eq!(requests.len(), 11);
        assert_eq!(outcome.delays().iter().sum::<Duration>(), 181 * SECOND);
        assert_eq!(outcome.error().kind(), ErrorKind::Disconnected);
    }

    /// A day of a quiet channel behind a proxy that cuts every 30 s: each second or so it is back.
    #[tokio::test(start_paused = true)]
    async fn a_quiet_channel_that_is_cut_every_30_s_stays_up_for_a_day() {
        let keep_alive = (0..2).fold(Reply::ok(""), |reply, _| {
            reply.wait(15_000).send(": hi\n\n")
        });
        let server = MemoryServer::script(Script::new([]).then(keep_alive.fin()));
        let source = get(&server)
            .idle_timeout(20 * SECOND)
            .retry(RetryPolicy::persistent());
        let mut signals = source.signals();
        let (started, mut reconnected) = (Instant::now(), 0);
        while started.elapsed() < Duration::from_secs(24 * 3600) {
            if let Signal::Retrying {
                delay,
                retries,
                error,
                ..
            } = signals.next().await.unwrap().unwrap()
            {
                assert!(error.is_none());
                assert_eq!(retries, 1);
                assert!(delay < 2 * SECOND, "{delay:?}");
                reconnected += 1;
            }
        }
        assert!(reconnected > 2600, "{reconnected}");
        assert_eq!(server.max_open_connections(), 1);
    }
}
