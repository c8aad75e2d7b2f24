//! Observation of the exchange of assertions of workloads.

use std::fmt;

use mcp_gateway_store::Attachment;

/// An assertion of a workload that is exchanged for an access token.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkloadExchange<'a> {
    /// Name of the rule that has admitted the workload.
    pub rule: &'a str,
    /// Issuer of the assertion.
    pub issuer: &'a str,
    /// Subject of the assertion.
    pub subject: &'a str,
    /// Subject of the principal.
    pub principal: &'a str,
}

/// Observes the exchange of assertions of workloads, for example for an audit log.
///
/// The method is called synchronously and must not block.
pub trait WorkloadObserver: fmt::Debug + Send + Sync + 'static {
    /// Returns what is added to the batch in which the use of the assertion is recorded.
    fn attachment(&self, exchange: &WorkloadExchange<'_>) -> Attachment;
}
