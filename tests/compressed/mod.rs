//! Bodies in the codings that reqwest decodes, flushed as a server does that compresses as it streams.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::{AsyncWrite, AsyncWriteExt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Deflate,
    Gzip,
    Zstd,
}

pub const ALL: [Coding; 4] = [Coding::Brotli, Coding::Deflate, Coding::Gzip, Coding::Zstd];

impl Coding {
    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The head of a good response in it, whose body is chunked.
    pub fn head(self) -> String {
        let name = self.name();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: {name}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
    }

    /// One stream of this coding: the bytes of each part, flushed, and those of the end.
    pub async fn encode(self, parts: &[impl AsRef<[u8]>]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let bytes = Vec::new();
        match self {
            Self::Brotli => encode(BrotliEncoder::new(bytes), BrotliEncoder::get_ref, parts).await,
            Self::Deflate => encode(ZlibEncoder::new(bytes), ZlibEncoder::get_ref, parts).await,
            Self::Gzip => encode(GzipEncoder::new(bytes), GzipEncoder::get_ref, parts).await,
            Self::Zstd => encode(ZstdEncoder::new(bytes), ZstdEncoder::get_ref, parts).await,
        }
    }

    /// A whole body.
    pub async fn encode_whole(self, body: impl AsRef<[u8]>) -> Vec<u8> {
        let (parts, end) = self.encode(&[body]).await;
        [parts.concat(), end].concat()
    }
}

async fn encode<E: AsyncWrite + Unpin>(
    mut encoder: E,
    written: fn(&E) -> &Vec<u8>,
    parts: &[impl AsRef<[u8]>],
) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut encoded = Vec::new();
    let mut taken = 0;
    for part in parts {
        encoder.write_all(part.as_ref()).await.expect("to encode");
        encoder.flush().await.expect("to flush");
        encoded.push(written(&encoder)[taken..].to_vec());
        taken = written(&encoder).len();
    }
    encoder.shutdown().await.expect("to end");
    (encoded, written(&encoder)[taken..].to_vec())
}
