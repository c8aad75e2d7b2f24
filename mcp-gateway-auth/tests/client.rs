//! The OAuth client at an authorization server whose responses a test decides.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests are not in functions that are tests"
)]

#[path = "client/client_credentials.rs"]
mod client_credentials;
#[path = "client/exchange.rs"]
mod exchange;
#[path = "client/harness.rs"]
mod harness;
#[path = "client/provider.rs"]
mod provider;
#[path = "client/refresh.rs"]
mod refresh;
#[path = "client/workload.rs"]
mod workload;
