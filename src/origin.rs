//! Where requests come from.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ecow::EcoString;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Url};

use crate::error::{BoxError, Error};
use crate::link::BoxFuture;
use crate::session::NextRequest;

/// What [`from_fn`](crate::EventSource::from_fn) is told about the request it is asked for.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub(crate) number: u64,
    pub(crate) last_event_id: Option<EcoString>,
    pub(crate) failure: Option<Arc<Error>>,
}

impl Attempt {
    /// The number of the attempt, from 1, never reset.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The last event ID, `""` if there is none. The `Last-Event-ID` header is set for you; this
    /// is for servers that want it elsewhere, in the URL or the body. It is any text of the
    /// server's: encode it (`RequestBuilder::query` does).
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.last_event_id.as_deref().unwrap_or_default()
    }

    /// What failed before; `None` at first, after a clean end, and after
    /// [`Handle::reconnect`](crate::Handle::reconnect). With a 401 it is time for another token.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_deref()
    }
}

type Factory = dyn FnMut(Attempt) -> BoxFuture<Result<RequestBuilder, BoxError>> + Send;

/// The source of requests.
pub(crate) enum Origin {
    /// A bare URL, by the default client.
    Url(String),
    /// One request, cloned for each attempt as long as it can be.
    Request(Client, Box<Template>),
    /// The caller is asked each time.
    Factory(Box<Factory>),
}

pub(crate) enum Template {
    Cloneable(Request),
    Once(Request),
    Invalid(reqwest::Error),
    Spent { idempotent: bool },
}

/// What there is for an attempt.
#[allow(clippy::large_enum_variant)] // it lives for a moment
pub(crate) enum Next {
    Request(Client, Request),
    Asked(BoxFuture<Result<RequestBuilder, BoxError>>),
    /// There was only one.
    Spent,
}

impl Origin {
    pub(crate) fn request(builder: RequestBuilder) -> Self {
        let (client, request) = builder.build_split();
        let template = match request {
            Ok(request) if request.try_clone().is_some() => Template::Cloneable(request),
            Ok(request) => Template::Once(request),
            Err(error) => Template::Invalid(error),
        };
        Self::Request(client, Box::new(template))
    }

    pub(crate) fn factory<F, Fut>(mut factory: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + Send + 'static,
        Fut: Future<Output = Result<RequestBuilder, BoxError>> + Send + 'static,
    {
        Self::Factory(Box::new(move |attempt| Box::pin(factory(attempt))))
    }

    /// With `fetch` the client of a bare URL sends nothing.
    pub(crate) fn next(&mut self, attempt: Attempt, is_fetched: bool) -> Result<Next, Error> {
        match self {
            Self::Url(url) => {
                let url: Url = url
                    .parse()
                    .map_err(|error| Error::InvalidRequest(Box::new(error)))?;
                let client = match is_fetched {
                    true => client_for_requests()?,
                    false => default_client()?,
                };
                let (client, request) = client.get(url).build_split();
                request
                    .map(|request| Next::Request(client, request))
                    .map_err(Error::invalid_request)
            }
            Self::Request(client, template) => template.next(client),
            Self::Factory(factory) => Ok(Next::Asked(factory(attempt))),
        }
    }

    /// What is known of the request that would come next.
    pub(crate) fn next_request(&self) -> NextRequest {
        let (idempotent, available) = match self {
            Self::Url(_) => (Some(true), true),
            Self::Factory(_) => (None, true),
            Self::Request(_, template) => match &**template {
                Template::Cloneable(request) => (Some(request.method().is_idempotent()), true),
                Template::Spent { idempotent } => (Some(*idempotent), false),
                Template::Once(_) | Template::Invalid(_) => (None, false),
            },
        };
        NextRequest {
            idempotent,
            available,
        }
    }

    /// The ID that the caller set as a header, by hand.
    pub(crate) fn last_event_id(&self) -> Option<String> {
        let Self::Request(_, template) = self else {
            return None;
        };
        let (Template::Cloneable(request) | Template::Once(request)) = &**template else {
            return None;
        };
        let value = request.headers().get("last-event-id")?;
        std::str::from_utf8(value.as_bytes())
            .ok()
            .map(str::to_owned)
    }

    pub(crate) fn has_default_client(&self) -> bool {
        matches!(self, Self::Url(_))
    }
}

impl Template {
    fn next(&mut self, client: &Client) -> Result<Next, Error> {
        if let Self::Cloneable(request) = self {
            let clone = request.try_clone();
            return Ok(clone.map_or(Next::Spent, |clone| Next::Request(client.clone(), clone)));
        }
        let idempotent = matches!(self, Self::Once(request) if request.method().is_idempotent());
        match std::mem::replace(self, Self::Spent { idempotent }) {
            Self::Once(request) => Ok(Next::Request(client.clone(), request)),
            Self::Invalid(error) => Err(Error::invalid_request(error)),
            Self::Cloneable(_) | Self::Spent { .. } => Ok(Next::Spent),
        }
    }
}

/// How long a connection may take to come about, name resolution and TLS included: no healthy one
/// takes as long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// After how much silence a connection is asked whether it lives. Proxies and NATs forget one that is
/// idle for a minute; servers count how often they are asked.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the answer may take: several retransmissions of TCP.
#[cfg(feature = "http2")]
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// One client for the process. It keeps no idle connections: each attempt resolves the name and
/// dials anew, for a pooled connection that is dead would be taken again and again, and one that
/// belongs to another runtime hangs. The target of a redirect is not told where it comes from:
/// reqwest would tell the whole URL, query included.
///
/// `EventSource`'s documentation, `guide/recipes/shared_client.rs` and `examples/support` say the same:
/// change them together.
fn default_client() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, || {
        keep_alive(Client::builder())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .referer(false)
            // A server may use them unasked, with a window of up to a gigabyte.
            .no_brotli()
            .no_zstd()
    })
}

/// One that makes requests of bare URLs, which `fetch` sends. It does without root certificates: the
/// machine may have none, for `fetch` brings its own, or needs none.
fn client_for_requests() -> Result<Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, || {
        let client = Client::builder().no_proxy();
        #[cfg(any(
            feature = "default-tls",
            feature = "rustls",
            feature = "rustls-no-provider",
            feature = "native-tls"
        ))]
        let client = client.tls_certs_only([]);
        client
    })
}

fn once(cell: &OnceLock<Client>, client: impl FnOnce() -> ClientBuilder) -> Result<Client, Error> {
    if let Some(client) = cell.get() {
        return Ok(client.clone());
    }
    let client = client()
        .build()
        .map_err(|error| Error::Client(error.into()))?;
    Ok(cell.get_or_init(|| client).clone())
}

/// TCP's finds peers that are gone. That of HTTP/2 finds those, too, whose kernel still answers: a
/// proxy that has lost what is behind it, a process that hangs.
fn keep_alive(client: ClientBuilder) -> ClientBuilder {
    let client = client.tcp_keepalive(KEEP_ALIVE_INTERVAL);
    #[cfg(feature = "http2")]
    let client = client
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        // Without a pool hyper takes a connection with a single stream for idle.
        .http2_keep_alive_while_idle(true);
    client
}
