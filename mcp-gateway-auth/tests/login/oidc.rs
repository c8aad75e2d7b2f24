use mcp_gateway_auth::jose::{Algorithm, SigningKey};
use mcp_gateway_auth::login::{KeptIdTokens, LoginPages, OidcProvider};
use mcp_gateway_auth::{Clock, Keyring};
use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::github::egress;
use crate::harness::Harness;
use crate::idp::{Idp, Now};

async fn start(configure: impl FnOnce(OidcProvider) -> OidcProvider) -> (Idp, Harness) {
    let idp = Idp::start(4_000_000_000).await;
    let provider = OidcProvider::new("corp", &idp.issuer, "gateway", egress());
    let provider = configure(provider.with_secret("sécret").with_label("Corp & Co"));
    let harness = Harness::with(|login| login.with_oidc(provider)).await;
    (idp, harness)
}

async fn log_in(harness: &Harness) -> Page {
    let start = harness.url("/api/auth/login/corp?return_to=%2Fwho");
    Browser::new().visit(&start).await
}

fn set(now: &mut Now, claims: &Value) {
    for (name, value) in claims.as_object().unwrap() {
        now.claims[name] = value.clone();
    }
}

#[tokio::test]
async fn who_is_known_elsewhere_logs_in() {
    let (idp, harness) = start(|idp| idp.with_team("eng", "core").with_team("ops", "ops")).await;
    let page = Browser::new().get(&harness.url("/api/auth/login")).await;
    assert!(
        page.body.contains("Continue with Corp &#38; Co"),
        "{}",
        page.body
    );
    let page = log_in(&harness).await;
    assert_eq!((page.url.path(), &*page.body), ("/who", "Ada"));
    let user = harness.users.list(None, 10).await.unwrap().remove(0);
    assert_eq!(
        (user.teams, user.email.as_deref()),
        (vec!["core".to_owned()], Some("ada@example.com"))
    );

    set(
        &mut idp.now(),
        &json!({"groups": ["ops"], "email_verified": false, "name": "Ada L."}),
    );
    assert_eq!(log_in(&harness).await.body, "Ada L.");
    let users = harness.users.list(None, 10).await.unwrap();
    assert_eq!(
        (users.len(), &users[0].teams, &users[0].email),
        (1, &vec!["ops".to_owned()], &None)
    );
}

#[tokio::test]
async fn groups_determine_who_administers_a_team() {
    let (idp, harness) = start(|idp| {
        idp.with_team("eng", "core")
            .with_administered_team("leads", "core")
            .with_administered_team("leads", "ops")
    })
    .await;
    for (groups, teams, administered) in [
        (&["eng"][..], &["core"][..], &[][..]),
        (&["eng", "leads"], &["core", "ops"], &["core", "ops"]),
        (&["eng"], &["core"], &[]),
    ] {
        set(&mut idp.now(), &json!({ "groups": groups }));
        log_in(&harness).await;
        let user = harness.users.list(None, 10).await.unwrap().remove(0);
        assert_eq!(user.teams, teams);
        assert_eq!(user.administered_teams, administered);
    }
}

#[tokio::test]
async fn secrets_are_sent_as_the_provider_takes_them() {
    let (idp, harness) = start(|idp| idp).await;
    idp.now().discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    assert_eq!(log_in(&harness).await.body, "Ada");
}

#[tokio::test]
async fn what_the_token_does_not_say_is_asked_for() {
    let (idp, harness) = start(|idp| {
        idp.with_allowed_group("eng")
            .with_allowed_domain("Example.com")
    })
    .await;
    set(
        &mut idp.now(),
        &json!({"email": null, "email_verified": null, "groups": null, "name": null}),
    );
    idp.now().userinfo = json!({
        "sub": "s-1", "name": "Ada", "email": "ada@EXAMPLE.com", "email_verified": true, "groups": "eng",
    });
    assert_eq!(log_in(&harness).await.body, "Ada");
    idp.now().userinfo["sub"] = json!("s-2");
    assert_eq!(log_in(&harness).await.status, 403, "of somebody else");
}

#[tokio::test]
async fn o41_who_is_in_no_allowed_group_or_domain_is_refused() {
    let (idp, harness) = start(|idp| {
        idp.with_allowed_group("eng")
            .with_allowed_domain("example.com")
    })
    .await;
    assert_eq!(log_in(&harness).await.body, "Ada");
    let wrong = [
        json!({"groups": ["ops"]}),
        json!({"groups": []}),
        json!({"email": "ada@evil.example"}),
        json!({"email": "ada@example.com.evil.example"}),
        json!({"email": "ada@evil.example@sub.example.com"}),
        json!({"email": "example.com"}),
    ];
    let right = idp.now().claims.clone();
    for claims in wrong {
        idp.now().claims = right.clone();
        set(&mut idp.now(), &claims);
        let page = log_in(&harness).await;
        assert_eq!(
            (page.status.as_u16(), page.title()),
            (403, "You may not use this gateway"),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn o42_an_address_that_was_not_verified_is_none() {
    let (idp, harness) = start(|idp| idp.with_allowed_domain("example.com")).await;
    for verified in [
        json!(false),
        json!("false"),
        json!(null),
        json!(1),
        json!("yes"),
    ] {
        set(&mut idp.now(), &json!({"email_verified": verified}));
        assert_eq!(log_in(&harness).await.status, 403, "{verified}");
    }
    set(&mut idp.now(), &json!({"email_verified": "true"}));
    assert_eq!(log_in(&harness).await.body, "Ada");
}

#[tokio::test]
async fn o42_an_id_token_is_for_this_login_alone() {
    let (idp, harness) = start(|idp| idp).await;
    let right = idp.now().claims.clone();
    let wrong = [
        json!({"nonce": null}),
        json!({"nonce": "another"}),
        json!({"nonce": ["another"]}),
        json!({"aud": "another"}),
        json!({"aud": ["gateway", "another"]}),
        json!({"aud": ["gateway", "another"], "azp": "another"}),
        json!({"azp": "another"}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", idp.issuer)}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"exp": 3_999_999_000_u64}),
        json!({"iat": 4_000_000_100_u64}),
    ];
    for claims in wrong {
        idp.now().claims = right.clone();
        set(&mut idp.now(), &claims);
        assert_eq!(log_in(&harness).await.status, 403, "{claims}");
    }
    idp.now().claims = right;
    for typ in ["at+jwt", "logout+jwt"] {
        typ.clone_into(&mut idp.now().typ);
        assert_eq!(log_in(&harness).await.status, 403, "{typ}");
    }
    "JWT".clone_into(&mut idp.now().typ);
    set(
        &mut idp.now(),
        &json!({"aud": ["gateway", "another"], "azp": "gateway"}),
    );
    assert_eq!(log_in(&harness).await.body, "Ada");
    assert_eq!(harness.users.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn o42_an_id_token_is_signed_by_the_provider() {
    let (idp, harness) = start(|idp| idp).await;
    idp.now().published = Some(SigningKey::generate(Algorithm::Es256).unwrap());
    assert_eq!(log_in(&harness).await.status, 403);
    assert!(harness.users.list(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn o10_an_answer_of_another_issuer_is_refused_before_the_code_is_sent() {
    let (idp, harness) = start(|idp| idp).await;
    for iss in [
        Some("https://evil.example".to_owned()),
        Some(format!("{}/", idp.issuer)),
        None,
    ] {
        idp.now().iss.clone_from(&iss);
        assert_eq!(log_in(&harness).await.status, 403, "{iss:?}");
    }
    assert_eq!(idp.now().unused_codes(), 3);

    let (idp, harness) = start(|idp| idp).await;
    idp.now().discovery["authorization_response_iss_parameter_supported"] = json!(false);
    idp.now().iss = None;
    assert_eq!(log_in(&harness).await.body, "Ada");
    idp.now().iss = Some("https://evil.example".to_owned());
    assert_eq!(log_in(&harness).await.status, 403);
}

#[tokio::test]
async fn o11_discovery_of_another_issuer_is_refused() {
    let (idp, harness) = start(|idp| idp).await;
    let issuer = idp.issuer.clone();
    for other in [
        "https://evil.example".to_owned(),
        format!("{issuer}/"),
        issuer.to_uppercase(),
    ] {
        idp.now().discovery["issuer"] = json!(other);
        assert_eq!(log_in(&harness).await.status, 503, "{other}");
    }
    idp.now().discovery["issuer"] = json!(issuer);
    assert_eq!(log_in(&harness).await.body, "Ada");
}

/// An email address is displayed and matched with allowed domains; it never identifies a user.
#[tokio::test]
async fn flaw_14_somebody_without_a_verified_address_has_none() {
    let (idp, harness) = start(|idp| idp).await;
    assert_eq!(log_in(&harness).await.body, "Ada");
    let without = [
        json!({"email": null, "email_verified": null}),
        json!({"email": "", "email_verified": true}),
        json!({"email": "ada@example.com", "email_verified": false}),
        json!({"email": "ada@example.com", "email_verified": null}),
    ];
    for (number, claims) in without.iter().enumerate() {
        let subject = format!("other-{number}");
        set(&mut idp.now(), &json!({"sub": subject, "name": subject}));
        idp.now().userinfo = json!({"sub": subject});
        set(&mut idp.now(), claims);
        assert_eq!(log_in(&harness).await.body, subject, "{claims}");
    }
    let users = harness.users.list(None, 10).await.unwrap();
    assert_eq!(users.len(), 1 + without.len(), "nobody is taken for Ada");
    for user in users {
        let expected = (user.name == "Ada").then_some("ada@example.com");
        assert_eq!(user.email.as_deref(), expected, "{}", user.name);
    }

    // With allowed domains, users without an email address are rejected.
    let (idp, harness) = start(|idp| idp.with_allowed_domain("example.com")).await;
    for claims in &without {
        set(&mut idp.now(), claims);
        let page = log_in(&harness).await;
        assert_eq!(page.status, 403, "{claims}");
        assert_eq!(page.title(), "You may not use this gateway");
    }
    assert!(harness.users.list(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn o103_the_id_token_of_a_login_is_kept_if_that_is_configured() {
    for keeps in [false, true] {
        let idp = Idp::start(4_000_000_000).await;
        let provider = OidcProvider::new("corp", &idp.issuer, "gateway", egress());
        let mut provider = provider.with_secret("sécret");
        if keeps {
            provider = provider.with_kept_id_tokens();
        }
        let mut tokens = None;
        let harness = Harness::serve(Clock::fixed(4_000_000_000), |login, _| {
            let login = login.with_oidc(provider);
            let kept = KeptIdTokens::new(login.users(), Keyring::new(&[7; 32]).unwrap());
            tokens = Some(kept.clone());
            let pages = LoginPages::new(login.clone()).with_id_tokens(kept);
            (login, pages.router())
        });
        let harness = harness.await;
        assert_eq!(log_in(&harness).await.body, "Ada");
        let user = harness.users.list(None, 1).await.unwrap().remove(0);
        let found = tokens.unwrap().find(&user.id, &idp.issuer).await.unwrap();
        assert_eq!(found.is_some(), keeps);
    }
}
