//! Tests of rules on the trust in the context.

use super::*;

#[test]
fn an_untrusted_context_changes_lists_and_calls_alike() {
    let rules = Rules::new([
        Rule::new("no mail", HIDDEN)
            .with_tools(["send"])
            .with_untrusted(true),
        Rule::new("no deletion", HIDDEN)
            .with_tools(["delete"])
            .with_condition(condition("context.untrusted && tool.name == 'delete'")),
    ]);
    assert!(!rules.is_uniform());
    let alice = caller("alice", &[]);
    for tool in ["send", "delete", "read"] {
        let target = target(tool);
        let listing = PolicyRequest::listing(&alice, &target);
        for request in [listing, listing.with_arguments("{}")] {
            let decide = |untrusted: bool| rules.decide_in(("main", Some(&|| untrusted)), &request);
            assert_eq!(decide(false), Decision::Allow, "{tool}");
            assert_eq!(decide(true).is_listed(), tool == "read", "{tool}");
        }
        assert_eq!(rules.reads_trust("main", &target), tool != "read");
    }
}
