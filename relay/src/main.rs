//! `relay`: many machines follow event streams into one log, and any machine serves it.

mod cli;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::kv::Store;
use async_nats::{ConnectOptions, Event};
use axum::Router;
use axum::http::HeaderValue;
use clap::Parser;
use relay::connects::Connects;
use relay::fleet::Fleet;
use relay::log::TIMEOUT;
use relay::metrics::Metrics;
use relay::names::{Keeping, Names, Refused, batch, bucket, check_name};
use relay::serve::router;
use relay::source::Holder;
use relay::sources::{Source, watch_sources};
use relay::tail::Server;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tracing::{info, warn};
use tracing_subscriber::prelude::*;

use crate::cli::{Cli, Command, Follow, Serve, Sources};

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry().with(log).with(cli.log.clone()).init();
    check_name(&cli.name)?;
    match &cli.command {
        Command::Follow(options) => follow(&cli, options).await,
        Command::Serve(options) => serve(&cli, options).await,
        Command::Sources(Sources::List) => status::list_sources(&sources(&cli).await?).await,
        Command::Sources(Sources::Put { name, url, header, last_event_id }) => {
            check_name(name)?;
            let headers = header.iter().cloned().collect();
            let (url, last_event_id) = (url.clone(), last_event_id.clone());
            put(&sources(&cli).await?, name, &Source { url, last_event_id, headers }).await
        }
        Command::Sources(Sources::Remove { name }) => {
            check_name(name)?;
            Ok(sources(&cli).await?.delete(name).await?)
        }
        Command::Status => {
            let (jetstream, _) = connect(&cli).await?;
            let config = bucket(&jetstream, &cli.name, "config", 1).await?;
            let names = Names::read(&config, &cli.name).await?;
            let leases = bucket(&jetstream, &cli.name, "leases", 1).await?;
            status::partitions(&jetstream, &names, &leases).await
        }
    }
}

/// The watched number counts the connections to NATS.
async fn connect(cli: &Cli) -> Result<(Context, watch::Receiver<u64>)> {
    let (connects, connected) = watch::channel(0);
    let options = ConnectOptions::new().event_callback(move |event| {
        match event {
            Event::Connected => connects.send_modify(|count| *count += 1),
            Event::Disconnected => warn!("NATS is away: waiting for it"),
            _ => {}
        }
        std::future::ready(())
    });
    let client = options.connect(&cli.nats[..]).await.context("NATS cannot be reached")?;
    Ok((ContextBuilder::new().timeout(TIMEOUT).ack_timeout(TIMEOUT).build(client), connected))
}

/// For what runs on: NATS may be away at the start, and go away while this sets up.
async fn patiently<T>(stop: &CancellationToken, set_up: impl AsyncFn() -> Result<T>) -> Result<T> {
    let trying = async {
        loop {
            match set_up().await {
                Err(error) if error.downcast_ref::<Refused>().is_none() => {
                    warn!(error = format!("{error:#}"), "trying again every second");
                    sleep(Duration::from_secs(1)).await;
                }
                result => return result,
            }
        }
    };
    tokio::select! {
        result = trying => result,
        () = stop.cancelled() => bail!("stopped before NATS was there"),
    }
}

async fn sources(cli: &Cli) -> Result<Store> {
    bucket(&connect(cli).await?.0, &cli.name, "sources", 1).await
}

async fn put(sources: &Store, name: &str, source: &Source) -> Result<()> {
    source.check()?;
    sources.put(name, serde_json::to_vec(source)?.into()).await?;
    Ok(())
}

async fn follow(cli: &Cli, options: &Follow) -> Result<()> {
    let stop = stop_by_signal()?;
    let worker = options.worker.clone();
    let worker = worker.unwrap_or_else(|| format!("worker-{:08x}", fastrand::u32(..)));
    check_name(&worker)?;
    let metrics = Metrics::default();
    if let Some(address) = options.listen {
        let app = metrics.router();
        tokio::spawn(listen(address, app, stop.clone()).await?);
    }
    let connects = Arc::new(Connects::new(options.connects_per_second, options.per_host));
    let lease = Duration::from_secs_f64(options.lease);
    let (replicas, mut partitions) = (options.replicas, options.partitions);
    loop {
        let (leases, holder) = patiently(&stop, async || {
            let (jetstream, _) = connect(cli).await?;
            let config = bucket(&jetstream, &cli.name, "config", replicas).await?;
            let names = Names::agree(&config, &cli.name, partitions).await?;
            let sources = bucket(&jetstream, &cli.name, "sources", replicas).await?;
            for (name, source) in &options.sources {
                put(&sources, name, source).await?;
            }
            let leases = bucket(&jetstream, &cli.name, "leases", replicas).await?;
            let holder = Holder {
                sources: watch_sources(sources),
                batch: batch(&jetstream, options.batch),
                jetstream,
                config,
                names,
                keeping: Keeping { replicas, max_age: options.max_age },
                worker: worker.clone(),
                idle_timeout: Duration::from_secs(options.idle_timeout),
                max_event_size: options.max_event_size,
                connects: connects.clone(),
                metrics: metrics.clone(),
            };
            Ok((leases, holder))
        })
        .await?;
        partitions = Some(holder.names.partitions);
        info!(
            worker,
            nats = holder.jetstream.client().server_info().version,
            partitions,
            "following, {} events a write at most",
            holder.batch
        );
        let overdue = async {
            stop.cancelled().await;
            sleep(lease * 2).await;
        };
        tokio::select! {
            is_over = Fleet::new(leases, holder, lease).run(stop.clone()) => if is_over { return Ok(()) },
            () = overdue => bail!("NATS did not answer in time: what was not acknowledged is asked for again"),
        }
        warn!("NATS has lost its store: everything is made anew");
    }
}

async fn serve(cli: &Cli, options: &Serve) -> Result<()> {
    let stop = stop_by_signal()?;
    let (jetstream, connected, config, sources, names) = patiently(&stop, async || {
        let (jetstream, connected) = connect(cli).await?;
        let config = bucket(&jetstream, &cli.name, "config", 1).await?;
        let names = Names::read(&config, &cli.name).await?;
        let sources = bucket(&jetstream, &cli.name, "sources", 1).await?;
        Ok((jetstream, connected, config, sources, names))
    })
    .await?;
    let (keep, metrics) = (options.keep.max(1), Metrics::default());
    let server = Server {
        jetstream,
        config,
        sources,
        names,
        keep,
        metrics,
        connected,
        stop: stop.clone(),
        tails: Default::default(),
    };
    let origins = match &options.allow_origin[..] {
        [any] if any == HeaderValue::from_static("*") => AllowOrigin::any(),
        list => AllowOrigin::list(list.to_vec()),
    };
    let cors = CorsLayer::new().allow_origin(origins).allow_headers(AllowHeaders::mirror_request());
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
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        info!("stopping");
        stopped.cancel();
    });
    Ok(stop)
}
