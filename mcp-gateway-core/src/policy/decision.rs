//! Decisions of a policy.

use std::borrow::Cow;

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
    /// The call requires approval. It is rejected with
    /// [`Error::ApprovalRequired`](crate::Error::ApprovalRequired) unless a layer before
    /// [`Authorize`](crate::layer::authorize::Authorize) has obtained it.
    Ask {
        /// Rule that requires the approval, for the log and the approver; the client does not
        /// receive it.
        rule: Cow<'static, str>,
    },
    /// The call is denied, and the target is hidden.
    Deny {
        /// Rule that denied the call, for the log; the client does not receive it.
        rule: Cow<'static, str>,
    },
}

impl Decision {
    /// Requires approval because of `rule`.
    pub fn ask(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Ask { rule: rule.into() }
    }

    /// Denies because of `rule`.
    pub fn deny(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny { rule: rule.into() }
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
