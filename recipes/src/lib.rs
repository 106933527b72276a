//! The guide's recipes that need other crates. Their code is in `src/guide/recipes`, where the guide
//! includes it; their tests are here.

#[path = "../../src/guide/recipes/axum_service.rs"]
pub mod axum_service;
#[path = "../../src/guide/recipes/blocking.rs"]
pub mod blocking;
#[path = "../../src/guide/recipes/failover.rs"]
pub mod failover;
#[path = "../../src/guide/recipes/hyper_client.rs"]
pub mod hyper_client;
#[path = "../../src/guide/recipes/many_machines.rs"]
pub mod many_machines;
#[path = "../../src/guide/recipes/mcp_session.rs"]
pub mod mcp_session;
#[path = "../../src/guide/recipes/middleware.rs"]
pub mod middleware;
#[path = "../../src/guide/recipes/relay.rs"]
pub mod relay;
#[path = "../../src/guide/recipes/reqwest_0_12.rs"]
pub mod reqwest_0_12;
#[path = "../../src/guide/recipes/shared_client.rs"]
pub mod shared_client;
#[path = "../../src/guide/recipes/smol.rs"]
pub mod smol;
#[path = "../../src/guide/recipes/subscription.rs"]
pub mod subscription;
