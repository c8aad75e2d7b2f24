//! Contract of [`Approvals`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use mcp_gateway_core::approval::{
    Approval, ApprovalError, ApprovalRequest, ApprovalState, ApprovalSubject, ApprovalTerms,
    Approvals, Approvers,
};

/// Time within which a change must be signalled.
const SIGNAL: Duration = Duration::from_secs(10);

/// Checks `approvals`, and `other`, the same records at another replica (or the same value).
///
/// `decide` records the decision of somebody with the role `approver`, who is not the caller, about
/// the record with the given identifier. The contract uses principals of its own.
///
/// 1. The same call has one pending record, and one of a different caller, client, gateway, tool,
///    argument, rule or version has another one.
/// 2. The caller decides where the terms say so, and nobody else's record. Decisions are final.
/// 3. An approval is redeemed for its own call only, after the decision, each step once and in
///    order, however many try at once.
/// 4. An approval that holds for a time is redeemed any number of times.
/// 5. A redeemed or denied record is not found for the next call.
/// 6. A change at one replica is signalled at the other one.
/// 7. The pending records of a principal are bounded.
pub async fn contract(
    approvals: &dyn Approvals,
    other: &dyn Approvals,
    decide: impl AsyncFn(&str, bool),
) {
    calls_are_kept_apart(approvals, other).await;
    callers_decide_about_their_own(approvals, other).await;
    approvals_are_redeemed_once(approvals, other).await;
    calls_that_were_not_sent_keep_their_approval(approvals, other).await;
    denials_are_final(approvals, other, &decide).await;
    times_are_honored(approvals, other, &decide).await;
    changes_are_signalled(approvals, other, &decide).await;
    pending_records_are_bounded(approvals).await;
}

/// Returns a request of `principal` about the caller's confirmation of a call with `arguments`.
fn request(principal: &str, arguments: &str, terms: ApprovalTerms) -> ApprovalRequest {
    let subject = ApprovalSubject::new(principal, "main").with_tool("files", "delete");
    of(subject, arguments, terms)
}

fn of(subject: ApprovalSubject, arguments: &str, terms: ApprovalTerms) -> ApprovalRequest {
    let request = ApprovalRequest::new(subject, arguments, "contract", Arc::new(terms));
    request.unwrap_or_else(|error| panic!("a request: {error}"))
}

/// Returns terms by which somebody else decides.
fn others() -> ApprovalTerms {
    ApprovalTerms::default().with_approvers(Approvers::others(["approver"], []))
}

async fn open(approvals: &dyn Approvals, request: &ApprovalRequest) -> Approval {
    let opened = approvals.open(request).await;
    let approval = opened.unwrap_or_else(|error| panic!("a record opens: {error}"));
    assert_eq!(
        &approval.key,
        request.key(),
        "a record has the key of its call"
    );
    approval
}

async fn state(approvals: &dyn Approvals, id: &str) -> ApprovalState {
    let found = approvals.find(id).await;
    found
        .unwrap_or_else(|error| panic!("a record is found: {error}"))
        .state
}

async fn calls_are_kept_apart(approvals: &dyn Approvals, other: &dyn Approvals) {
    let terms = ApprovalTerms::default;
    let first = request("apart", r#"{"id":9007199254740992}"#, terms());
    let same = request("apart", r#" {"id": 9007199254740992} "#, terms());
    let (one, two) = tokio::join!(open(approvals, &first), open(other, &same));
    assert_eq!(one.state, ApprovalState::Pending, "a new record is pending");
    assert_eq!(one.id, two.id, "the same call has one record");
    let subject = || ApprovalSubject::new("apart", "main").with_tool("files", "delete");
    let arguments = r#"{"id":9007199254740992}"#;
    let different = [
        request("apart", r#"{"id":9007199254740993}"#, terms()),
        request("apart 2", arguments, terms()),
        request("apart", arguments, terms().with_version("2")),
        request("apart", arguments, others()),
        of(subject().with_client(Some("app")), arguments, terms()),
        of(subject().with_tool("files", "purge"), arguments, terms()),
        of(subject().with_tool("notes", "delete"), arguments, terms()),
    ];
    let mut ids = vec![one.id];
    for request in &different {
        let approval = open(approvals, request).await;
        assert!(
            !ids.contains(&approval.id),
            "another call has another record"
        );
        ids.push(approval.id);
    }
    let unknown = approvals.find("no-such-record").await;
    assert!(
        matches!(unknown, Err(ApprovalError::Unknown)),
        "{unknown:?}"
    );
}

async fn callers_decide_about_their_own(approvals: &dyn Approvals, other: &dyn Approvals) {
    let own = request("own", "{}", ApprovalTerms::default());
    let id = open(approvals, &own).await.id;
    let foreign = request("foreign", "{}", ApprovalTerms::default());
    let stolen = other.confirm(&id, foreign.key(), true).await;
    assert!(
        matches!(stolen, Err(ApprovalError::OtherCall)),
        "{stolen:?}"
    );
    for _ in 0..2 {
        let accepted = other.confirm(&id, own.key(), true).await;
        assert!(accepted.is_ok(), "the same decision twice: {accepted:?}");
    }
    let changed = approvals.confirm(&id, own.key(), false).await;
    assert!(
        matches!(changed, Err(ApprovalError::Decided)),
        "{changed:?}"
    );
    assert_eq!(open(approvals, &own).await.state, ApprovalState::Approved);

    let wanted = request("own", "{}", others());
    let id = open(approvals, &wanted).await.id;
    let refused = approvals.confirm(&id, wanted.key(), true).await;
    assert!(
        matches!(refused, Err(ApprovalError::NotApprover)),
        "{refused:?}"
    );
    assert_eq!(state(other, &id).await, ApprovalState::Pending);
}

async fn approvals_are_redeemed_once(approvals: &dyn Approvals, other: &dyn Approvals) {
    let call = request("once", "{}", ApprovalTerms::default());
    let id = open(approvals, &call).await.id;
    let early = approvals.redeem(&id, call.key(), 0).await;
    assert!(
        matches!(early, Err(ApprovalError::NotApproved)),
        "{early:?}"
    );
    approvals
        .confirm(&id, call.key(), true)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let foreign = request("once", r#"{"a":1}"#, ApprovalTerms::default());
    let stolen = approvals.redeem(&id, foreign.key(), 0).await;
    assert!(
        matches!(stolen, Err(ApprovalError::OtherCall)),
        "{stolen:?}"
    );
    let skipped = approvals.redeem(&id, call.key(), 1).await;
    assert!(
        matches!(skipped, Err(ApprovalError::Redeemed)),
        "{skipped:?}"
    );
    for step in 0..3 {
        let attempts = (0..10).map(|n| {
            let replica = if n % 2 == 0 { approvals } else { other };
            replica.redeem(&id, call.key(), step)
        });
        let results = join_all(attempts).await;
        let redeemed = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(redeemed, 1, "step {step} is redeemed once: {results:?}");
    }
    assert_eq!(state(other, &id).await, ApprovalState::Redeemed);
    for (step, is_last) in [(1, false), (3, false), (2, true), (2, false)] {
        let restored = other.restore(&id, call.key(), step).await;
        assert_eq!(restored.is_ok(), is_last, "step {step}: {restored:?}");
    }
    let again = approvals.redeem(&id, call.key(), 2).await;
    assert!(again.is_ok(), "a restored step: {again:?}");
    let next = open(other, &call).await;
    assert_ne!(next.id, id, "the next call has another record");
    assert_eq!(next.state, ApprovalState::Pending);
}

async fn calls_that_were_not_sent_keep_their_approval(
    approvals: &dyn Approvals,
    other: &dyn Approvals,
) {
    let call = request("unsent", "{}", ApprovalTerms::default());
    let id = open(approvals, &call).await.id;
    let early = approvals.restore(&id, call.key(), 0).await;
    assert!(matches!(early, Err(ApprovalError::Redeemed)), "{early:?}");
    for _ in 0..2 {
        let approved = other.confirm(&id, call.key(), true).await;
        assert!(approved.is_ok(), "{approved:?}");
        let redeemed = approvals.redeem(&id, call.key(), 0).await;
        assert!(redeemed.is_ok(), "{redeemed:?}");
        let foreign = request("unsent", r#"{"a":1}"#, ApprovalTerms::default());
        let stolen = other.restore(&id, foreign.key(), 0).await;
        assert!(
            matches!(stolen, Err(ApprovalError::OtherCall)),
            "{stolen:?}"
        );
        let restored = other.restore(&id, call.key(), 0).await;
        assert!(restored.is_ok(), "{restored:?}");
        let found = open(approvals, &call).await;
        assert_eq!(
            (found.id, found.state),
            (id.clone(), ApprovalState::Approved)
        );
    }
    let denied = approvals.confirm(&id, call.key(), false).await;
    assert!(matches!(denied, Err(ApprovalError::Decided)), "{denied:?}");
}

async fn denials_are_final(
    approvals: &dyn Approvals,
    other: &dyn Approvals,
    decide: &impl AsyncFn(&str, bool),
) {
    let call = request("denied", "{}", others());
    let id = open(approvals, &call).await.id;
    decide(&id, false).await;
    let state = state(other, &id).await;
    assert!(matches!(state, ApprovalState::Denied { .. }), "{state:?}");
    let redeemed = other.redeem(&id, call.key(), 0).await;
    assert!(
        matches!(redeemed, Err(ApprovalError::NotApproved)),
        "{redeemed:?}"
    );
    assert_ne!(
        open(other, &call).await.id,
        id,
        "the next call has another record"
    );
}

async fn times_are_honored(
    approvals: &dyn Approvals,
    other: &dyn Approvals,
    decide: &impl AsyncFn(&str, bool),
) {
    let call = request(
        "times",
        "{}",
        others().with_valid_for(Duration::from_secs(3600)),
    );
    let id = open(approvals, &call).await.id;
    decide(&id, true).await;
    for replica in [approvals, other, approvals] {
        let redeemed = replica.redeem(&id, call.key(), 0).await;
        assert!(redeemed.is_ok(), "an approval for a time: {redeemed:?}");
    }
    let found = open(other, &call).await;
    assert_eq!((found.id, found.state), (id, ApprovalState::Approved));

    let over = request("times", r#"{"a":1}"#, others().with_timeout(Duration::ZERO));
    let id = open(approvals, &over).await.id;
    let redeemed = other.redeem(&id, over.key(), 0).await;
    assert!(
        matches!(
            redeemed,
            Err(ApprovalError::Expired | ApprovalError::NotApproved)
        ),
        "{redeemed:?}"
    );
    assert_eq!(state(other, &id).await, ApprovalState::Expired);
    assert_ne!(
        open(other, &over).await.id,
        id,
        "an expired record is not found"
    );
}

async fn changes_are_signalled(
    approvals: &dyn Approvals,
    other: &dyn Approvals,
    decide: &impl AsyncFn(&str, bool),
) {
    let call = request("signalled", "{}", others());
    let id = open(approvals, &call).await.id;
    let mut changes = other.changes(&id);
    decide(&id, true).await;
    // An item may be spurious.
    while state(other, &id).await == ApprovalState::Pending {
        let signal = tokio::time::timeout(SIGNAL, changes.next()).await;
        assert!(matches!(signal, Ok(Some(()))), "a decision is signalled");
    }
}

async fn pending_records_are_bounded(approvals: &dyn Approvals) {
    for n in 0..10_000 {
        let arguments = format!(r#"{{"n":{n}}}"#);
        let call = request("bounded", &arguments, ApprovalTerms::default());
        match approvals.open(&call).await {
            Ok(_) => {}
            Err(ApprovalError::TooMany) => return,
            Err(error) => panic!("a record opens: {error}"),
        }
    }
    panic!("pending records are not bounded");
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway_core::approval::MemoryApprovals;

    #[tokio::test]
    async fn approvals_in_memory_keep_the_contract() {
        let approvals = MemoryApprovals::new();
        contract(&approvals, &approvals, async |id: &str, accept| {
            approvals.decide(id, accept, None).unwrap();
        })
        .await;
    }
}
