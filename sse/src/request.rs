//! From the command line to a source.

use fetch_event_source::reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use fetch_event_source::reqwest::{Client, Method, Proxy, Url, redirect};
use fetch_event_source::{BoxError, EventSource, RetryPolicy, default_client_builder};

use crate::arguments::{Arguments, Connection, Request};
use crate::values::{Body, ProxyChoice, Retry};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Arguments {
    /// The source that the command line describes.
    pub(crate) fn source(&self, url: Url) -> Result<EventSource<'static>, BoxError> {
        let (request, connection) = (&self.request, &self.connection);
        let mut headers = request.headers()?;
        let body = request.body()?;
        if let Some((_, content_type)) = &body {
            let content_type = content_type.clone();
            headers.entry(CONTENT_TYPE).or_insert(content_type);
        }
        let client = connection.client(request)?;
        let mut builder = client.request(request.method(), url);
        if let Some(user) = &request.user {
            let (user, password) = credentials(user)?;
            builder = builder.basic_auth(user, Some(password));
        }
        // After `basic_auth`, so that a header given by hand replaces it.
        let mut builder = builder.headers(headers);
        if let Some((body, _)) = body {
            builder = builder.body(body);
        }
        let mut source = EventSource::new(builder)
            .retry(self.policy())
            .response_timeout(connection.response_timeout)
            .idle_timeout(connection.idle_timeout)
            .event_timeout(connection.event_timeout)
            .max_event_size(connection.max_event_size);
        if let Some(id) = &request.last_event_id {
            source = source.last_event_id(id);
        }
        for content_type in &connection.allow_content_type {
            source = source.allow_content_type(content_type);
        }
        if let Some(until) = self.output.until.clone() {
            source = source.until(move |event| event.data() == until);
        }
        if self.retries.retry.is_none() {
            source = source.on_error(|failure| match failure.ever_opened() {
                true => failure.follow_policy(),
                false => failure.fail(),
            });
        }
        Ok(source)
    }

    /// Whether a stream that breaks off is given up only because the request must not be repeated.
    pub(crate) fn lacks_replay(&self) -> bool {
        let retries = &self.retries;
        !retries.replay
            && !matches!(retries.retry, Some(Retry::Times(0)))
            && !self.request.method().is_idempotent()
    }

    fn policy(&self) -> RetryPolicy {
        let retries = &self.retries;
        let mut policy = retries
            .retry
            .map_or_else(RetryPolicy::default, |retry| retry.policy());
        if retries.reconnect {
            policy = policy.reconnect_on_close(true);
        }
        policy.replay_non_idempotent(retries.replay)
    }
}

impl Request {
    fn method(&self) -> Method {
        let has_body = !(self.data.is_empty() && self.data_raw.is_empty() && self.json.is_empty());
        match &self.method {
            Some(method) => method.clone(),
            None if has_body => Method::POST,
            None => Method::GET,
        }
    }

    fn headers(&self) -> Result<HeaderMap, BoxError> {
        let mut headers = HeaderMap::new();
        for header in &self.headers {
            for (name, value) in header.read()? {
                headers.append(name, value);
            }
        }
        if self.compressed {
            // Decoders add it only where the library has not asked for `identity`.
            headers
                .entry(ACCEPT_ENCODING)
                .or_insert(HeaderValue::from_static("gzip, deflate"));
        }
        if self.user.is_some() && headers.contains_key(AUTHORIZATION) {
            return Err("--user and a header Authorization exclude each other".into());
        }
        Ok(headers)
    }

    /// The body and its content type.
    fn body(&self) -> Result<Option<(Vec<u8>, HeaderValue)>, BoxError> {
        if !self.json.is_empty() {
            return Ok(Some((join(&self.json, "")?, JSON)));
        }
        // clap does not keep the order between the two.
        let parts = [self.data.as_slice(), self.data_raw.as_slice()].concat();
        if parts.is_empty() {
            return Ok(None);
        }
        let body = join(&parts, "&")?;
        let content_type = if is_json(&body) { JSON } else { FORM };
        Ok(Some((body, content_type)))
    }
}

impl Connection {
    fn client(&self, request: &Request) -> Result<Client, BoxError> {
        let agent = concat!("sse/", env!("CARGO_PKG_VERSION"));
        let mut client = default_client_builder()
            .user_agent(request.user_agent.as_deref().unwrap_or(agent))
            .gzip(request.compressed)
            .deflate(request.compressed)
            .tls_danger_accept_invalid_certs(self.insecure)
            .redirect(match self.max_redirs {
                0 => redirect::Policy::none(),
                most => redirect::Policy::limited(most),
            });
        client = match &self.proxy {
            None => client, // as the environment says
            Some(ProxyChoice::None) => client.no_proxy(),
            Some(ProxyChoice::Url(proxy)) => client.proxy(Proxy::clone(proxy)),
        };
        if let Some(timeout) = self.connect_timeout {
            client = client.connect_timeout(timeout);
        }
        Ok(client.build()?)
    }
}

fn join(parts: &[Body], separator: &str) -> Result<Vec<u8>, BoxError> {
    let parts: Result<Vec<_>, _> = parts.iter().map(Body::read).collect();
    Ok(parts?.join(separator.as_bytes()))
}

/// A number or a word could be a form as well.
fn is_json(body: &[u8]) -> bool {
    let first = body.trim_ascii_start().first();
    matches!(first, Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn credentials(user: &str) -> Result<(String, String), BoxError> {
    if let Some((user, password)) = user.split_once(':') {
        return Ok((user.to_owned(), password.to_owned()));
    }
    let password = rpassword::prompt_password(format!("Password of {user}: "))
        .map_err(|error| format!("--user has no password, and there is no terminal: {error}"))?;
    Ok((user.to_owned(), password))
}
