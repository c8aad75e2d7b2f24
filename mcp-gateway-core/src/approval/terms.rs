//! Terms of an approval, as a rule sets them.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::arguments::sha256;

/// Terms under which a rule permits a call: its approvers, and the times.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::approval::{ApprovalTerms, Approvers};
///
/// let terms = ApprovalTerms::default();
/// assert_eq!(terms.approvers(), &Approvers::Caller);
/// assert_eq!(terms.timeout(), Duration::from_secs(600));
/// assert_eq!(terms.valid_for(), None);
///
/// let terms = terms.with_approvers(Approvers::others(["admin"], ["security"]));
/// assert!(terms.approvers().include(&["admin".into()], &[]));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct ApprovalTerms {
    approvers: Approvers,
    timeout: Duration,
    valid_for: Option<Duration>,
    reason: Option<Arc<str>>,
    version: Option<Arc<str>>,
}

/// Principals that decide about a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Approvers {
    /// The caller confirms the call.
    Caller,
    /// Somebody other than the caller, with one of the roles or in one of the teams.
    Others {
        /// Roles.
        roles: Vec<Arc<str>>,
        /// Teams.
        teams: Vec<Arc<str>>,
    },
}

impl ApprovalTerms {
    /// Default time for a decision: ten minutes, as for questions of servers.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
    /// Maximum time for a decision, and maximum time for which an approval holds: seven days.
    pub const MAX_TIME: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Returns the default terms, which are shared.
    pub(crate) fn shared_default() -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<ApprovalTerms>> = LazyLock::new(Arc::default);
        Arc::clone(&DEFAULT)
    }

    /// Sets the principals that decide.
    pub fn with_approvers(self, approvers: Approvers) -> Self {
        Self { approvers, ..self }
    }

    /// Sets the time for a decision, at most [`MAX_TIME`](Self::MAX_TIME). An approved call must be
    /// sent within the same time after the decision.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let timeout = timeout.min(Self::MAX_TIME);
        Self { timeout, ..self }
    }

    /// Sets the time for which an approval permits the same call any number of times, at most
    /// [`MAX_TIME`](Self::MAX_TIME).
    pub fn with_valid_for(self, time: Duration) -> Self {
        let valid_for = Some(time.min(Self::MAX_TIME));
        Self { valid_for, ..self }
    }

    /// Sets the reason that is shown to the approver and the caller.
    pub fn with_reason(self, reason: impl Into<Arc<str>>) -> Self {
        let reason = Some(reason.into());
        Self { reason, ..self }
    }

    /// Sets the version of the rules. An approval given under another one is void.
    pub fn with_version(self, version: impl Into<Arc<str>>) -> Self {
        let version = Some(version.into());
        Self { version, ..self }
    }

    /// Sets the version to a digest of `rules`, a text that describes all of them.
    pub fn with_version_of(self, rules: &str) -> Self {
        self.with_version(sha256(rules))
    }

    /// Returns the principals that decide.
    #[must_use]
    pub fn approvers(&self) -> &Approvers {
        &self.approvers
    }

    /// Returns the time for a decision.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the time for which an approval holds; `None` if it is for one call.
    #[must_use]
    pub fn valid_for(&self) -> Option<Duration> {
        self.valid_for
    }

    /// Returns the reason that is shown.
    #[must_use]
    pub fn reason(&self) -> Option<&Arc<str>> {
        self.reason.as_ref()
    }

    /// Returns the version of the rules.
    #[must_use]
    pub fn version(&self) -> Option<&Arc<str>> {
        self.version.as_ref()
    }
}

impl Default for ApprovalTerms {
    /// Returns terms by which the caller confirms one call within ten minutes.
    fn default() -> Self {
        Self {
            approvers: Approvers::Caller,
            timeout: Self::DEFAULT_TIMEOUT,
            valid_for: None,
            reason: None,
            version: None,
        }
    }
}

impl Approvers {
    /// Creates approvers other than the caller. Without any role or team, nobody approves.
    #[must_use]
    pub fn others<'a>(
        roles: impl IntoIterator<Item = &'a str>,
        teams: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Others {
            roles: roles.into_iter().map(Arc::from).collect(),
            teams: teams.into_iter().map(Arc::from).collect(),
        }
    }

    /// Returns `true` if the caller decides.
    #[must_use]
    pub fn is_caller(&self) -> bool {
        matches!(self, Self::Caller)
    }

    /// Returns `true` if somebody else with `roles` and `teams` may decide.
    #[must_use]
    pub fn include(&self, roles: &[Arc<str>], teams: &[Arc<str>]) -> bool {
        match self {
            Self::Caller => false,
            Self::Others {
                roles: wanted_roles,
                teams: wanted_teams,
            } => {
                wanted_roles.iter().any(|role| roles.contains(role))
                    || wanted_teams.iter().any(|team| teams.contains(team))
            }
        }
    }
}

impl fmt::Display for Approvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Others { roles, teams } = self else {
            return f.write_str("the caller");
        };
        let roles = roles.iter().map(|role| format!("the role {role:?}"));
        let teams = teams.iter().map(|team| format!("the team {team:?}"));
        let names: Vec<_> = roles.chain(teams).collect();
        match names.is_empty() {
            true => f.write_str("nobody"),
            false => write!(f, "somebody with {}", names.join(" or ")),
        }
    }
}
