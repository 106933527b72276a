//! The values of options: what they may be.

use std::fs;
use std::io::{self, Read};
use std::str::FromStr;
use std::time::Duration;

use fetch_event_source::reqwest::header::{HeaderName, HeaderValue};
use fetch_event_source::reqwest::{Proxy, Url};
use fetch_event_source::{BoxError, RetryPolicy};

#[derive(Clone)]
pub(crate) enum Header {
    Line(HeaderName, HeaderValue),
    File(String),
}

/// A part of the body.
#[derive(Clone)]
pub(crate) enum Body {
    Text(String),
    File(String),
    StandardInput,
}

#[derive(Clone)]
pub(crate) enum ProxyChoice {
    None,
    Url(Box<Proxy>),
}

#[derive(Clone, Copy)]
pub(crate) enum Retry {
    Times(u32),
    Persistent,
    Standard,
}

impl Header {
    /// Gives the header, or those of the file.
    pub(crate) fn read(&self) -> Result<Vec<(HeaderName, HeaderValue)>, BoxError> {
        let file = match self {
            Self::Line(name, value) => return Ok(vec![(name.clone(), value.clone())]),
            Self::File(file) => file,
        };
        let text = String::from_utf8(read(file)?).map_err(|_| format!("{file}: not UTF-8"))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let headers = lines.enumerate().map(|(n, line)| {
            // Its text may be a secret.
            header_line(line).map_err(|error| format!("{file}: header {}: {error}", n + 1).into())
        });
        headers.collect()
    }
}

impl Body {
    pub(crate) fn read(&self) -> Result<Vec<u8>, BoxError> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::File(file) => read(file),
            Self::StandardInput => {
                let mut body = Vec::new();
                io::stdin().read_to_end(&mut body)?;
                Ok(body)
            }
        }
    }
}

impl Retry {
    pub(crate) fn policy(self) -> RetryPolicy {
        match self {
            Self::Times(0) => RetryPolicy::never(),
            Self::Times(n) => RetryPolicy::default().max_retries(n).fail_fast(false),
            Self::Persistent => RetryPolicy::persistent(),
            Self::Standard => RetryPolicy::standard(),
        }
    }
}

fn read(file: &str) -> Result<Vec<u8>, BoxError> {
    fs::read(file).map_err(|error| format!("{file}: {error}").into())
}

pub(crate) fn url(text: &str) -> Result<Url, BoxError> {
    let origin = text.split(['/', '?', '#']).next().unwrap_or_default();
    let url = match origin.ends_with(':') && text[origin.len()..].starts_with("//") {
        true => Url::parse(text)?,
        false => Url::parse(&format!("http://{text}"))?,
    };
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other} is not supported, only http and https").into()),
    }
}

pub(crate) fn header(text: &str) -> Result<Header, &'static str> {
    match text.strip_prefix('@') {
        Some(file) => Ok(Header::File(file.to_owned())),
        None => header_line(text).map(|(name, value)| Header::Line(name, value)),
    }
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = match (line.split_once(':'), line.strip_suffix(';')) {
        (Some((_, "")), _) => return Err("it has no value; 'NAME;' sends an empty one"),
        (Some(parts), _) => parts,
        (None, Some(name)) => (name, ""),
        (None, None) => return Err("no colon between name and value"),
    };
    let name = HeaderName::from_str(name.trim()).map_err(|_| "not the name of a header")?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes());
    Ok((name, value.map_err(|_| "a control character in the value")?))
}

pub(crate) fn body(text: &str) -> Result<Body, BoxError> {
    Ok(match text.strip_prefix('@') {
        Some("-") => Body::StandardInput,
        Some(file) => Body::File(file.to_owned()),
        None => Body::Text(text.to_owned()),
    })
}

pub(crate) fn raw_body(text: &str) -> Result<Body, BoxError> {
    Ok(Body::Text(text.to_owned()))
}

pub(crate) fn last_event_id(text: &str) -> Result<String, &'static str> {
    match HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes())) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a control character, which no header can carry"),
    }
}

pub(crate) fn proxy(text: &str) -> Result<ProxyChoice, &'static str> {
    if text.is_empty() {
        return Ok(ProxyChoice::None);
    }
    let schemes = [
        "http://",
        "https://",
        "socks4://",
        "socks4a://",
        "socks5://",
        "socks5h://",
    ];
    if text.contains("://") && !schemes.iter().any(|scheme| text.starts_with(scheme)) {
        return Err("not a proxy of a known kind");
    }
    Proxy::all(text)
        .map(|proxy| ProxyChoice::Url(Box::new(proxy)))
        .map_err(|_| "not the URL of a proxy")
}

pub(crate) fn retry(text: &str) -> Result<Retry, &'static str> {
    match text {
        "never" => Ok(Retry::Times(0)),
        "persistent" => Ok(Retry::Persistent),
        "standard" => Ok(Retry::Standard),
        _ => match text.parse() {
            Ok(n) => Ok(Retry::Times(n)),
            Err(_) => Err("neither a number nor persistent, standard or never"),
        },
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("not a number of seconds above zero"),
    }
}
