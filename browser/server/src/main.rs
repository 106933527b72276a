//! A scripted server of events, for what runs in a browser: how a stream goes is said by the query of its
//! URL, and `/book` says what came. Other paths are files.
//!
//!     server FOLDER    prints its address, and serves until it is killed

mod book;
mod cors;
mod files;
mod flood;
mod script;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use tokio::net::TcpListener;

use crate::book::Book;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) book: Book,
    pub(crate) folder: PathBuf,
}

// One thread, so that connections are seen to open and close in the order in which they do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(PathBuf::new, PathBuf::from);
    let shared = Arc::new(Shared {
        book: Book::default(),
        folder,
    });
    let router = Router::new()
        .route("/sse", any(stream::answer))
        .route("/flood", get(flood::answer))
        .route("/book", get(book::answer))
        .fallback(files::answer)
        .with_state(shared);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, router).await
}
