//! The speed of fetch-event-source, beside its peers and baselines.
//!
//! `benches/run` measures everything and writes `benches/results/`. The ratios come from
//! `bin/compare.rs`, where all contestants take turns in each of several runs; `cargo bench` shows the
//! same contestants one by one, under divan.

pub mod contestant;
pub mod drive;
pub mod goal;
pub mod machine;
pub mod part;
#[cfg(feature = "peers")]
pub mod peers;
pub mod rounds;
pub mod runs;
#[cfg(feature = "peers")]
pub mod server;
pub mod tally;
pub mod workload;

/// The error of these programs.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The value of `--name value` on the command line.
///
/// # Errors
///
/// A value that cannot be parsed.
pub fn option<T>(name: &str, default: T) -> Result<T, BoxError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(Ok(default), |value| Ok(value.parse()?))
}
