//! The official conformance suite, run against a server, an authorization server or an OAuth client.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_gateway_tests::{
//!     conformance::{Revision, Suite},
//!     environment::Environment,
//!     fixture::Era,
//! };
//!
//! let suite = Suite::new(Environment::installed().await?);
//! let report = suite.run("http://127.0.0.1:8080/mcp", Revision::V2026_07_28).await?;
//! assert!(report.failures().is_empty(), "{report}");
//! assert_eq!(
//!     report.summary(Era::Dual),
//!     "conformance modern->dual 2026-07-28: passed 37 of 37 required",
//! );
//! # Ok(())
//! # }
//! ```

mod authorization;
mod clients;
mod report;
mod requirements;
mod suite;

pub use self::{
    authorization::Asked,
    clients::ScenarioServer,
    report::{Check, Report, Scenario, Status, Verdict},
    requirements::{Reason, Revision, Standing},
    suite::{Suite, SuiteError},
};
