use fetch_event_source::{BoxError, Error, Event, EventSource, Finished, RetryPolicy};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs in a separate task until it is stopped. The next start resumes after the saved ID.
pub struct Subscription {
    token: CancellationToken,
    task: JoinHandle<Result<Finished, Error>>,
}

impl Subscription {
    pub fn start(url: &str, file: PathBuf, mut apply: impl FnMut(&Event) + Send + 'static) -> Self {
        let token = CancellationToken::new();
        let source = EventSource::get(url)
            .last_event_id(std::fs::read_to_string(&file).unwrap_or_default())
            .retry(RetryPolicy::persistent())
            .response_timeout(Duration::from_secs(30))
            .idle_timeout(Duration::from_secs(45)) // the server sends a comment every 15 s
            .abort_on(token.clone().cancelled_owned())
            .on_message(move |event| {
                apply(&event);
                let file = file.clone();
                async move { save(&file, event.last_event_id()).await }
            });
        let task = tokio::spawn(source.run());
        Self { token, task }
    }

    /// Closes the connection, lets a running hook finish, and returns how the source ended.
    pub async fn stop(self) -> Result<Finished, Error> {
        self.token.cancel();
        self.task.await.expect("the task does not panic")
    }
}

/// Replaces the file in one step, so that a crash leaves the old ID or the new one.
async fn save(file: &Path, id: &str) -> Result<(), BoxError> {
    let new = file.with_extension("new");
    tokio::fs::write(&new, id).await?;
    Ok(tokio::fs::rename(&new, file).await?)
}
