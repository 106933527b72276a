//! NATS with JetStream, on a free port, its store in a temporary directory.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use relay::nats::TIMEOUT;
use tempfile::TempDir;

pub struct Nats {
    child: Child,
    dir: TempDir,
    port: u16,
    arguments: Vec<String>,
}

/// `NATS_SERVER`, or what is installed.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("NATS_SERVER") {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("nats-server"));
    programs
        .find(|program| program.exists())
        .expect("no nats-server: relay/run installs it, or set NATS_SERVER")
}

impl Nats {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Its store in memory, where there is such a folder: a batch costs it five waits for the disk.
    pub fn start_in_memory() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self::start_in(dir, &[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    fn start_in(dir: TempDir, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(dir.path(), -1, &arguments);
        let ports = dir.path().join(format!("nats-server_{}.ports", child.id()));
        let start = Instant::now();
        let port = loop {
            let found = fs::read_to_string(&ports).unwrap_or_default();
            let found: serde_json::Value = serde_json::from_str(&found).unwrap_or_default();
            if let Some(url) = found["nats"][0].as_str() {
                break url.rsplit(':').next().unwrap().parse().unwrap();
            }
            assert!(start.elapsed() < Duration::from_secs(20), "nats-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { child, dir, port, arguments }
    }

    /// Three servers of one cluster, each of which knows the others.
    pub fn start_cluster() -> [Self; 3] {
        let free = [0; 3].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let routes = free.map(|port| format!("nats://{}", port.local_addr().unwrap()));
        [0, 1, 2].map(|node| {
            let (name, all) = (format!("node-{node}"), routes.join(","));
            let cluster = ["--cluster_name", "relay", "--cluster", &routes[node]];
            Self::start_with(&[&cluster[..], &["--name", &name, "--routes", &all]].concat())
        })
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn connect(&self) -> Context {
        let start = Instant::now();
        loop {
            match async_nats::connect(self.url()).await {
                Ok(client) => {
                    return ContextBuilder::new()
                        .timeout(TIMEOUT)
                        .ack_timeout(TIMEOUT)
                        .build(client);
                }
                Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&mut self) {
        super::process::signal(self.child.id(), "TERM");
        self.child.wait().unwrap();
    }

    /// On the same port, with the same store.
    pub fn start_again(&mut self) {
        self.child = spawn(self.dir.path(), self.port.into(), &self.arguments);
    }

    /// Returns a copy of the store as it is now; stops the server meanwhile.
    pub fn back_up(&mut self) -> TempDir {
        self.terminate();
        let copy = tempfile::tempdir().unwrap();
        copy_store(self.dir.path(), copy.path());
        self.start_again();
        copy
    }

    /// Kills the server. It runs again with this copy: what was written since is gone.
    pub fn restore(&mut self, copy: &TempDir) {
        self.kill();
        self.wipe();
        copy_store(copy.path(), self.dir.path());
        self.start_again();
    }

    /// Nothing is left. Stop it first.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.dir.path().join("store")).unwrap();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(dir: &Path, port: i32, arguments: &Vec<String>) -> Child {
    let (store, log) = (dir.join("store"), dir.join("nats.log"));
    Command::new(program())
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string()])
        .arg("-sd")
        .arg(store)
        .arg("-l")
        .arg(log)
        .arg("--ports_file_dir")
        .arg(dir)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts")
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success());
}

fn copy_store(from: &Path, to: &Path) {
    run("cp", &["-a", &format!("{}/store", from.display()), &to.display().to_string()]);
}
