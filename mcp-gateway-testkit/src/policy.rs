//! Contract of [`Policy`].

use mcp_gateway_core::Caller;
use mcp_gateway_core::policy::{Policy, PolicyRequest};
use mcp_gateway_core::route::Target;

/// Checks `policy` with all pairs of `callers` and `targets`.
///
/// 1. A decision is the same each time, while the policy's configuration is.
/// 2. A policy that is uniform decides alike for all callers.
pub fn contract(policy: &dyn Policy, callers: &[Caller], targets: &[Target]) {
    for target in targets {
        let decide = |caller| policy.decide(&PolicyRequest::listing(caller, target));
        for caller in callers {
            let subject = caller.principal().subject();
            let decision = decide(caller);
            assert_eq!(decide(caller), decision, "{subject} at {target:?}, twice");
            if let (true, Some(first)) = (policy.is_uniform(), callers.first()) {
                assert_eq!(decision, decide(first), "{target:?}, for all callers");
            }
        }
    }
}
