//! Decisions of a policy.

use std::borrow::Cow;
use std::sync::Arc;

use crate::approval::ApprovalTerms;

/// Decision of a [`Policy`](super::Policy).
///
/// # Example
///
/// ```
/// use mcp_gateway_core::policy::Decision;
///
/// let decision = Decision::ask("tools that delete");
/// assert!(decision.is_listed());
/// assert_ne!(decision, Decision::Allow);
/// assert!(!Decision::deny("not for guests").is_listed());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// The call is permitted.
    Allow,
    /// The call requires approval. [`Authorize`](crate::layer::authorize::Authorize) rejects it unless
    /// [`Approve`](crate::layer::approve::Approve) has obtained one. Only calls of tools can be
    /// approved.
    Ask {
        /// Rule that requires the approval, for the log and the approver; the client does not
        /// receive it.
        rule: Cow<'static, str>,
        /// Approvers and times.
        terms: Arc<ApprovalTerms>,
    },
    /// The call is denied, and the target is not listed.
    Deny {
        /// Rule that denied the call, for the log; the client does not receive it.
        rule: Cow<'static, str>,
        /// Reason that the client receives with [`Error::Denied`](crate::Error::Denied). Without
        /// one, the call is answered as if the target did not exist.
        reason: Option<Arc<str>>,
    },
}

impl Decision {
    /// Requires that the caller confirms one call, because of `rule`.
    pub fn ask(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::ask_under(rule, ApprovalTerms::shared_default())
    }

    /// Requires approval under `terms`, because of `rule`.
    pub fn ask_under(rule: impl Into<Cow<'static, str>>, terms: Arc<ApprovalTerms>) -> Self {
        let rule = rule.into();
        Self::Ask { rule, terms }
    }

    /// Denies because of `rule`, and hides the target.
    pub fn deny(rule: impl Into<Cow<'static, str>>) -> Self {
        let rule = rule.into();
        Self::Deny { rule, reason: None }
    }

    /// Denies because of `rule`, and tells the client `reason`.
    pub fn deny_with_reason(
        rule: impl Into<Cow<'static, str>>,
        reason: impl Into<Arc<str>>,
    ) -> Self {
        Self::Deny {
            rule: rule.into(),
            reason: Some(reason.into()),
        }
    }

    /// Returns `true` if a list contains the target: it is allowed, or may be after approval.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        match self {
            Self::Allow | Self::Ask { .. } => true,
            Self::Deny { .. } => false,
        }
    }
}
