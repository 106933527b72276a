//! Many streams at once, many reconnections in a row, and a flood: measures the memory of a client and checks it against
//! bounds.
//!
//! - **Crowd**: thousands of streams open at once, each with an occasional event. The same responses are
//!   then read through reqwest alone, and the difference is this crate's.
//! - **Reconnections**: one after the other, over HTTP/1.1 and HTTP/2. Nothing may grow.
//! - **Flood**: a server writes as fast as it can, and a consumer sometimes takes an event.
//!
//! Each client and each server is a separate process, so that only the client's memory is counted.

mod crowd;
mod flood;
mod goal;
mod machine;
mod reconnections;
mod server;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use peak_alloc::PeakAlloc;

type BoxError = Box<dyn Error + Send + Sync>;

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

/// Counts the bytes that are allocated.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Counts what many streams, many reconnections and a flood cost a client.
#[derive(Parser)]
struct Args {
    /// How many streams are open at once.
    #[arg(long, default_value_t = 5_000)]
    streams: usize,
    /// How many events each of them gets.
    #[arg(long, default_value_t = 20)]
    events: usize,
    /// Over how many seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// When each event comes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many reconnections there are in a row.
    #[arg(long, default_value_t = 1_000)]
    reconnections: usize,
    /// How many MiB the flood has.
    #[arg(long, default_value_t = 100)]
    flood: usize,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The task of a separate process.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    /// Serves the rest until its standard input ends.
    Server,
    /// Opens the streams at that address.
    Crowd { who: crowd::Who, server: String },
    /// Reconnects to that address.
    Reconnections {
        protocol: reconnections::Protocol,
        server: String,
    },
    /// Takes what it can from that address.
    Flood { server: String },
}

fn main() -> Result<ExitCode, BoxError> {
    let args = Args::parse();
    match &args.part {
        None => all(&args),
        Some(part) => {
            machine::raise_limits(args.streams)?;
            play(&args, part)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Two threads for each process, as on a small machine.
fn play(args: &Args, part: &Part) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let said = runtime.block_on(async {
        match part {
            Part::Server => server::serve(args).await.map(|()| None),
            Part::Crowd { who, server } => crowd::read(args, *who, server).await.map(Some),
            Part::Reconnections { protocol, server } => {
                reconnections::count(args, *protocol, server)
                    .await
                    .map(Some)
            }
            Part::Flood { server } => flood::take(args, server).await.map(Some),
        }
    })?;
    if let Some(said) = said {
        println!("{said}");
    }
    Ok(())
}

fn all(args: &Args) -> Result<ExitCode, BoxError> {
    let mut goals = Vec::new();
    crowd::compare(args, &mut goals)?;
    reconnections::judge(args, &mut goals)?;
    flood::judge(args, &mut goals)?;
    print!("{}", goal::table(&goals));
    let missed = goals.iter().filter(|goal| !goal.is_reached()).count();
    println!("\n{} of {} reached", goals.len() - missed, goals.len());
    Ok(ExitCode::from(u8::from(missed > 0)))
}
