//! Servers that stream answers as language models do: a POST, typed chunks, an end marker. An answer costs money,
//! so a POST must not be sent twice.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fetch_event_source::reqwest::Client;
use fetch_event_source_interop::{Ask, Marker, Seen};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::{Who, question};
use crate::lab::{Lab, Server};
use crate::ledger::Event;
use crate::row::{Expect, Outcome, Trial, end_or_insist};
use crate::suite::{Suite, Tool};
use crate::tap::Tap;

/// A server, and the shape of its answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Llm {
    MockAiOpenAi,
    MockAiAnthropic,
    OpenAiMock,
}

pub(crate) fn suites() -> Vec<Suite> {
    let all = [Llm::MockAiOpenAi, Llm::MockAiAnthropic, Llm::OpenAiMock];
    all.map(Llm::suite).into()
}

impl Llm {
    fn suite(self) -> Suite {
        let mut trials = vec![
            Trial::new(
                format!("POST, the whole answer, up to `{}`", self.marker_name()),
                move |lab, who| whole_answer(lab, who, self),
                Expect::end("EndMarker", 1),
            ),
            Trial::new(
                "POST, the connection cut in mid-answer",
                move |lab, who| cut_answer(lab, who, self),
                Expect {
                    missing: self.events() - 3,
                    ..Expect::end("Disconnected", 1)
                },
            ),
            Trial::new(
                "401",
                move |lab, who| refused(lab, who, self, 401),
                Expect::end("Status 401, with its body", 1),
            ),
        ];
        match self {
            Self::OpenAiMock => trials.push(Trial::new(
                "`text/plain`, which was not allowed",
                not_accepted,
                Expect::end("ContentType 200", 1),
            )),
            _ => trials.push(Trial::new(
                "429, two retries",
                move |lab, who| refused(lab, who, self, 429),
                Expect::end("Status 429, with its body", 3),
            )),
        }
        if self == Self::MockAiOpenAi {
            trials.push(Trial::new(
                "POST, the handler fails at `[DONE]`, which is not JSON",
                handler_fails,
                Expect::end("Hook", 1),
            ));
        }
        if self == Self::MockAiAnthropic {
            trials.push(Trial::new(
                "an `error` event, then a clean end before `message_stop`",
                error_event,
                Expect::end("Incomplete", 1),
            ));
        }
        let (name, needs) = match self {
            Self::MockAiOpenAi => ("mock-ai-api (OpenAI)", vec![Tool::Node, Tool::Python]),
            Self::MockAiAnthropic => ("mock-ai-api (Anthropic)", vec![Tool::Node, Tool::Python]),
            Self::OpenAiMock => ("openai-mock-api", vec![Tool::Node]),
        };
        Suite {
            name,
            needs,
            trials,
        }
    }

    fn marker(self) -> Marker {
        match self {
            Self::MockAiAnthropic => Marker::Type("message_stop".to_owned()),
            _ => Marker::Data("[DONE]".to_owned()),
        }
    }

    fn marker_name(self) -> &'static str {
        match self {
            Self::MockAiAnthropic => "message_stop",
            _ => "[DONE]",
        }
    }

    /// The events of the answer to [`prompt`], before the marker.
    fn events(self) -> usize {
        match self {
            Self::MockAiOpenAi => 10,
            Self::MockAiAnthropic => 13,
            Self::OpenAiMock => 62,
        }
    }

    async fn start(self, lab: &Lab) -> Result<Server> {
        let app = match self {
            Self::MockAiOpenAi => "app.openai_app:app",
            Self::MockAiAnthropic => "app.anthropic_app:app",
            Self::OpenAiMock => return openai_mock(lab).await,
        };
        // As its command starts it, with another port.
        let server = Server::start(lab, |port| {
            let mut python = lab.python();
            python.args(["-m", "uvicorn", app, "--host", "127.0.0.1", "--port"]);
            python.arg(port.to_string());
            Ok(python)
        });
        server.await
    }

    fn ask(self, tap: &Tap, scenario: &str, prompt: &str) -> Ask {
        let model = match self {
            Self::MockAiOpenAi => format!("gpt-4.1:{scenario}"),
            Self::MockAiAnthropic => format!("claude-sonnet-4-20250514:{scenario}"),
            Self::OpenAiMock => "gpt-4".to_owned(),
        };
        let path = match self {
            Self::MockAiAnthropic => "/v1/messages",
            _ => "/v1/chat/completions",
        };
        let body = json!({
            "model": model,
            "max_tokens": 1000,
            "stream": true,
            "messages": [{ "role": "user", "content": prompt }],
        });
        let mut ask = question(tap.url(path), body.to_string(), self.marker());
        if self == Self::OpenAiMock {
            ask.headers
                .insert("authorization".to_owned(), format!("Bearer {KEY}"));
            ask.allow_content_type = Some("text/plain".to_owned());
        }
        ask
    }

    /// The expected text of the answer.
    fn answer(self) -> String {
        match self {
            Self::MockAiOpenAi => format!("Mock stream for: {}", prompt()),
            Self::MockAiAnthropic => format!("Mock Anthropic stream for: {}", prompt()),
            Self::OpenAiMock => prompt(),
        }
    }

    /// The text in a chunk.
    fn text(self, data: &str) -> Result<String> {
        let chunk: Value = serde_json::from_str(data).with_context(|| data.to_owned())?;
        let text = match self {
            Self::MockAiAnthropic => &chunk["delta"]["text"],
            _ => &chunk["choices"][0]["delta"]["content"],
        };
        Ok(text.as_str().unwrap_or_default().to_owned())
    }
}

const KEY: &str = "the-key";

/// Sixty words, all different.
fn prompt() -> String {
    let words: Vec<_> = (1..=60).map(|n| format!("word{n}")).collect();
    words.join(" ")
}

/// Starts it with a separate configuration, and bound to loopback, for which it has no option.
async fn openai_mock(lab: &Lab) -> Result<Server> {
    let config = lab.scratch("openai-mock-api.yaml");
    let responses = json!({
        "apiKey": KEY,
        "responses": [{
            "id": "echo",
            "messages": [
                { "role": "user", "matcher": "any" },
                { "role": "assistant", "content": prompt() },
            ],
        }],
    });
    std::fs::write(&config, responses.to_string())?; // JSON is YAML
    let server = Server::start(lab, |port| {
        let mut node = Command::new("node");
        node.arg("--require")
            .arg(lab.home.join("servers/loopback.js"));
        node.arg(lab.home.join("node_modules/openai-mock-api/dist/cli.js"));
        node.arg("--config").arg(&config);
        node.args(["--port", &port.to_string()]);
        Ok(node)
    });
    server.await
}

/// The events of an answer without the marker, read without this crate; and the same without the parts that differ
/// between answers.
async fn due(llm: Llm, ask: &Ask) -> Result<Vec<Event>> {
    let mut request = Client::new().post(&ask.url);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let response = request.body(ask.body.clone().unwrap_or_default());
    let body = response.send().await?.error_for_status()?.text().await?;
    let mut due = Vec::new();
    for block in body.split("\n\n").filter(|block| !block.is_empty()) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let event_type = field("event: ").unwrap_or("message");
        let data = field("data: ").context("a block without data")?;
        if !llm.marker().is(event_type, data) {
            due.push(Event::new(event_type, lasting(data)));
        }
    }
    ensure!(
        due.len() == llm.events(),
        "{} events, not {}",
        due.len(),
        llm.events()
    );
    Ok(due)
}

/// A chunk without its ID and time.
fn lasting(data: &str) -> String {
    let Ok(mut chunk) = serde_json::from_str::<Value>(data) else {
        return data.to_owned();
    };
    for holder in ["", "/message"] {
        if let Some(Value::Object(fields)) = chunk.pointer_mut(holder) {
            fields.remove("id");
            fields.remove("created");
        }
    }
    chunk.to_string()
}

fn with_lasting_data(seen: Vec<Seen>) -> Vec<Seen> {
    let lasting = |seen| match seen {
        Seen::Event {
            id,
            event_type,
            data,
        } => Seen::Event {
            id,
            event_type,
            data: lasting(&data),
        },
        other => other,
    };
    seen.into_iter().map(lasting).collect()
}

async fn whole_answer(lab: Arc<Lab>, who: Who, llm: Llm) -> Result<Outcome> {
    let server = llm.start(&lab).await?;
    let direct = Tap::before(server.port).await?;
    let due = due(llm, &llm.ask(&direct, "mock-delay", &prompt())).await?;
    let tap = Tap::before(server.port).await?;
    let client = lab
        .clients
        .start(who, &llm.ask(&tap, "mock-delay", &prompt()))?;
    let (outcome, seen) = Outcome::with(client, &tap, &due, with_lasting_data).await?;
    let mut answer = String::new();
    for seen in &seen {
        if let Seen::Event { data, .. } = seen {
            answer.push_str(&llm.text(data)?);
        }
    }
    ensure!(answer == llm.answer(), "the answer is {answer:?}");
    Ok(outcome)
}

async fn cut_answer(lab: Arc<Lab>, who: Who, llm: Llm) -> Result<Outcome> {
    let server = llm.start(&lab).await?;
    let direct = Tap::before(server.port).await?;
    let due = due(llm, &llm.ask(&direct, "mock-delay", &prompt())).await?;
    let tap = Tap::before(server.port).await?;
    tap.cut_behind("data:", 4, 1);
    let client = lab
        .clients
        .start(who, &llm.ask(&tap, "mock-delay", &prompt()))?;
    let (outcome, _) = Outcome::with(client, &tap, &due, with_lasting_data).await?;
    Ok(outcome)
}

async fn refused(lab: Arc<Lab>, who: Who, llm: Llm, status: u16) -> Result<Outcome> {
    let server = llm.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let mut ask = llm.ask(&tap, &format!("mock-{status}"), &prompt());
    if llm == Llm::OpenAiMock {
        ask.headers
            .insert("authorization".to_owned(), "Bearer another".to_owned());
    }
    ask.max_retries = Some(2);
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    let (outcome, end) = end_or_insist(client, &tap).await?;
    let Seen::Error { error } = end else {
        return Ok(outcome);
    };
    let body: Option<Value> = error.body.and_then(|body| serde_json::from_str(&body).ok());
    let message = body
        .as_ref()
        .and_then(|body| body["error"]["message"].as_str());
    Ok(outcome.and(match message {
        Some(_) => "with its body",
        None => "no body",
    }))
}

async fn not_accepted(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let server = Llm::OpenAiMock.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let mut ask = Llm::OpenAiMock.ask(&tap, "", &prompt());
    ask.allow_content_type = None;
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    Ok(end_or_insist(client, &tap).await?.0)
}

async fn handler_fails(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let llm = Llm::MockAiOpenAi;
    let server = llm.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let mut ask = llm.ask(&tap, "mock-text", &prompt());
    ask.fails_at = ask.until.take();
    ask.base_delay_ms = Some(100);
    let client = lab.clients.start(who, &ask)?;
    Ok(end_or_insist(client, &tap).await?.0)
}

async fn error_event(lab: Arc<Lab>, who: Who) -> Result<Outcome> {
    let llm = Llm::MockAiAnthropic;
    let server = llm.start(&lab).await?;
    let tap = Tap::before(server.port).await?;
    let error = json!({
        "type": "error",
        "error": { "type": "api_error", "message": "Mock streaming failure" },
    });
    let due = [Event::new("error", error.to_string())];
    let client = lab
        .clients
        .start(who, &llm.ask(&tap, "mock-stream-error", &prompt()))?;
    let (outcome, _) = Outcome::with(client, &tap, &due, with_lasting_data).await?;
    Ok(outcome)
}
