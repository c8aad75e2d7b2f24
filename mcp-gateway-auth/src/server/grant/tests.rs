use proptest::prelude::*;

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const LIMITS: RefreshLimits = RefreshLimits {
    idle: 1_000,
    absolute: 3_000,
    grace: 30,
};

fn offered() -> Grant {
    Grant {
        client: "c".into(),
        person: "p".into(),
        scopes: Scopes::new(),
        resources: Vec::new(),
        authenticated_at: 0,
        created: 0,
        offer: Offer {
            challenge: Challenge::parse(CHALLENGE).unwrap(),
            redirect_uri: "https://c.example/cb".into(),
            redirect_was_sent: true,
            expires: 60,
        },
        state: State::Offered,
    }
}

fn right() -> Redemption<'static> {
    Redemption {
        client: "c",
        redirect_uri: Some("https://c.example/cb"),
        verifier: VERIFIER,
    }
}

#[test]
fn a_code_is_good_for_its_client_once() {
    let mut grant = offered();
    let wrong = [
        Redemption {
            client: "d",
            ..right()
        },
        Redemption {
            redirect_uri: None,
            ..right()
        },
        Redemption {
            redirect_uri: Some("https://c.example/cb/"),
            ..right()
        },
        Redemption {
            verifier: CHALLENGE,
            ..right()
        },
    ];
    for redemption in &wrong {
        assert_eq!(grant.redeem(redemption, 1), Step::Refuse);
    }
    assert_eq!(grant.redeem(&right(), 60), Step::Refuse, "too late");
    let active = State::Active {
        generation: 0,
        rotated: 59,
    };
    assert_eq!(grant.redeem(&right(), 59), Step::Advance(active));

    grant.state = active;
    for redemption in &wrong {
        assert_eq!(
            grant.redeem(redemption, 59),
            Step::Refuse,
            "nothing is revoked"
        );
    }
    assert_eq!(grant.redeem(&right(), 500), Step::Revoke);
    grant.state = State::Revoked;
    assert_eq!(grant.redeem(&right(), 59), Step::Refuse);
}

#[test]
fn a_refresh_token_that_was_rotated_is_good_for_a_moment() {
    let mut grant = offered();
    assert_eq!(
        grant.refresh("c", 0, LIMITS, 1),
        Step::Refuse,
        "not redeemed yet"
    );
    grant.state = State::Active {
        generation: 3,
        rotated: 100,
    };
    let next = State::Active {
        generation: 4,
        rotated: 110,
    };
    assert_eq!(grant.refresh("c", 3, LIMITS, 110), Step::Advance(next));
    assert_eq!(
        grant.refresh("c", 2, LIMITS, 129),
        Step::Repeat { generation: 3 }
    );
    assert_eq!(grant.refresh("c", 2, LIMITS, 130), Step::Revoke);
    assert_eq!(grant.refresh("c", 1, LIMITS, 110), Step::Revoke);
    assert_eq!(
        grant.refresh("c", 4, LIMITS, 110),
        Step::Refuse,
        "never issued"
    );
    assert_eq!(
        grant.refresh("d", 1, LIMITS, 110),
        Step::Refuse,
        "somebody else's"
    );
    assert_eq!(
        grant.refresh("c", 3, LIMITS, 1_100),
        Step::Refuse,
        "idle for too long"
    );
    grant.state = State::Active {
        generation: 3,
        rotated: 2_900,
    };
    assert_eq!(
        grant.refresh("c", 3, LIMITS, 3_000),
        Step::Refuse,
        "too old"
    );
}

/// An action on a grant.
#[derive(Clone, Copy, Debug)]
enum Act {
    Redeem { right: bool },
    Refresh { back: u32, right: bool },
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(|right| Act::Redeem { right }),
        (0..4u32, prop::bool::weighted(0.9)).prop_map(|(back, right)| Act::Refresh { back, right }),
        (0..80u64).prop_map(Act::Wait),
    ]
}

proptest! {
    /// Invariants: a code yields tokens once, a revoked grant stays revoked, generations only grow,
    /// and other clients change nothing.
    #[test]
    fn a_grant_keeps_its_promises(acts in prop::collection::vec(act(), 1..60)) {
        let (mut grant, mut now, mut redeemed, mut highest) = (offered(), 0, 0, 0);
        for act in acts {
            let before = grant.clone();
            let (step, is_right) = match act {
                Act::Wait(seconds) => {
                    now += seconds;
                    continue;
                }
                Act::Redeem { right: is_right } => {
                    let client = if is_right { "c" } else { "d" };
                    (grant.redeem(&Redemption { client, ..right() }, now), is_right)
                }
                Act::Refresh { back, right } => {
                    let generation = match grant.state {
                        State::Active { generation, .. } => generation.saturating_sub(back),
                        _ => back,
                    };
                    (grant.refresh(if right { "c" } else { "d" }, generation, LIMITS, now), right)
                }
            };
            match step {
                Step::Advance(state) => {
                    if let Act::Redeem { .. } = act {
                        redeemed += 1;
                    }
                    grant.state = state;
                }
                Step::Revoke => grant.state = State::Revoked,
                Step::Repeat { generation } => prop_assert_eq!(generation, highest),
                Step::Refuse => {}
            }
            if let State::Active { generation, .. } = grant.state {
                prop_assert!(generation >= highest);
                highest = generation;
            }
            prop_assert!(is_right || (step == Step::Refuse && grant == before));
            prop_assert!(redeemed <= 1);
            prop_assert!(before.state != State::Revoked || step == Step::Refuse);
        }
    }
}
