//! The problems of calls that require approval.

use http::StatusCode;

use super::{Problem, Variation};
use crate::approval::{Approvers, Unapproved};
use crate::jsonrpc::code;

/// Returns the problem of a call that requires approval and has none.
pub(super) fn unapproved(cause: &Unapproved) -> Problem {
    let problem = |reason, message: String| {
        Problem::new(StatusCode::OK, code::INVALID_REQUEST, reason, message)
            .with_variation(Variation::Solvable)
    };
    match cause {
        Unapproved::Ambiguous => problem(
            "ambiguous_arguments",
            "The call requires approval, and its arguments have more than one meaning: an object has \
             a member twice, or a string is not Unicode"
                .to_owned(),
        ),
        Unapproved::Declined => problem("declined", "The user has declined the call".to_owned()),
        Unapproved::Denied { reason: None } => {
            problem("denied", "An approver has denied the call".to_owned())
        }
        Unapproved::Denied {
            reason: Some(reason),
        } => problem(
            "denied",
            format!("An approver has denied the call: {reason}"),
        ),
        Unapproved::Expired => problem(
            "approval_expired",
            "The call requires approval, and nobody has decided in time".to_owned(),
        ),
        Unapproved::Impossible => problem(
            "approval_required",
            "The call requires approval, and nobody has approved it".to_owned(),
        ),
        Unapproved::Pending { id, approvers } => {
            problem("approval_required", pending(id, approvers)).with_data("approval", &**id)
        }
        Unapproved::TooMany => problem(
            "too_many_approvals",
            "The call requires approval, and too many calls of yours wait for one".to_owned(),
        ),
        Unapproved::Unavailable => problem(
            "approvals_unavailable",
            "The call requires approval, and approvals are unavailable; try again later".to_owned(),
        ),
        Unapproved::Void => problem(
            "approval_void",
            "The approval of the call is void; send the call again".to_owned(),
        ),
    }
}

fn pending(id: &str, approvers: &Approvers) -> String {
    match approvers {
        Approvers::Caller => format!(
            "The call requires approval, and the client cannot ask you for it. Approve it with \
             `mcp-gateway approval approve {id}` or the API of the gateway, then send the same call \
             again"
        ),
        Approvers::Others { .. } => format!(
            "The call requires approval by {approvers}. Send the same call again once {id} is \
             approved"
        ),
    }
}
