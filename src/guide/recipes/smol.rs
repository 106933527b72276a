use async_compat::CompatExt;
use fetch_event_source::{Error, EventSource, Finished};

/// Collects the data of all events, on any executor: smol, async-std, pollster.
///
/// reqwest and the clocks need tokio's reactor. `compat()` starts one beside the executor, and enters it with
/// every poll. A stream is polled the same way: `events.next().compat().await`.
pub async fn collect(source: EventSource<'_>) -> Result<(Vec<String>, Finished), Error> {
    let mut data = Vec::new();
    let finished = source
        .on_message(|event| data.push(event.data().to_owned()))
        .run()
        .compat()
        .await?;
    Ok((data, finished))
}
