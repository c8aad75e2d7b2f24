use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::yielding::YieldingStore;

fn users() -> Users {
    Users::new(Arc::new(YieldingStore::new()), Clock::fixed(1_800_000_000))
}

fn claimant(issuer: &str, subject: &str) -> ExternalIdentity {
    ExternalIdentity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        name: "Ada".to_owned(),
        email: Some("ada@example.com".to_owned()),
        ..ExternalIdentity::default()
    }
}

async fn welcome(users: &Users, claimant: &ExternalIdentity) -> User {
    match users.link_identity(claimant).await.unwrap() {
        LoginOutcome::Accepted(user) => user,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn j32_the_same_subject_or_address_elsewhere_is_somebody_else() {
    let users = users();
    let ada = welcome(&users, &claimant("https://a.example", "1")).await;
    let again = welcome(&users, &claimant("https://a.example", "1")).await;
    assert_eq!(ada.id, again.id);
    let pairs = [
        ("https://b.example", "1"),
        ("https://a.example", "2"),
        ("https://a.example1", ""),
    ];
    for (issuer, subject) in pairs {
        assert_ne!(welcome(&users, &claimant(issuer, subject)).await.id, ada.id);
    }
    assert_eq!(users.list(None, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn parallel_first_logins_make_one_user() {
    let users = users();
    let claimant = claimant("https://a.example", "1");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (users, claimant) = (users.clone(), claimant.clone());
        tasks.spawn(async move { welcome(&users, &claimant).await.id });
    }
    let ids: HashSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(users.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn there_is_one_first_account_and_one_of_each_name() {
    let users = users();
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["ada", "bob", "Ada", "ADA"] {
        let users = users.clone();
        tasks.spawn(async move { users.create(name, "correct horse").await });
    }
    let results = tasks.join_all().await;
    let made: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .collect();
    assert_eq!(made.len(), 2);
    assert_eq!(
        made.iter().filter(|user| user.role == Role::Admin).count(),
        1
    );
    let names = results
        .iter()
        .filter(|result| matches!(result, Err(UserError::NameTaken)));
    assert_eq!(names.count(), 2);
    for name in ["", "~first", "a/b", "a b", ".a", "ä", &"a".repeat(129)] {
        assert!(
            matches!(
                users.create(name, "correct horse").await,
                Err(UserError::Name)
            ),
            "{name}"
        );
        assert!(users.find_by_name(name).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn o42_a_name_that_somebody_was_allowed_by_is_not_anothers_later() {
    let users = users();
    let pinned = |subject| ExternalIdentity {
        pinned: Some("Octo".to_owned()),
        ..claimant("https://gh", subject)
    };
    let octo = welcome(&users, &pinned("1")).await;
    assert_eq!(welcome(&users, &pinned("1")).await.id, octo.id);
    assert!(matches!(
        users.link_identity(&pinned("2")).await.unwrap(),
        LoginOutcome::NameReused
    ));
    // A login without a pinned name keeps the existing pin.
    welcome(&users, &claimant("https://gh", "1")).await;
    assert!(matches!(
        users.link_identity(&pinned("2")).await.unwrap(),
        LoginOutcome::NameReused
    ));

    users.delete(&octo.id).await.unwrap();
    assert_ne!(welcome(&users, &pinned("2")).await.id, octo.id);
}

#[tokio::test]
async fn what_a_provider_says_is_noted_at_each_login() {
    let users = users();
    let mut claims = ExternalIdentity {
        teams: vec!["a".to_owned()],
        ..claimant("https://a.example", "1")
    };
    let ada = welcome(&users, &claims).await;
    users.clock.advance(Duration::from_secs(60));
    claims.teams = vec!["b".to_owned()];
    claims.groups = vec!["g".to_owned()];
    claims.email = None;
    let ada = users
        .find(&welcome(&users, &claims).await.id)
        .await
        .unwrap()
        .filter(|now| now.id == ada.id);
    let ada = ada.unwrap();
    assert_eq!((ada.teams, ada.email), (vec!["b".to_owned()], None));
    assert_eq!(ada.identities.len(), 1);
    assert_eq!(
        (ada.identities[0].last_seen, ada.created),
        (1_800_000_060, 1_800_000_000)
    );

    users.set_disabled(&ada.id, true).await.unwrap();
    assert!(matches!(
        users.link_identity(&claims).await.unwrap(),
        LoginOutcome::Disabled
    ));
}

#[tokio::test]
async fn accounts_are_administered() {
    let users = users();
    let ada = users.create("ada", "correct horse").await.unwrap();
    let login = async |password: &str| {
        users
            .authenticate("ADA", password.to_owned())
            .await
            .unwrap()
    };
    assert!(login("correct horse").await.is_some());
    assert!(login("wrong horse").await.is_none());
    users.set_disabled(&ada.id, true).await.unwrap();
    assert!(login("correct horse").await.is_none());
    users.set_disabled(&ada.id, false).await.unwrap();
    let changed = users.set_password(&ada.id, "battery staple").await.unwrap();
    assert!(login("correct horse").await.is_none());
    assert!(login("battery staple").await.is_some());
    assert!(!changed.accepts_session_of(1_800_000_000));
    assert!(changed.accepts_session_of(changed.session_start(1_800_000_000)));

    users.set_role(&ada.id, Role::Member).await.unwrap();
    users
        .set_teams(&ada.id, vec!["core".to_owned()])
        .await
        .unwrap();
    let user = users.find(&ada.id).await.unwrap().unwrap().user();
    assert_eq!(user.roles, ["member".into()]);
    assert_eq!(user.teams, ["core".into()]);

    users.delete(&ada.id).await.unwrap();
    users.delete(&ada.id).await.unwrap();
    assert!(login("battery staple").await.is_none());
    assert!(matches!(
        users.set_role(&ada.id, Role::Admin).await,
        Err(UserError::Unknown)
    ));
    let again = users.create("ada", "correct horse").await.unwrap();
    assert!(again.id != ada.id && again.role == Role::Member);
}

#[tokio::test]
async fn o30_nothing_secret_is_shown() {
    let users = users();
    let ada = users.create("ada", "correct horse").await.unwrap();
    let shown = format!("{ada:?} {users:?}");
    assert!(
        !shown.contains("argon2") && !shown.contains("horse"),
        "{shown}"
    );
}
