//! A language model's answer, typed out as it comes; with a token that is refreshed when refused.
//! `cargo run --features json --example chat` asks its own server, which is full of trouble;
//! `… --example chat -- URL MODEL QUESTION` asks one like OpenAI's.

mod server;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fetch_event_source::reqwest::{Client, StatusCode, Url};
use fetch_event_source::{Action, BoxError, Error, EventSource, EventStream, Failure};
use serde::Deserialize;
use serde_json::json;

use crate::support::{exit_code, printable, what_happened};
use crate::tokens::Tokens;

/// One event: what the model has said since the last.
#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// Why it refused, if it says so.
#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

/// Asks a language model, and types its answer out as it comes. Without arguments: a built-in
/// server that refuses and breaks off
#[derive(Parser)]
#[command(
    override_usage = "[API_KEY=KEY] chat [URL MODEL QUESTION]",
    after_help = "The environment variable API_KEY holds the key, which is sent as a bearer token."
)]
struct Arguments {
    /// An endpoint like OpenAI's: https://HOST/v1/chat/completions
    #[arg(value_parser = support::url, requires = "model")]
    url: Option<Url>,
    /// The name of the model
    #[arg(requires = "question")]
    model: Option<String>,
    /// What to ask
    question: Option<String>,
}

struct Chat {
    client: Client,
    url: Url,
    model: String,
    tokens: Tokens,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.url, arguments.model, arguments.question) {
        (Some(url), Some(model), Some(question)) => {
            let key = std::env::var("API_KEY").unwrap_or_default();
            Chat::new(url, &model, Tokens::fixed(key))
                .ask(&question)
                .await
        }
        _ => demo().await,
    };
    exit_code("chat", result)
}

/// A token that has expired, and an answer; a 429, and an answer; an answer that is cut.
async fn demo() -> Result<(), BoxError> {
    let url = server::start().await?.parse()?;
    let chat = Chat::new(url, "demo", Tokens::refreshed());
    chat.ask("How do I read a stream?").await?;
    chat.ask("What if I ask too much?").await?;
    match chat.ask("What if the line goes dead?").await {
        Err(error) => match error.downcast_ref::<Error>() {
            Some(error) if error.is_incomplete() => type_out(&format!(
                "  [{}: this is not the whole answer, and it is not asked for again]\n",
                what_happened(error)
            )),
            _ => Err(error),
        },
        Ok(()) => Err("the server should have cut this answer".into()),
    }
}

impl Chat {
    fn new(url: Url, model: &str, tokens: Tokens) -> Self {
        Self {
            client: Client::new(),
            url,
            model: model.to_owned(),
            tokens,
        }
    }

    /// Asks, and types the answer out. `Ok`: it was whole.
    async fn ask(&self, question: &str) -> Result<(), BoxError> {
        type_out(&format!("> {question}\n"))?;
        let can_refresh = self.tokens.can_refresh();
        let chunks = self
            .source(question)
            .until(|event| event.data() == "[DONE]") // an end before it is an error
            .on_error(move |failure| when_refused(&failure, can_refresh))
            .stream();
        let answered = read(chunks).await;
        type_out("\n")?;
        answered
    }

    /// Asked for the request before each attempt, as the token may be another then.
    fn source(&self, question: &str) -> EventSource<'static> {
        let body = json!({
            "model": self.model,
            "stream": true,
            "messages": [{"role": "user", "content": question}],
        });
        let request = (self.client.clone(), self.url.clone(), self.tokens.clone());
        EventSource::from_fn(move |attempt| {
            let (client, url, tokens) = request.clone();
            let request = client.post(url).json(&body);
            async move { Ok(request.bearer_auth(tokens.fresh(&attempt).await?)) }
        })
    }
}

async fn read(mut chunks: EventStream) -> Result<(), BoxError> {
    while let Some(event) = chunks.next().await {
        let chunk: Chunk = event?.json()?;
        for choice in chunk.choices {
            type_out(&choice.delta.content.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A POST that was refused for its token was not acted on: with a fresh one it may be sent again,
/// once. What the policy says to all else is right: after a 429 it waits for as long as the server
/// says, and an answer that is cut is not asked for, and paid, twice.
fn when_refused(failure: &Failure, can_refresh: bool) -> Result<Action, BoxError> {
    let error = failure.error();
    let is_stale = can_refresh && failure.retries() == 0;
    let again = match failure.next_delay() {
        Some(delay) => format!("; again in {:.1} s", delay.as_secs_f64()),
        None => String::new(),
    };
    match (error.status(), error.body()) {
        (Some(status), Some(body)) => {
            type_out(&format!("  [{status}: {}{again}]\n", reason(body)))?;
        }
        // The end of the program reports what is final.
        _ if failure.next_delay().is_none() => {}
        _ => type_out(&format!("  [{}{again}]\n", what_happened(error)))?,
    }
    Ok(match error.status() {
        Some(StatusCode::UNAUTHORIZED) if is_stale => failure.retry_after(Duration::ZERO),
        _ => failure.follow_policy(),
    })
}

/// What the body of a refusal says: its message, if it is shaped like that, or all of it.
fn reason(body: &[u8]) -> String {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.error.message,
        Err(_) => String::from_utf8_lossy(body).trim_end().to_owned(),
    }
}

/// Text of the server's, at once.
fn type_out(text: &str) -> Result<(), BoxError> {
    let mut out = stdout().lock();
    out.write_all(printable(text).as_bytes())?;
    out.flush()?;
    Ok(())
}
