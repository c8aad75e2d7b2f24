//! The state machine against a model that remembers everything.

use proptest::prelude::*;

use super::*;

/// Change of an approval.
#[derive(Clone, Copy, Debug)]
enum Event {
    Decide(bool),
    Expire,
    /// The call, or this step.
    Redeem(u32),
}

/// All that has been acknowledged.
#[derive(Debug, Default)]
struct History {
    decided: Option<(bool, u64)>,
    redeemed: Vec<(u32, u64)>,
    swept: bool,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<bool>().prop_map(Event::Decide),
        1 => Just(Event::Expire),
        4 => (0_u32..3).prop_map(Event::Redeem),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn category_approval_it_ends_once_as_decided(
        wait in 1_u64..30,
        valid_for in proptest::option::of(1_u64..40),
        events in proptest::collection::vec((0_u64..12, event()), 1..24),
    ) {
        let terms = Terms { wait, valid_for };
        let (mut now, mut seen) = (1_000, History::default());
        let mut approval = Lifecycle::new(terms, now);
        for (pause, event) in events {
            now += pause;
            apply(&mut approval, &mut seen, (event, now));
            check(&approval, &seen, now);
            // Whatever is stored is what goes on.
            let stored = serde_json::to_string(&approval).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Lifecycle>(&stored).unwrap(), &approval);
        }
    }
}

fn apply(approval: &mut Lifecycle, seen: &mut History, (event, now): (Event, u64)) {
    let before = approval.clone();
    let unchanged = match event {
        Event::Decide(approved) => {
            let decision = Decision {
                approved,
                ..Decision::approve("alice", now)
            };
            let decided = approval.decide(&decision);
            let is_open = seen.decided.is_none() && now < before.created + before.terms.wait;
            match (seen.decided, is_open) {
                (Some((earlier, _)), _) if earlier == approved => {
                    assert_eq!(decided, Ok(Change::None))
                }
                (Some(_), _) => assert_eq!(decided, Err(DecideError::Decided)),
                (None, true) => {
                    assert_eq!(decided, Ok(Change::Made));
                    seen.decided = Some((approved, now));
                }
                (None, false) => assert_eq!(decided, Err(DecideError::Expired)),
            }
            decided != Ok(Change::Made)
        }
        Event::Expire => {
            let change = approval.expire(now);
            seen.swept |= change == Change::Made;
            change == Change::None
        }
        Event::Redeem(step) => {
            let redeemed = approval.redeem(step, now);
            if redeemed.is_ok() {
                seen.redeemed.push((step, now));
            }
            redeemed != Ok(Change::Made)
        }
    };
    assert!(
        !unchanged || *approval == before,
        "{event:?} {before:?} {approval:?}"
    );
}

/// Checks what must hold, in terms of what has been acknowledged.
fn check(approval: &Lifecycle, seen: &History, now: u64) {
    let Terms { wait, valid_for } = approval.terms;
    let status = approval.status_at(now);
    match seen.decided {
        None => {
            assert!(seen.redeemed.is_empty());
            let expected = match now < approval.created + wait {
                true => Status::Pending,
                false => Status::Expired,
            };
            assert_eq!(status, expected);
        }
        Some((false, _)) => {
            assert!(seen.redeemed.is_empty());
            assert_eq!(status, Status::Denied);
        }
        Some((true, at)) => {
            let end = at + valid_for.unwrap_or(wait);
            assert!(
                seen.redeemed
                    .iter()
                    .all(|(_, redeemed)| (at..end).contains(redeemed))
            );
            let is_used = valid_for.is_none() && !seen.redeemed.is_empty();
            let expected = match (is_used, now < end) {
                (true, _) => Status::Redeemed,
                (false, true) => Status::Approved,
                (false, false) => Status::Expired,
            };
            assert_eq!(status, expected);
        }
    }
    if valid_for.is_none() {
        // Each step once, and in order.
        let steps = seen.redeemed.iter().map(|(step, _)| *step);
        assert!(
            steps.eq(0..u32::try_from(seen.redeemed.len()).unwrap()),
            "{seen:?}"
        );
    }
    assert_eq!(
        approval.redeemed(),
        seen.redeemed.first().map(|(_, at)| *at)
    );
    let made = approval.decision().map(|made| (made.approved, made.at));
    assert_eq!(made, seen.decided);
}

#[test]
fn a_decision_at_the_last_second_can_be_used() {
    let terms = Terms {
        wait: 600,
        valid_for: None,
    };
    let mut approval = Lifecycle::new(terms, 1_000);
    assert_eq!(
        approval.decide(&Decision::approve("alice", 1_599)),
        Ok(Change::Made)
    );
    assert_eq!(approval.status_at(2_198), Status::Approved);
    assert_eq!(approval.redeem(0, 2_199), Err(RedeemError::Expired));
    let mut late = Lifecycle::new(terms, 1_000);
    assert_eq!(
        late.decide(&Decision::approve("alice", 1_600)),
        Err(DecideError::Expired)
    );
    assert_eq!(late.expire(1_600), Change::Made);
    assert_eq!(late.expire(1_600), Change::None);
}
