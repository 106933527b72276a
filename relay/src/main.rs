//! `relay`: many machines follow event streams into one log, and any machine serves it.

mod cli;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::kv::Store;
use async_nats::{ConnectOptions, Event};
use axum::Router;
use axum::http::HeaderValue;
use clap::Parser;
use relay::agreement::Agreement;
use relay::connects::Connects;
use relay::fleet::Fleet;
use relay::metrics::Metrics;
use relay::names::Names;
use relay::nats::{Refused, TIMEOUT, bucket, has_batches, is_final, log_failure};
use relay::serve::router;
use relay::source::Holder;
use relay::sources::{Source, watch_sources};
use relay::tail::Server;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tracing::{error, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::cli::{Cli, Command, Follow, Serve, Sources};

const LOGGED: &str = "relay=info,fetch_event_source=warn,async_nats=warn";
/// Refusals at the start, a second apart, after which a worker gives up. A NATS that starts may refuse some.
const REFUSALS: u32 = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry().with(log).with(LOGGED.parse::<Targets>()?).init();
    match &cli.command {
        Command::Follow(options) => follow(&cli, options).await,
        Command::Serve(options) => serve(&cli, options).await,
        Command::Sources(Sources::List) => status::list_sources(&sources(&cli).await?).await,
        Command::Sources(Sources::Put { name, source, header }) => {
            let headers = header.iter().cloned().collect();
            put(&sources(&cli).await?, name, &Source { url: source.url.clone(), headers }).await
        }
        Command::Sources(Sources::Remove { name }) => Ok(sources(&cli).await?.delete(name).await?),
        Command::Status => {
            let jetstream = connect(&cli).await?;
            let config = bucket(&jetstream, &cli.name, "config", None).await?;
            let names = Names { name: cli.name.clone(), agreed: Agreement::read(&config).await? };
            let leases = bucket(&jetstream, &cli.name, "leases", None).await?;
            status::partitions(&jetstream, &names, &leases).await
        }
    }
}

async fn connect(cli: &Cli) -> Result<Context> {
    let options = ConnectOptions::new().event_callback(async |event| match event {
        Event::Disconnected => warn!("NATS is away: waiting for it"),
        Event::ClientError(error) if error.to_string().contains("authorization") => {
            error!(%error, "NATS rejects this relay: mend its credentials");
        }
        _ => {}
    });
    let client = options.connect(&cli.nats[..]).await.context("NATS cannot be reached")?;
    Ok(ContextBuilder::new().timeout(TIMEOUT).ack_timeout(TIMEOUT).build(client))
}

/// For what runs on: NATS may be away at the start, and go away while this sets up. What has run before does not
/// give up.
async fn patiently<T>(
    stop: &CancellationToken,
    has_run: bool,
    set_up: impl AsyncFn() -> Result<T>,
) -> Result<T> {
    let trying = async {
        let mut refusals = 0;
        loop {
            let error = match set_up().await {
                Err(error) => error,
                result => return result,
            };
            refusals = if is_final(&error) { refusals + 1 } else { 0 };
            if !has_run && (error.is::<Refused>() || refusals == REFUSALS) {
                return Err(error);
            }
            log_failure("this relay cannot be set up yet", &error);
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        result = trying => result,
        () = stop.cancelled() => bail!("stopped before NATS was there"),
    }
}

async fn sources(cli: &Cli) -> Result<Store> {
    bucket(&connect(cli).await?, &cli.name, "sources", None).await
}

async fn put(sources: &Store, name: &str, source: &Source) -> Result<()> {
    sources.put(name, serde_json::to_vec(source)?.into()).await?;
    Ok(())
}

async fn follow(cli: &Cli, options: &Follow) -> Result<()> {
    let stop = stop_by_signal()?;
    let worker = options.worker.clone();
    let worker = worker.unwrap_or_else(|| format!("worker-{:08x}", fastrand::u32(..)));
    let metrics = Metrics::default();
    if let Some(address) = options.listen {
        let app = metrics.router();
        tokio::spawn(listen(address, app, stop.clone()).await?);
    }
    let connects = Arc::new(Connects::new(options.connects_per_second, options.per_host));
    let mut proposed = Agreement::from(&options.wanted);
    let mut has_run = false;
    loop {
        let (leases, holder) = patiently(&stop, has_run, async || {
            let jetstream = connect(cli).await?;
            let replicas = Some(proposed.replicas);
            let config = bucket(&jetstream, &cli.name, "config", replicas).await?;
            let agreed = Agreement::make(&config, &proposed, &options.wanted).await?;
            let names = Names { name: cli.name.clone(), agreed };
            let replicas = Some(names.agreed.replicas);
            let sources = bucket(&jetstream, &cli.name, "sources", replicas).await?;
            for (name, source) in &options.sources {
                put(&sources, name, source).await?;
            }
            let leases = bucket(&jetstream, &cli.name, "leases", replicas).await?;
            let holder = Holder {
                sources: watch_sources(sources),
                jetstream,
                config,
                names,
                worker: worker.clone(),
                batch: options.batch,
                idle_timeout: Duration::from_secs(options.idle_timeout),
                max_event_size: options.max_event_size,
                connects: connects.clone(),
                metrics: metrics.clone(),
            };
            Ok((leases, holder))
        })
        .await?;
        (proposed, has_run) = (holder.names.agreed.clone(), true);
        let nats = holder.jetstream.client().server_info().version;
        let has_batches = has_batches(&holder.jetstream);
        info!(worker, nats, has_batches, agreed = ?holder.names.agreed, "following");
        if Fleet::new(leases, holder).run(stop.clone()).await {
            return Ok(());
        }
        warn!("NATS has lost its store: everything is made anew");
    }
}

async fn serve(cli: &Cli, options: &Serve) -> Result<()> {
    let allowed = &options.allow_origin;
    let allows_all = allowed.contains(&HeaderValue::from_static("*"));
    ensure!(!allows_all || allowed.len() == 1, "--allow-origin '*' permits all: give no other");
    let origins = match allows_all {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(allowed.clone()),
    };
    let cors = CorsLayer::new().allow_origin(origins).allow_headers(AllowHeaders::mirror_request());
    let stop = stop_by_signal()?;
    let server = patiently(&stop, false, async || {
        let jetstream = connect(cli).await?;
        let config = bucket(&jetstream, &cli.name, "config", None).await?;
        Ok(Server {
            names: Names { name: cli.name.clone(), agreed: Agreement::read(&config).await? },
            sources: bucket(&jetstream, &cli.name, "sources", None).await?,
            jetstream,
            config,
            keep: options.keep.max(1),
            metrics: Metrics::default(),
            stop: stop.clone(),
            tails: Default::default(),
        })
    })
    .await?;
    listen(options.listen, router(server).layer(cors), stop).await?.await;
    Ok(())
}

/// Gives what serves until `stop`, and then waits for its clients to be gone.
async fn listen(
    address: SocketAddr,
    app: Router,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()>> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    info!("listening on http://{}", listener.local_addr()?);
    Ok(async move {
        let serving =
            axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        let overdue = async {
            stop.cancelled().await;
            sleep(Duration::from_secs(5)).await;
        };
        tokio::select! {
            _ = serving => {}
            () = overdue => {}
        }
    })
}

fn stop_by_signal() -> Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut term = signal(SignalKind::terminate())?;
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = ctrl_c() => {}
        }
        info!("stopping");
        stopped.cancel();
    });
    Ok(stop)
}
