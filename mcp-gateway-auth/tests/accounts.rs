//! Connected accounts at an authorization server with the habits of real ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail tests"
)]

#[path = "accounts/bound.rs"]
mod bound;
#[path = "login/browser.rs"]
mod browser;
#[path = "accounts/habits.rs"]
mod habits;
#[path = "accounts/harness.rs"]
mod harness;
#[path = "accounts/inputs.rs"]
mod inputs;
#[path = "accounts/interleavings.rs"]
mod interleavings;
#[path = "accounts/outages.rs"]
mod outages;
#[path = "accounts/pages.rs"]
mod pages;
#[path = "accounts/provider.rs"]
mod provider;
#[path = "accounts/refresh.rs"]
mod refresh;
#[path = "accounts/replicas.rs"]
mod replicas;
#[path = "accounts/revocations.rs"]
mod revocations;
#[path = "accounts/site.rs"]
mod site;
#[path = "accounts/step_up.rs"]
mod step_up;
