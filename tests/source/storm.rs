//! Handles steer from several threads at once, as fast as they can: no wake-up is lost, there is
//! never more than one connection, and what they ordered last is what holds. And the longest times
//! there are do no harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use fetch_event_source::{
    BoxError, EventSource, Finished, Handle, RetryPolicy, Signal, Signals, reqwest,
};
use futures_util::{Stream, StreamExt, stream};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections of a source, counted from when a request has left to when its body is gone.
#[derive(Clone, Default)]
struct Connections {
    asked: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

struct Alive(Connections);

impl Connections {
    fn begin(&self) -> (usize, Alive) {
        let alive = self.alive.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(alive, SeqCst);
        (self.asked.fetch_add(1, SeqCst), Alive(self.clone()))
    }

    async fn wait_for_another(&self, before: usize) {
        tokio::time::timeout(PATIENCE, async {
            while self.asked.load(SeqCst) == before {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("no wake-up is lost");
    }

    async fn wait_for_none(&self) {
        tokio::time::timeout(PATIENCE, async {
            while self.alive.load(SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the body is dropped");
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

fn response(
    body: impl Stream<Item = Result<&'static str, BoxError>> + Send + 'static,
) -> reqwest::Response {
    http::Response::builder()
        .header("content-type", "text/event-stream")
        .body(reqwest::Body::wrap_stream(
            body.map(|chunk| chunk.map(Bytes::from)),
        ))
        .expect("a response")
        .into()
}

/// Some events, now at once, now after a while; then the end, or silence.
fn body(number: usize, alive: Alive) -> impl Stream<Item = Result<&'static str, BoxError>> + Send {
    let mut left = number % 50;
    stream::poll_fn(move |cx| {
        let _alive = &alive;
        match left {
            0 if number % 2 == 0 => return Poll::Ready(None),
            0 => return Poll::Pending,
            _ => left -= 1,
        }
        if left % 5 == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok("id: 1\ndata: x\n\n")))
    })
}

fn signals(connections: &Connections) -> Signals {
    let connections = connections.clone();
    let at_once = RetryPolicy::persistent()
        .base_delay(Duration::ZERO)
        .max_delay(Duration::ZERO);
    EventSource::get("http://127.0.0.1:9/")
        .retry(at_once)
        .fetch(move |_| {
            let connections = connections.clone();
            async move {
                let (number, alive) = connections.begin();
                if number % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                if number % 7 == 0 {
                    return Err("no luck".into());
                }
                Ok(response(body(number, alive)))
            }
        })
        .signals()
}

/// Reads to the end, and checks the order of the signals.
async fn read(mut signals: Signals) -> Option<Finished> {
    let mut open = false;
    while let Some(signal) = signals.next().await {
        match signal.expect("no error is final") {
            Signal::Open(_) => assert!(!std::mem::replace(&mut open, true)),
            Signal::Disconnected => assert!(std::mem::replace(&mut open, false)),
            Signal::Event(_) => assert!(open),
            _ => {}
        }
    }
    signals.finished().copied()
}

fn storm(handle: &Handle, seed: u64) -> JoinHandle<()> {
    let handle = handle.clone();
    std::thread::spawn(move || {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..400 {
            match random.u8(..6) {
                0 => handle.pause(),
                1 | 2 => handle.resume(),
                3 => handle.reconnect(),
                _ => std::thread::yield_now(),
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_orders_leaves_one_connection_at_a_time_and_loses_no_wake_up() {
    for round in 0..20 {
        let connections = Connections::default();
        let signals = signals(&connections);
        let handle = signals.handle();
        let reader = tokio::spawn(read(signals));
        let storms: Vec<_> = (0..3)
            .map(|thread| storm(&handle, round * 10 + thread))
            .collect();
        tokio::task::spawn_blocking(|| {
            storms
                .into_iter()
                .for_each(|storm| storm.join().expect("no panic"))
        })
        .await
        .expect("the storm passes");

        let asked = connections.asked.load(SeqCst);
        handle.reconnect();
        connections.wait_for_another(asked).await;
        handle.pause();
        connections.wait_for_none().await;
        let asked = connections.asked.load(SeqCst);
        handle.resume();
        connections.wait_for_another(asked).await;
        handle.close();
        let finished = tokio::time::timeout(PATIENCE, reader)
            .await
            .expect("it ends");
        assert_eq!(finished.expect("no panic"), Some(Finished::Aborted));
        connections.wait_for_none().await;
        assert_eq!(connections.most.load(SeqCst), 1, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_and_the_shortest_times_do_not_panic() {
    let year = Duration::from_secs(60 * 60 * 24 * 365);
    let longest = Duration::from_secs(i64::MAX as u64);
    for time in [
        Duration::ZERO,
        Duration::from_nanos(1),
        year * 200,
        longest,
        Duration::MAX,
    ] {
        for exact in [false, true] {
            let mut signals = EventSource::get("http://127.0.0.1:9/")
                .retry(RetryPolicy::standard().base_delay(time))
                .response_timeout(time)
                .idle_timeout(time)
                .event_timeout(time)
                .on_error(move |failure| match exact {
                    true => failure.retry_after(time),
                    false => failure.retry(),
                })
                .fetch(async |_| {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let chunk = "retry: 99999999999999999999999\n\ndata: 1\n\n";
                    Ok(response(stream::iter([Ok(chunk)])))
                })
                .signals();
            let twenty = async {
                for _ in 0..20 {
                    signals
                        .next()
                        .await
                        .expect("it goes on")
                        .expect("no error is final");
                }
            };
            // Whether they come depends on the time; that nothing panics does not.
            let _ = tokio::time::timeout(Duration::from_secs(100), twenty).await;
        }
    }
}
