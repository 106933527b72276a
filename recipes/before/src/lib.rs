//! What the guide shows as the code of before, with the crates it is written for: it compiles, and is
//! not run. Apart from the other recipes, for no test needs what it depends on.

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
