//! Spans of calls through a gateway, as a collector receives them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "traces/calls.rs"]
mod calls;
#[path = "traces/collector.rs"]
mod collector;
#[path = "traces/conventions.rs"]
mod conventions;
#[path = "traces/export.rs"]
mod export;
#[path = "traces/stage.rs"]
mod stage;
