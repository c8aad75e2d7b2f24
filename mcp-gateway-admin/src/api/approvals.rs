//! `/approvals`.

use axum::Json;
use axum::extract::State;
use mcp_gateway_approval::{ApprovalRecord, DecidedBy, Decision, Status};
use mcp_gateway_core::auth::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminApi;
use super::access::Member;
use super::extract::{Body, Filter, Id};
use super::page::{Page, check_length, valid_cursor, valid_limit};
use super::problem::{ApiError, Problem};
use super::requests::check_text;

/// Approval of a call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CallApproval)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalDocument {
    /// Identifier.
    pub id: String,
    /// Status.
    pub status: Status,
    /// Subject of the caller.
    pub caller: String,
    /// Display name of the caller.
    pub caller_name: Option<String>,
    /// OAuth client of the caller.
    pub client: Option<String>,
    /// Name of the gateway.
    pub gateway: String,
    /// Name of the server.
    pub server: String,
    /// Name of the tool at the server.
    pub tool: String,
    /// Arguments as JSON, with masked secrets. A text of more than 16 KiB is cut.
    pub arguments: String,
    /// Digest of the unmasked arguments.
    pub digest: String,
    /// Rule that requires the approval.
    pub rule: String,
    /// Reason of the rule.
    pub reason: Option<String>,
    /// Principals that decide.
    pub approvers: ApproversDocument,
    /// `true` if the sender of this request may decide now.
    pub may_decide: bool,
    /// Time of the request, in seconds since the Unix epoch.
    pub created: u64,
    /// End of the wait for a decision, or of the approval, in seconds since the Unix epoch.
    pub expires: u64,
    /// Time in seconds for which an approval holds; `null` if it is for one call.
    pub valid_for: Option<u64>,
    /// Decision; `null` without one.
    pub decision: Option<Decision>,
    /// Time of the first call, in seconds since the Unix epoch.
    pub redeemed: Option<u64>,
}

/// Principals that decide about a call.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Approvers)]
#[non_exhaustive]
pub struct ApproversDocument {
    /// `true` if the caller decides; otherwise somebody else with one of the roles or teams.
    pub caller: bool,
    /// Roles.
    pub roles: Vec<String>,
    /// Teams.
    pub teams: Vec<String>,
}

/// Selection of approvals.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalQuery {
    /// Status.
    #[param(inline)]
    status: Option<Status>,
    /// Subject of the caller.
    #[param(max_length = 512)]
    caller: Option<String>,
    /// Name of the gateway.
    #[param(max_length = 512)]
    gateway: Option<String>,
    /// Name of the server.
    #[param(max_length = 512)]
    server: Option<String>,
    /// Name of the tool at the server.
    #[param(max_length = 512)]
    tool: Option<String>,
    /// Maximum number of entries.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: `next` of the page before it.
    #[param(max_length = 2048, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    after: Option<String>,
}

/// Decision about a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDecision {
    /// Answer.
    decision: Answer,
    /// Reason, for the caller.
    #[schema(min_length = 1, max_length = 1000)]
    reason: Option<String>,
}

/// Answer of an approver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Answer {
    /// The call may be made.
    Approve,
    /// The call is rejected.
    Deny,
}

/// Returns approvals, ordered by time: all for administrators, and otherwise those about which the
/// caller may decide, and of own calls.
#[utoipa::path(
    get, path = "/approvals", tag = "approvals", operation_id = "listApprovals", params(ApprovalQuery),
    responses((status = 200, body = Page<ApprovalDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    member: Member,
    Filter(query): Filter<ApprovalQuery>,
) -> Result<Json<Page<ApprovalDocument>>, ApiError> {
    let approvals = api.approvals()?;
    query.check()?;
    let (limit, after) = (
        valid_limit(query.limit)?,
        valid_cursor(query.after.as_deref())?,
    );
    let now = approvals.now();
    let select = |record: &ApprovalRecord| query.selects(record, now) && sees(&member, record);
    let page = approvals.list(&select, after, limit).await?;
    let items = page.items.into_iter();
    Ok(Json(Page {
        items: items
            .map(|record| document(record, now, member.principal()))
            .collect(),
        next: page.next,
    }))
}

/// Returns an approval that the caller sees.
#[utoipa::path(
    get, path = "/approvals/{id}", tag = "approvals", operation_id = "getApproval", params(("id" = String, Path)),
    responses((status = 200, body = ApprovalDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    member: Member,
    Id(id): Id,
) -> Result<Json<ApprovalDocument>, ApiError> {
    let record = visible(&api, &member, &id).await?;
    let now = api.approvals()?.now();
    Ok(Json(document(record, now, member.principal())))
}

/// Decides about a call. The same answer again has no effect; another one is a conflict.
///
/// Where the rule names approvers, nobody decides about their own call, and API tokens of teams and
/// of the organization do not decide.
#[utoipa::path(
    post, path = "/approvals/{id}/decision", tag = "approvals", operation_id = "decideApproval",
    request_body = NewDecision, params(("id" = String, Path)),
    responses((status = 200, body = ApprovalDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn decide(
    State(api): State<AdminApi>,
    member: Member,
    Id(id): Id,
    Body(new): Body<NewDecision>,
) -> Result<Json<ApprovalDocument>, ApiError> {
    check_text("reason", new.reason.as_deref())?;
    visible(&api, &member, &id).await?;
    let approvals = api.approvals()?;
    let answer = (member.principal(), new.decision == Answer::Approve);
    let record = approvals.decide(&id, answer, new.reason).await?;
    Ok(Json(document(record, approvals.now(), member.principal())))
}

/// Returns the approval `id`, if `member` sees it.
async fn visible(api: &AdminApi, member: &Member, id: &str) -> Result<ApprovalRecord, ApiError> {
    let found = api.approvals()?.get(id).await?.map(|found| found.value);
    let found = found.filter(|record| sees(member, record));
    found.ok_or(ApiError::NotFound)
}

fn sees(member: &Member, record: &ApprovalRecord) -> bool {
    member.is_admin() || record.is_visible_to(member.principal())
}

impl ApprovalQuery {
    /// Checks the lengths of the filters.
    fn check(&self) -> Result<(), ApiError> {
        for (name, text) in [
            ("caller", &self.caller),
            ("gateway", &self.gateway),
            ("server", &self.server),
            ("tool", &self.tool),
        ] {
            check_length(name, text.as_deref(), MAX_FILTER)?;
        }
        Ok(())
    }

    /// Returns `true` if the query selects `record` at `now`.
    fn selects(&self, record: &ApprovalRecord, now: u64) -> bool {
        let call = &record.call;
        let is_one = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        self.status
            .is_none_or(|status| status == record.status_at(now))
            && is_one(&self.caller, &call.subject)
            && is_one(&self.gateway, &call.gateway)
            && is_one(&self.server, &call.server)
            && is_one(&self.tool, &call.tool)
    }
}

/// Returns the document of `record` at `now`, for `principal`.
fn document(record: ApprovalRecord, now: u64, principal: &Principal) -> ApprovalDocument {
    let status = record.status_at(now);
    let may_decide = status == Status::Pending && record.check_approver(principal).is_ok();
    let (call, state) = (record.call, record.state);
    ApprovalDocument {
        id: record.id,
        status,
        caller: call.subject,
        caller_name: call.name,
        client: call.client,
        gateway: call.gateway,
        server: call.server,
        tool: call.tool,
        arguments: call.arguments,
        digest: call.digest,
        rule: record.rule,
        reason: record.reason,
        approvers: record.approvers.into(),
        may_decide,
        created: state.created(),
        expires: state.expires(),
        valid_for: state.terms().valid_for,
        decision: state.decision().cloned(),
        redeemed: state.redeemed(),
    }
}

impl From<DecidedBy> for ApproversDocument {
    fn from(approvers: DecidedBy) -> Self {
        match approvers {
            DecidedBy::Caller => Self {
                caller: true,
                roles: Vec::new(),
                teams: Vec::new(),
            },
            DecidedBy::Others { roles, teams } => Self {
                caller: false,
                roles,
                teams,
            },
        }
    }
}

/// Maximum length of a filter in characters.
const MAX_FILTER: usize = 512;
