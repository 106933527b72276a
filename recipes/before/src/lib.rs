//! The guide's code "before", compiled with the crates that it uses. It is separate from the other recipes, which do not
//! need these crates. `tests/peers.rs` shows what some of them do.

#![allow(dead_code)]

mod from_reqwest_eventsource {
    use reqwest012 as reqwest;
    include!("../../../src/guide/before/reqwest_eventsource.rs");
}

mod from_eventsource_stream {
    include!("../../../src/guide/before/eventsource_stream.rs");
}

mod from_eventsource_client {
    include!("../../../src/guide/before/eventsource_client.rs");
}

mod from_sse_stream {
    include!("../../../src/guide/before/sse_stream.rs");
}

mod from_reqwest_sse {
    include!("../../../src/guide/before/reqwest_sse.rs");
}
