//! The authorization server of the program: several at once, killed, and robbed.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]
#![expect(
    clippy::print_stdout,
    reason = "figures, for who runs it with --nocapture"
)]

#[path = "oauth/accounts.rs"]
mod accounts;
#[path = "oauth/audited.rs"]
mod audited;
#[path = "../../../mcp-gateway-auth/tests/login/browser.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod browser;
#[path = "oauth/browser_user.rs"]
mod browser_user;
#[path = "oauth/conformance.rs"]
mod conformance;
#[path = "oauth/elicited.rs"]
mod elicited;
#[path = "oauth/enterprise.rs"]
mod enterprise;
#[path = "oauth/exchanged.rs"]
mod exchanged;
#[path = "oauth/forwarded.rs"]
mod forwarded;
#[path = "oauth/github.rs"]
mod github;
#[path = "oauth/harness.rs"]
mod harness;
#[path = "../../../mcp-gateway-auth/tests/login/idp.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod idp;
#[path = "oauth/inputs.rs"]
mod inputs;
#[path = "oauth/killed.rs"]
mod killed;
#[path = "oauth/lists.rs"]
mod lists;
#[path = "oauth/load.rs"]
mod load;
#[path = "oauth/outages.rs"]
mod outages;
#[path = "oauth/person.rs"]
mod person;
#[path = "../../../mcp-gateway-auth/tests/accounts/provider.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod provider;
#[path = "oauth/races.rs"]
mod races;
#[path = "oauth/session.rs"]
mod session;
#[path = "oauth/stolen.rs"]
mod stolen;
#[path = "oauth/team.rs"]
mod team;
#[path = "oauth/upstream.rs"]
mod upstream;
#[path = "oauth/workloads.rs"]
mod workloads;
