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
        user: "p".into(),
        scopes: Scopes::new(),
        resources: Vec::new(),
        authenticated_at: 0,
        created: 0,
        key: None,
        code: AuthorizationCode {
            challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
            redirect_uri: "https://c.example/cb".into(),
            redirect_uri_required: true,
            key: None,
            expires: 60,
        },
        state: GrantState::CodeIssued,
    }
}

fn right() -> TokenRequest<'static> {
    TokenRequest {
        client: "c",
        redirect_uri: Some("https://c.example/cb"),
        verifier: VERIFIER,
        key: None,
        binds_refresh_tokens: true,
    }
}

#[test]
fn a_code_is_good_for_its_client_once() {
    let mut grant = offered();
    let wrong = [
        TokenRequest {
            client: "d",
            ..right()
        },
        TokenRequest {
            redirect_uri: None,
            ..right()
        },
        TokenRequest {
            redirect_uri: Some("https://c.example/cb/"),
            ..right()
        },
        TokenRequest {
            verifier: CHALLENGE,
            ..right()
        },
    ];
    for redemption in &wrong {
        assert_eq!(grant.redeem(redemption, 1), Transition::Reject);
    }
    assert_eq!(grant.redeem(&right(), 60), Transition::Reject, "too late");
    let active = GrantState::Active {
        generation: 0,
        rotated: 59,
    };
    assert_eq!(grant.redeem(&right(), 59), Transition::Advance(active));

    grant.state = active;
    for redemption in &wrong {
        assert_eq!(
            grant.redeem(redemption, 59),
            Transition::Reject,
            "nothing is revoked"
        );
    }
    assert_eq!(grant.redeem(&right(), 500), Transition::Revoke);
    grant.state = GrantState::Revoked;
    assert_eq!(grant.redeem(&right(), 59), Transition::Reject);
}

#[test]
fn a_refresh_token_that_was_rotated_is_good_for_a_moment() {
    let mut grant = offered();
    assert_eq!(
        grant.refresh(("c", None), 0, LIMITS, 1),
        Transition::Reject,
        "not redeemed yet"
    );
    grant.state = GrantState::Active {
        generation: 3,
        rotated: 100,
    };
    let next = GrantState::Active {
        generation: 4,
        rotated: 110,
    };
    assert_eq!(
        grant.refresh(("c", None), 3, LIMITS, 110),
        Transition::Advance(next)
    );
    assert_eq!(
        grant.refresh(("c", None), 2, LIMITS, 129),
        Transition::Reissue { generation: 3 }
    );
    assert_eq!(
        grant.refresh(("c", None), 2, LIMITS, 130),
        Transition::Revoke
    );
    assert_eq!(
        grant.refresh(("c", None), 1, LIMITS, 110),
        Transition::Revoke
    );
    assert_eq!(
        grant.refresh(("c", None), 4, LIMITS, 110),
        Transition::Reject,
        "never issued"
    );
    assert_eq!(
        grant.refresh(("d", None), 1, LIMITS, 110),
        Transition::Reject,
        "somebody else's"
    );
    assert_eq!(
        grant.refresh(("c", None), 3, LIMITS, 1_100),
        Transition::Reject,
        "idle for too long"
    );
    grant.state = GrantState::Active {
        generation: 3,
        rotated: 2_900,
    };
    assert_eq!(
        grant.refresh(("c", None), 3, LIMITS, 3_000),
        Transition::Reject,
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
                    (grant.redeem(&TokenRequest { client, ..right() }, now), is_right)
                }
                Act::Refresh { back, right } => {
                    let generation = match grant.state {
                        GrantState::Active { generation, .. } => generation.saturating_sub(back),
                        _ => back,
                    };
                    (grant.refresh((if right { "c" } else { "d" }, None), generation, LIMITS, now), right)
                }
            };
            match step {
                Transition::Advance(state) => {
                    if let Act::Redeem { .. } = act {
                        redeemed += 1;
                    }
                    grant.state = state;
                }
                Transition::Revoke => grant.state = GrantState::Revoked,
                Transition::Reissue { generation } => prop_assert_eq!(generation, highest),
                Transition::Reject => {}
            }
            if let GrantState::Active { generation, .. } = grant.state {
                prop_assert!(generation >= highest);
                highest = generation;
            }
            prop_assert!(is_right || (step == Transition::Reject && grant == before));
            prop_assert!(redeemed <= 1);
            prop_assert!(before.state != GrantState::Revoked || step == Transition::Reject);
        }
    }
}

#[test]
fn o115_a_bound_grant_is_redeemed_and_refreshed_with_its_key() {
    let mut grant = offered();
    grant.code.key = Some("k".into());
    let with = |key| TokenRequest { key, ..right() };
    for key in [None, Some("other")] {
        assert_eq!(grant.redeem(&with(key), 1), Transition::Reject);
    }
    assert!(matches!(
        grant.redeem(&with(Some("k")), 1),
        Transition::Advance(_)
    ));
    grant.key = Some("k".into());
    grant.state = GrantState::Active {
        generation: 3,
        rotated: 1,
    };
    for (key, generation, expected) in [
        (None, 3, Transition::Reject),
        (Some("other"), 3, Transition::Reject),
        // A replay is evidence of a theft only with the key.
        (Some("other"), 1, Transition::Reject),
        (Some("k"), 1, Transition::Revoke),
    ] {
        assert_eq!(grant.refresh(("c", key), generation, LIMITS, 100), expected);
    }
    let next = grant.refresh(("c", Some("k")), 3, LIMITS, 100);
    assert!(matches!(next, Transition::Advance(_)));
}
