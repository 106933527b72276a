//! The command line.

use std::time::Duration;

use clap::{ArgAction, Args, Parser};
use fetch_event_source::reqwest::{Method, Url};

use crate::generate::Generated;
use crate::values::{self, Body, Header, ProxyChoice, Retry};

const AFTER_HELP: &str = "\
Examples:
  sse https://stream.wikimedia.org/v2/stream/recentchange -n 5
  sse localhost:3000/events -H 'X-Api-Version: 2' --last-event-id 41
  sse https://api.openai.com/v1/chat/completions -H @secret-headers \\
      --json @question.json --until '[DONE]' --json-data

Exit codes:
    0  the stream ended, the event of --until or as many as -n came,
       or nothing reads the output any more
    1  something else failed: a file, the output
    2  the command line or the URL is wrong
    3  no response: no connection, TLS, a redirect, a timeout
    4  refused: another status than 200 and 204, another content type
    5  incomplete: broken off, silent for too long, ended before --until
  130  Ctrl-C";

/// Prints the events of a server-sent event stream as they come.
///
/// Reconnects when the stream breaks off, and goes on after the last event.
#[derive(Parser)]
#[command(
    name = "sse",
    version,
    override_usage = "sse [OPTIONS] <URL>",
    after_help = AFTER_HELP,
    max_term_width = 100,
    disable_help_flag = true
)]
pub(crate) struct Arguments {
    /// URL of the stream; http:// may be left out
    #[arg(value_parser = values::url, required_unless_present = "generate")]
    pub(crate) url: Option<Url>,

    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// Print a man page or shell completions, and end
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        exclusive = true,
        hide_short_help = true
    )]
    pub(crate) generate: Option<Generated>,

    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(crate) retries: Retries,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct Request {
    /// Method [default: GET, or POST with a body]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<Method>,

    /// Header, or a file of headers, one a line; repeatable. 'NAME;' sends an empty one
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE|@FILE",
        value_parser = values::header
    )]
    pub(crate) headers: Vec<Header>,

    /// Body: text, a file, or @- for standard input; several are joined by &. Sent as a form, or
    /// as JSON if it is a JSON object or array, unless -H names another type
    #[arg(
        short,
        long,
        alias = "data-binary",
        value_name = "TEXT|@FILE",
        value_parser = values::body,
        allow_hyphen_values = true
    )]
    pub(crate) data: Vec<Body>,

    /// Body like --data, but @ has no meaning
    #[arg(long, value_name = "TEXT", value_parser = values::raw_body, allow_hyphen_values = true)]
    pub(crate) data_raw: Vec<Body>,

    /// Body like --data, but sent as JSON; several are joined without &
    #[arg(
        long,
        value_name = "TEXT|@FILE",
        value_parser = values::body,
        conflicts_with_all = ["data", "data_raw"],
        allow_hyphen_values = true
    )]
    pub(crate) json: Vec<Body>,

    /// Basic authentication; asks for a password that is left out
    #[arg(short, long, value_name = "USER:PASSWORD")]
    pub(crate) user: Option<String>,

    /// User agent; '' sends an empty one
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(crate) user_agent: Option<String>,

    /// Begin after the event with this ID
    #[arg(long, value_name = "ID", value_parser = values::last_event_id)]
    pub(crate) last_event_id: Option<String>,

    /// Accept gzip and deflate
    #[arg(long)]
    pub(crate) compressed: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Accept any TLS certificate
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    /// Proxy: http://, https://, socks5:// or socks5h://; '' uses none, whatever the environment
    /// says
    #[arg(short = 'x', long, value_name = "URL", value_parser = values::proxy)]
    pub(crate) proxy: Option<ProxyChoice>,

    /// Follow redirects; always on, see --max-redirs
    #[arg(short = 'L', long)]
    location: bool,

    /// Number of redirects to follow
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) max_redirs: usize,

    /// Time for name resolution, connecting and TLS
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) connect_timeout: Option<Duration>,

    /// Time until the response
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) response_timeout: Option<Duration>,

    /// How long the stream may be silent; comments count
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) idle_timeout: Option<Duration>,

    /// How long the stream may bring no event; comments do not count
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) event_timeout: Option<Duration>,

    /// Also read a stream of this content type, such as text/plain; repeatable
    #[arg(long, value_name = "TYPE")]
    pub(crate) allow_content_type: Vec<String>,

    /// Largest event
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    pub(crate) max_event_size: usize,
}

#[derive(Args)]
#[command(next_help_heading = "Reconnection")]
pub(crate) struct Retries {
    /// Number of retries in a row, persistent (for ever, and after a clean end), standard (as a
    /// browser does) or never. Without it a broken stream is retried ten times in a row, but a
    /// first connection that fails is final
    #[arg(long, value_name = "N|POLICY", value_parser = values::retry)]
    pub(crate) retry: Option<Retry>,

    /// Reconnect after a clean end of the stream too
    #[arg(long)]
    pub(crate) reconnect: bool,

    /// Send a POST again even if the server may have acted on it
    #[arg(long)]
    pub(crate) replay: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    #[command(flatten)]
    pub(crate) format: Format,

    /// Print events of this type only; repeatable
    #[arg(short, long = "event", value_name = "TYPE")]
    pub(crate) events: Vec<String>,

    /// End at the event with this data, without printing it; a stream that ends before it is
    /// incomplete
    #[arg(long, value_name = "DATA")]
    pub(crate) until: Option<String>,

    /// End after this number of printed events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_events: Option<u64>,

    /// Say on standard error what the connection does
    #[arg(short, long, conflicts_with = "silent")]
    pub(crate) verbose: bool,

    /// Print nothing on standard error
    #[arg(short, long)]
    pub(crate) silent: bool,

    /// With --silent: print the error that ends the program
    #[arg(short = 'S', long)]
    pub(crate) show_error: bool,

    /// Do not buffer the output; always on
    #[arg(short = 'N', long)]
    no_buffer: bool,
}

/// How events are printed. By default for people: type, ID and data, with control characters
/// escaped.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct Format {
    /// Print each event as a JSON object on one line
    #[arg(long)]
    pub(crate) json_lines: bool,

    /// The same, with the data as JSON instead of a string where it is JSON
    #[arg(long)]
    pub(crate) json_data: bool,

    /// Print an event stream again, with comments and reconnection times
    #[arg(long)]
    pub(crate) raw: bool,

    /// Print the data alone
    #[arg(long)]
    pub(crate) data_only: bool,
}
