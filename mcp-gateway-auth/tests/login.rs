//! User login with a browser, over real connections.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail tests"
)]

#[path = "login/access.rs"]
mod access;
#[path = "login/account.rs"]
mod account;
#[path = "login/attacks.rs"]
mod attacks;
#[path = "login/browser.rs"]
mod browser;
#[path = "login/github.rs"]
mod github;
#[path = "login/harness.rs"]
mod harness;
#[path = "login/idp.rs"]
mod idp;
#[path = "login/local.rs"]
mod local;
#[path = "login/octo.rs"]
mod octo;
#[path = "login/oidc.rs"]
mod oidc;
