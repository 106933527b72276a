//! Runs the program.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// For the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, with an environment that changes nothing.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sse"));
    command.args(arguments).kill_on_drop(true);
    let proxies = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
    for name in proxies {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env_remove("CLICOLOR_FORCE");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) async fn sse(arguments: &[&str]) -> Ran {
    end(command(arguments).spawn().expect("the program")).await
}

pub(crate) async fn sse_with_input(arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = command(arguments);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program");
    let mut stdin = child.stdin.take().expect("its standard input");
    stdin.write_all(input).await.expect("that it reads");
    drop(stdin);
    end(child).await
}

/// Waits for its end.
pub(crate) async fn end(child: Child) -> Ran {
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.expect("an end in time").expect("its output");
    Ran {
        exit: status.code().expect("an exit code"),
        out: String::from_utf8(stdout).expect("UTF-8"),
        err: String::from_utf8(stderr).expect("UTF-8"),
    }
}
