//! The guide's recipes that need other crates than the library itself. Their code is where the
//! guide shows it from, `src/guide/recipes`; the tests are here.

#[path = "../../src/guide/recipes/hyper_client.rs"]
pub mod hyper_client;
#[path = "../../src/guide/recipes/many_machines.rs"]
pub mod many_machines;
#[path = "../../src/guide/recipes/middleware.rs"]
pub mod middleware;
#[path = "../../src/guide/recipes/relay.rs"]
pub mod relay;
#[path = "../../src/guide/recipes/reqwest_0_12.rs"]
pub mod reqwest_0_12;
#[path = "../../src/guide/recipes/shared_client.rs"]
pub mod shared_client;
