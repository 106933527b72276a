//! Whether an HTTP/2 stream was reset with the code `NO_ERROR`.
//!
//! RFC 9113, section 8.1: a server may do that "after sending a complete response (i.e., a frame with the
//! END_STREAM flag set)". hyper does not check that flag, and treats each such reset as a clean end. But
//! proxies send it when the server behind them breaks off, and so do servers that shut down. Delete this file
//! when hyper tells the two apart.

use http_body::Body as _;
use reqwest::{Body, ClientBuilder, Response, Version};

/// Whether a body that was read to its end was in fact reset. With reqwest's decoders built in, END_STREAM
/// cannot be seen, whether or not they decode this body.
pub(super) fn broke_off(response: Response) -> bool {
    response.version() == Version::HTTP_2
        && !decoders_are_built_in()
        && !Body::from(response).is_end_stream()
}

/// Whether reqwest is built with a decoder, by any part of the program.
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

/// If reqwest has a method of the same name, it takes precedence over the method here.
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
