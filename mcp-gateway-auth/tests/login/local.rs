use std::time::Duration;

use mcp_gateway_auth::LoginProvider;
use mcp_gateway_auth::users::{Role, UserUpdate};

use crate::browser::Browser;
use crate::harness::{Harness, PASSWORD};

#[tokio::test]
async fn who_has_an_account_logs_in_and_out() {
    let harness = Harness::start().await;
    let ada = harness.users.find_by_name("ada").await.unwrap().unwrap();
    let admin = UserUpdate::new().with_role(Role::Admin);
    harness.users.update(&ada.id, &admin).await.unwrap();
    let mut browser = Browser::new();
    assert_eq!(harness.who(&mut browser).await, "nobody");
    let account = browser.visit(&harness.url("/api/auth/account")).await;
    assert!(account.title().starts_with("Log in to "), "{account:?}");

    let page = harness.submit(&mut browser, "Ada", PASSWORD).await;
    let page = browser.visit(&page.next().unwrap()).await;
    assert_eq!((page.url.path(), &*page.body), ("/who", "ada"));

    let account = browser.get(&harness.url("/api/auth/account")).await;
    assert!(account.body.contains("logged in as ada") && account.body.contains("admin"));
    let csrf = account.field("csrf");
    let page = browser
        .post(&harness.url("/api/auth/logout"), &[("csrf", &csrf)])
        .await;
    assert_eq!(
        (page.status.as_u16(), page.title()),
        (200, "You are logged out")
    );
    assert_eq!(harness.who(&mut browser).await, "nobody");
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_session_that_was_ended_is_ended_for_whoever_kept_the_cookie() {
    let harness = Harness::start().await;
    let mut browser = harness.log_in().await;
    let mut thief = Browser::new();
    thief.cookies.clone_from(&browser.cookies);
    assert_eq!(harness.who(&mut thief).await, "ada");
    let csrf = browser
        .get(&harness.url("/api/auth/account"))
        .await
        .field("csrf");
    browser
        .post(&harness.url("/api/auth/logout"), &[("csrf", &csrf)])
        .await;
    assert_eq!(harness.who(&mut thief).await, "nobody");
}

#[tokio::test]
async fn wrong_names_and_passwords_look_the_same() {
    let harness = Harness::start().await;
    for (name, password) in [
        ("ada", "staple99"),
        ("bob", PASSWORD),
        ("", ""),
        ("a/b", PASSWORD),
    ] {
        let mut browser = Browser::new();
        let page = harness.submit(&mut browser, name, password).await;
        assert_eq!(page.status, 401);
        assert!(page.body.contains("The name or the password is wrong."));
        assert!(password.is_empty() || !page.body.contains(password));
        assert_eq!(page.field("return_to"), "/who");
        assert_eq!(harness.who(&mut browser).await, "nobody");
    }
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let harness = Harness::start().await;
    for _ in 0..10 {
        let page = harness.submit(&mut Browser::new(), "ada", "wrong").await;
        assert_eq!(page.status, 401);
    }
    let page = harness.submit(&mut Browser::new(), "ADA", PASSWORD).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    harness.pass(30);
    harness.log_in().await;
}

#[tokio::test]
async fn who_guesses_names_has_to_wait() {
    let harness = Harness::start().await;
    for attempt in 0..60 {
        let page = harness
            .submit(&mut Browser::new(), &format!("user{attempt}"), "wrong")
            .await;
        assert_eq!(page.status, 401);
    }
    let page = harness.submit(&mut Browser::new(), "ada", PASSWORD).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["retry-after"]),
        (429, &"2".parse().unwrap())
    );
}

#[tokio::test]
async fn sessions_end() {
    let harness = Harness::start().await;
    let mut idle = harness.log_in().await;
    harness.pass(12 * 3600 - 1);
    assert_eq!(harness.who(&mut idle).await, "ada");
    harness.pass(12 * 3600 - 1);
    assert_eq!(harness.who(&mut idle).await, "ada");
    harness.pass(12 * 3600);
    assert_eq!(harness.who(&mut idle).await, "nobody");

    let mut busy = harness.log_in().await;
    for _ in 0..27 {
        harness.pass(6 * 3600);
        assert_eq!(harness.who(&mut busy).await, "ada");
    }
    harness.pass(6 * 3600);
    assert_eq!(harness.who(&mut busy).await, "nobody");

    let short = Harness::with(|login| {
        let minute = Duration::from_secs(60);
        login
            .with_local_accounts()
            .with_session_limits(minute, minute * 2)
    });
    let short = short.await;
    short.users.create("ada", PASSWORD).await.unwrap();
    let mut browser = short.log_in().await;
    for (wait, who) in [(59, "ada"), (59, "ada"), (2, "nobody")] {
        short.pass(wait);
        assert_eq!(short.who(&mut browser).await, who);
    }
}

#[tokio::test]
async fn o41_who_may_not_log_in_any_more_is_nobody_at_once() {
    let harness = Harness::start().await;
    let mut browser = harness.log_in().await;
    let ada = harness.users.find_by_name("ada").await.unwrap().unwrap();
    assert!(harness.login.user(&ada.id).await.unwrap().is_some());

    harness
        .users
        .update(&ada.id, &UserUpdate::new().with_disabled(true))
        .await
        .unwrap();
    assert_eq!(harness.who(&mut browser).await, "nobody");
    assert!(harness.login.user(&ada.id).await.unwrap().is_none());
    harness
        .users
        .update(&ada.id, &UserUpdate::new().with_disabled(false))
        .await
        .unwrap();
    harness
        .users
        .update(&ada.id, &UserUpdate::new().with_role(Role::Member))
        .await
        .unwrap();
    let user = harness.login.user(&ada.id).await.unwrap().unwrap();
    assert_eq!(user.roles, ["member".into()]);
    // A session from before does not come back.
    assert_eq!(harness.who(&mut browser).await, "nobody");
    let mut browser = harness.log_in().await;
    assert_eq!(harness.who(&mut browser).await, "ada");

    harness
        .users
        .update(
            &ada.id,
            &UserUpdate::new().with_password("another password"),
        )
        .await
        .unwrap();
    assert_eq!(harness.who(&mut browser).await, "nobody");
    let mut again = Browser::new();
    assert_eq!(
        harness
            .submit(&mut again, "ada", "another password")
            .await
            .status,
        303
    );
    assert_eq!(harness.who(&mut again).await, "ada");

    harness.users.delete(&ada.id).await.unwrap();
    assert_eq!(harness.who(&mut again).await, "nobody");
    for id in [&*ada.id, "", "usr_", "usr_x", "../client/x", "usr_/../x"] {
        assert!(harness.login.user(id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn there_is_no_form_where_there_are_no_local_accounts() {
    let harness = Harness::with(|login| login).await;
    harness.users.create("ada", PASSWORD).await.unwrap();
    let mut browser = Browser::new();
    let page = browser.get(&harness.url("/api/auth/login")).await;
    assert_eq!(
        (page.status.as_u16(), page.body.contains("<form")),
        (200, false)
    );
    let fields = [("csrf", "x"), ("name", "ada"), ("password", PASSWORD)];
    assert_eq!(
        browser
            .post(&harness.url("/api/auth/login"), &fields)
            .await
            .status,
        404
    );
}
