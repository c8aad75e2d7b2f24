use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::AdministeredTeams;
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
        LoginOutcome::Accepted(user) => *user,
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
async fn there_is_one_account_of_each_name() {
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
    assert!(made.iter().all(|user| user.role == Role::Member));
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

    users
        .update(&ada.id, &UserUpdate::new().with_disabled(true))
        .await
        .unwrap();
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
    users
        .update(&ada.id, &UserUpdate::new().with_disabled(true))
        .await
        .unwrap();
    assert!(login("correct horse").await.is_none());
    users
        .update(&ada.id, &UserUpdate::new().with_disabled(false))
        .await
        .unwrap();
    let changed = users
        .update(&ada.id, &UserUpdate::new().with_password("battery staple"))
        .await
        .unwrap();
    assert!(login("correct horse").await.is_none());
    assert!(login("battery staple").await.is_some());
    assert!(!changed.accepts_session_of(1_800_000_000));
    assert!(changed.accepts_session_of(changed.session_start(1_800_000_000)));

    users
        .update(&ada.id, &UserUpdate::new().with_role(Role::Member))
        .await
        .unwrap();
    users
        .update(&ada.id, &UserUpdate::new().with_teams(["core"]))
        .await
        .unwrap();
    let user = users.find(&ada.id).await.unwrap().unwrap().user();
    assert_eq!(user.roles, ["member".into()]);
    assert_eq!(user.teams, ["core".into()]);

    users.delete(&ada.id).await.unwrap();
    assert!(matches!(
        users.delete(&ada.id).await,
        Err(UserError::Unknown)
    ));
    assert!(login("battery staple").await.is_none());
    assert!(matches!(
        users
            .update(&ada.id, &UserUpdate::new().with_role(Role::Admin))
            .await,
        Err(UserError::Unknown)
    ));
    let again = users.create("ada", "correct horse").await.unwrap();
    assert!(again.id != ada.id && again.role == Role::Member);
}

#[tokio::test]
async fn an_update_is_one_write() {
    let users = users();
    let ada = users.create("ada", "correct horse").await.unwrap();
    let octo = welcome(&users, &claimant("https://a.example", "1")).await;
    let all = UserUpdate::new()
        .with_role(Role::Admin)
        .with_teams(["core"])
        .with_disabled(true)
        .with_password("battery staple");
    assert!(matches!(
        users.update(&octo.id, &all).await,
        Err(UserError::NoPassword)
    ));
    let unchanged = users.find(&octo.id).await.unwrap().unwrap();
    assert_eq!((unchanged.role, unchanged.disabled), (Role::Member, false));

    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let attachment = Attachment::new(move |batch, id| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        batch.put(format!("record/{id}"), "")
    });
    let changed = users.clone().with_attachment(attachment);
    let ada = changed.update(&ada.id, &all).await.unwrap();
    assert_eq!((ada.role, ada.disabled), (Role::Admin, true));
    assert_eq!(ada.teams, ["core"]);
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
    let record = users.store().get(&format!("record/{}", ada.id)).await;
    assert!(record.unwrap().is_some());
}

/// Creates two administrators.
async fn administrators(users: &Users) -> [String; 2] {
    let mut ids = Vec::new();
    for name in ["ada", "bob"] {
        let new = NewUser::new(name, "correct horse").with_role(Role::Admin);
        ids.push(users.add(new).await.unwrap().id);
    }
    ids.try_into().unwrap()
}

#[tokio::test]
async fn category_last_administrator_stays() {
    let users = users();
    let [ada, bob] = administrators(&users).await;
    welcome(&users, &claimant("https://a.example", "1")).await;
    let disabled = UserUpdate::new().with_disabled(true);
    users.update(&bob, &disabled).await.unwrap();
    let member = UserUpdate::new().with_role(Role::Member);
    for update in [&disabled, &member] {
        let refused = users.update(&ada, update).await;
        assert!(matches!(refused, Err(UserError::LastAdmin)));
    }
    let refused = users.delete(&ada).await;
    assert!(matches!(refused, Err(UserError::LastAdmin)));
    // A disabled administrator is none, and may be deleted.
    users.delete(&bob).await.unwrap();
    let teams = UserUpdate::new().with_teams(["core"]);
    assert_eq!(users.update(&ada, &teams).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn category_last_administrator_of_two_who_remove_each_other_stays() {
    let changes = [
        UserUpdate::new().with_disabled(true),
        UserUpdate::new().with_role(Role::Member),
    ];
    for change in changes.into_iter().map(Some).chain([None]) {
        for _ in 0..20 {
            let users = users();
            let removals = administrators(&users).await.map(|id| {
                let (users, change) = (users.clone(), change.clone());
                async move {
                    match change {
                        Some(change) => users.update(&id, &change).await.map(drop),
                        None => users.delete(&id).await,
                    }
                }
            });
            let mut tasks = tokio::task::JoinSet::new();
            removals.into_iter().for_each(|removal| {
                tasks.spawn(removal);
            });
            let results = tasks.join_all().await;
            let refused =
                |result: &&Result<(), UserError>| matches!(result, Err(UserError::LastAdmin));
            assert_eq!(results.iter().filter(refused).count(), 1, "{results:?}");
            let left = users.list(None, 10).await.unwrap();
            let admins = left.iter().filter(|user| user.is_administrator());
            assert_eq!(admins.count(), 1);
        }
    }
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

#[tokio::test]
async fn members_alone_administer_a_team() {
    let users = users();
    let new = NewUser::new("ada", "correct horse battery").with_teams(["ops", "web"]);
    let ada = users
        .add(new.with_administered_teams(["ops"]))
        .await
        .unwrap();
    let extension = ada.user().principal();
    assert_eq!(AdministeredTeams::of(&extension), [Arc::from("ops")]);
    let update = |teams: &[&str]| UserUpdate::new().with_administered_teams(teams.to_vec());
    let foreign = users.update(&ada.id, &update(&["sales"])).await;
    assert!(matches!(foreign, Err(UserError::NotMember(team)) if team == "sales"));
    let ada = users
        .update(&ada.id, &update(&["ops", "web"]))
        .await
        .unwrap();
    assert_eq!(ada.administered_teams, ["ops", "web"]);
    // Whoever leaves a team does not administer it any more, also after a return.
    for teams in [&["web"][..], &["ops", "web"]] {
        let update = UserUpdate::new().with_teams(teams.to_vec());
        let ada = users.update(&ada.id, &update).await.unwrap();
        assert_eq!(ada.administered_teams, ["web"]);
    }
    let new = NewUser::new("bob", "correct horse battery").with_administered_teams(["ops"]);
    assert!(matches!(users.add(new).await, Err(UserError::NotMember(_))));
}
