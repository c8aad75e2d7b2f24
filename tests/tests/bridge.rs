//! Clients and servers of different eras.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics when it fails"
)]

#[path = "bridge/asking.rs"]
mod asking;
#[path = "bridge/client.rs"]
mod client;
#[path = "bridge/code.rs"]
mod code;
#[path = "bridge/delays.rs"]
mod delays;
#[path = "bridge/isolation.rs"]
mod isolation;
#[path = "bridge/lingering.rs"]
mod lingering;
#[path = "bridge/programs.rs"]
mod programs;
#[path = "bridge/roots.rs"]
mod roots;
#[path = "bridge/search.rs"]
mod search;
