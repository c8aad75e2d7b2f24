//! Stored approvals.

use mcp_gateway_core::approval::{ApprovalRequest, Approvers};
use mcp_gateway_core::auth::Principal;
use serde::{Deserialize, Serialize};

use crate::{Lifecycle, Status};

/// An approval: what will run, and its state.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ApprovalRecord {
    /// Identifier; ordered by time.
    pub id: String,
    /// The call.
    pub call: RecordedCall,
    /// Rule that requires the approval.
    pub rule: String,
    /// Reason of the rule, for people.
    pub reason: Option<String>,
    /// Principals that decide.
    pub approvers: DecidedBy,
    /// State.
    pub state: Lifecycle,
}

/// A call as an approver sees it, and what an approval of it covers.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedCall {
    /// Subject of the caller.
    pub subject: String,
    /// Display name of the caller.
    pub name: Option<String>,
    /// OAuth client of the caller.
    pub client: Option<String>,
    /// Name of the gateway.
    pub gateway: String,
    /// Name of the server.
    pub server: String,
    /// Name of the tool at the server.
    pub tool: String,
    /// Arguments as JSON, with masked secrets. A long text is cut.
    pub arguments: String,
    /// Digest of the canonical arguments.
    pub digest: String,
    /// Key of the call: an approval is for calls with the same key.
    pub key: String,
}

/// Principals that decide about a call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "callers match it")]
pub enum DecidedBy {
    /// The caller confirms the own call.
    Caller,
    /// Somebody else with one of the roles, or in one of the teams.
    Others {
        /// Roles.
        roles: Vec<String>,
        /// Teams.
        teams: Vec<String>,
    },
}

/// The reason for which a principal may not decide about a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotApprover {
    /// The principal has none of the roles and teams, or the caller decides.
    #[error("the rule lets others decide about this call")]
    Other,
    /// The call is the principal's own.
    #[error("nobody decides about their own call")]
    Own,
    /// The principal is a program, such as an API token of a team.
    #[error("a person decides about this call, with a token of their own")]
    Program,
}

impl ApprovalRecord {
    /// Returns the status at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn status_at(&self, now: u64) -> Status {
        self.state.status_at(now)
    }

    /// Checks that `principal` may decide about the call.
    ///
    /// Principals are compared by their subjects, which all tokens and clients of a user share.
    ///
    /// # Errors
    ///
    /// [`NotApprover`] if the principal may not.
    pub fn check_approver(&self, principal: &Principal) -> Result<(), NotApprover> {
        let is_own = principal.subject() == self.call.subject;
        match &self.approvers {
            DecidedBy::Caller if is_own => Ok(()),
            DecidedBy::Caller => Err(NotApprover::Other),
            DecidedBy::Others { .. } if is_own => Err(NotApprover::Own),
            DecidedBy::Others { roles, teams } => {
                let has_role = principal.roles().iter().any(|role| contains(roles, role));
                let has_team = principal.teams().iter().any(|team| contains(teams, team));
                if !has_role && !has_team {
                    return Err(NotApprover::Other);
                }
                match is_program(principal.subject()) {
                    true => Err(NotApprover::Program),
                    false => Ok(()),
                }
            }
        }
    }

    /// Returns `true` if `principal` may see the call: it is the principal's own, or the principal
    /// may decide about it.
    #[must_use]
    pub fn is_visible_to(&self, principal: &Principal) -> bool {
        principal.subject() == self.call.subject || self.check_approver(principal).is_ok()
    }
}

impl RecordedCall {
    /// Returns the call of `request`.
    pub(crate) fn of(request: &ApprovalRequest) -> Self {
        let subject = &request.subject;
        Self {
            subject: subject.principal.to_string(),
            name: subject.name.as_deref().map(str::to_owned),
            client: subject.client.as_deref().map(str::to_owned),
            gateway: subject.gateway.to_string(),
            server: subject.server.to_string(),
            tool: subject.tool.to_string(),
            arguments: request.arguments.to_string(),
            digest: request.digest.to_string(),
            key: request.key().as_str().to_owned(),
        }
    }
}

impl DecidedBy {
    /// Returns the principals that `approvers` are.
    pub(crate) fn of(approvers: &Approvers) -> Self {
        match approvers {
            Approvers::Caller => Self::Caller,
            Approvers::Others { roles, teams } => Self::Others {
                roles: roles.iter().map(ToString::to_string).collect(),
                teams: teams.iter().map(ToString::to_string).collect(),
            },
            // Nobody decides under terms that are not known.
            _ => Self::Others {
                roles: Vec::new(),
                teams: Vec::new(),
            },
        }
    }
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known == name)
}

/// Returns `true` for subjects of API tokens of teams and of the organization, and of workloads:
/// nobody can tell which person is behind them.
fn is_program(subject: &str) -> bool {
    PROGRAMS.iter().any(|prefix| subject.starts_with(prefix))
}

/// Prefixes of the subjects of programs.
const PROGRAMS: [&str; 2] = ["token:", "workload:"];

impl std::fmt::Debug for RecordedCall {
    /// Omits the arguments.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedCall")
            .field("subject", &self.subject)
            .field("client", &self.client)
            .field("gateway", &self.gateway)
            .field("server", &self.server)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terms;

    fn record(approvers: DecidedBy) -> ApprovalRecord {
        let terms = Terms {
            wait: 60,
            valid_for: None,
        };
        ApprovalRecord {
            id: "apr_1".to_owned(),
            call: RecordedCall {
                subject: "bob".to_owned(),
                name: None,
                client: Some("editor".to_owned()),
                gateway: "main".to_owned(),
                server: "files".to_owned(),
                tool: "delete".to_owned(),
                arguments: r#"{"path":"/etc/secret"}"#.to_owned(),
                digest: String::new(),
                key: String::new(),
            },
            rule: "deletes".to_owned(),
            reason: None,
            approvers,
            state: Lifecycle::new(terms, 1_000),
        }
    }

    #[test]
    fn category_decision_a_person_with_a_role_or_team_decides_about_the_calls_of_others() {
        let record = record(DecidedBy::Others {
            roles: vec!["admin".to_owned()],
            teams: vec!["finance".to_owned()],
        });
        let table = [
            (Principal::new("carol").with_team("finance"), Ok(())),
            (Principal::new("dave").with_role("admin"), Ok(())),
            (
                Principal::new("erin").with_team("sales"),
                Err(NotApprover::Other),
            ),
            (
                Principal::new("erin").with_team("admin"),
                Err(NotApprover::Other),
            ),
            (
                Principal::new("erin").with_role("finance"),
                Err(NotApprover::Other),
            ),
            (
                Principal::new("bob").with_team("finance"),
                Err(NotApprover::Own),
            ),
            // Another client of the same user is the same person.
            (
                Principal::new("bob")
                    .with_role("admin")
                    .with_client("console"),
                Err(NotApprover::Own),
            ),
            (
                Principal::new("token:t-1").with_team("finance"),
                Err(NotApprover::Program),
            ),
            (
                Principal::new("workload:ci:app").with_role("admin"),
                Err(NotApprover::Program),
            ),
        ];
        for (principal, expected) in table {
            assert_eq!(record.check_approver(&principal), expected, "{principal:?}");
        }
        assert!(record.is_visible_to(&Principal::new("bob")));
        assert!(!record.is_visible_to(&Principal::new("erin")));
    }

    #[test]
    fn category_decision_a_caller_who_confirms_is_the_only_one() {
        let record = record(DecidedBy::Caller);
        assert_eq!(record.check_approver(&Principal::new("bob")), Ok(()));
        let admin = Principal::new("dave").with_role("admin");
        assert_eq!(record.check_approver(&admin), Err(NotApprover::Other));
        assert!(!format!("{record:?}").contains("/etc/secret"));
    }
}
