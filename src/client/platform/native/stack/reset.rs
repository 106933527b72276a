//! Whether an HTTP/2 stream was reset with the code `NO_ERROR`.
//!
//! RFC 9113, section 8.1: a server may do that "after sending a complete response (i.e., a frame with the
//! END_STREAM flag set)". hyper does not look for that flag, and takes each such reset for an end. But
//! proxies do so with what breaks off behind them, and servers that are about to go. To be deleted when
//! hyper tells.

use http_body::Body as _;
use reqwest::{Body, ClientBuilder, Response, Version};

/// Whether a body that was read to its end was reset before it. Through reqwest's decoders END_STREAM is
/// not to be seen, whether or not they decode.
pub(super) fn broke_off(response: Response) -> bool {
    response.version() == Version::HTTP_2
        && !decoders_are_built_in()
        && !Body::from(response).is_end_stream()
}

/// Whether any part of the program has built reqwest with a decoder.
const fn decoders_are_built_in() -> bool {
    knows(|builder| builder.gzip(true))
        || knows(|builder| builder.brotli(true))
        || knows(|builder| builder.deflate(true))
        || knows(|builder| builder.zstd(true))
}

const fn knows<B: Built>(_set: fn(ClientBuilder) -> B) -> bool {
    B::KNOWS
}

trait Built {
    const KNOWS: bool;
}

impl Built for ClientBuilder {
    const KNOWS: bool = true;
}

struct Unknown;

impl Built for Unknown {
    const KNOWS: bool = false;
}

/// A method of reqwest goes before one of the same name here.
#[allow(dead_code)]
trait OrElse: Sized {
    fn gzip(self, _: bool) -> Unknown {
        Unknown
    }
    fn brotli(self, _: bool) -> Unknown {
        Unknown
    }
    fn deflate(self, _: bool) -> Unknown {
        Unknown
    }
    fn zstd(self, _: bool) -> Unknown {
        Unknown
    }
}

impl OrElse for ClientBuilder {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoders_that_reqwest_was_built_with_are_known() {
        let expected = cfg!(any(
            feature = "gzip",
            feature = "brotli",
            feature = "deflate",
            feature = "zstd"
        ));
        assert_eq!(decoders_are_built_in(), expected);
    }
}
