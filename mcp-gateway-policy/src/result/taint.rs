//! Taints: the mark that results leave on what follows.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{BoxError, Caller};

/// Recorder of taints.
///
/// A result that a rule marks is not delivered before its taint is recorded.
#[async_trait]
pub trait TaintRecorder: fmt::Debug + Send + Sync + 'static {
    /// Records that the context of a caller is untrusted from now on.
    ///
    /// # Errors
    ///
    /// The reason for which it is not recorded; the client does not receive the result then.
    async fn record(&self, taint: Taint<'_>) -> Result<(), BoxError>;

    /// Returns `true` if the context of `caller` is untrusted, for conditions.
    fn is_untrusted(&self, caller: &Caller) -> bool;
}

/// Receipt of an untrusted result.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "its readers take it apart")]
pub struct Taint<'a> {
    /// Caller that receives the result.
    pub caller: &'a Arc<Caller>,
    /// Origin of the result.
    pub target: &'a Target,
    /// Name of the rule.
    pub rule: &'a Arc<str>,
}
