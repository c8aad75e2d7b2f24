use std::time::Duration;

use mcp_gateway_auth::LoginProvider;
use mcp_gateway_auth::users::Role;

use crate::browser::Browser;
use crate::site::{PASSWORD, Site};

#[tokio::test]
async fn who_has_an_account_logs_in_and_out() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    assert_eq!(site.who(&mut browser).await, "nobody");
    let account = browser.visit(&site.url("/api/auth/account")).await;
    assert!(account.title().starts_with("Log in to "), "{account:?}");

    let page = site.submit(&mut browser, "Ada", PASSWORD).await;
    let page = browser.visit(&page.next().unwrap()).await;
    assert_eq!((page.url.path(), &*page.body), ("/who", "ada"));

    let account = browser.get(&site.url("/api/auth/account")).await;
    assert!(account.body.contains("logged in as ada") && account.body.contains("admin"));
    let csrf = account.field("csrf");
    let page = browser
        .post(&site.url("/api/auth/logout"), &[("csrf", &csrf)])
        .await;
    assert_eq!(
        (page.status.as_u16(), page.title()),
        (200, "You are logged out")
    );
    assert_eq!(site.who(&mut browser).await, "nobody");
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_session_that_was_ended_is_ended_for_whoever_kept_the_cookie() {
    let site = Site::start().await;
    let mut browser = site.log_in().await;
    let mut thief = Browser::new();
    thief.cookies.clone_from(&browser.cookies);
    assert_eq!(site.who(&mut thief).await, "ada");
    let csrf = browser
        .get(&site.url("/api/auth/account"))
        .await
        .field("csrf");
    browser
        .post(&site.url("/api/auth/logout"), &[("csrf", &csrf)])
        .await;
    assert_eq!(site.who(&mut thief).await, "nobody");
}

#[tokio::test]
async fn wrong_names_and_passwords_look_the_same() {
    let site = Site::start().await;
    for (name, password) in [
        ("ada", "staple99"),
        ("bob", PASSWORD),
        ("", ""),
        ("a/b", PASSWORD),
    ] {
        let mut browser = Browser::new();
        let page = site.submit(&mut browser, name, password).await;
        assert_eq!(page.status, 401);
        assert!(page.body.contains("The name or the password is wrong."));
        assert!(password.is_empty() || !page.body.contains(password));
        assert_eq!(page.field("return_to"), "/who");
        assert_eq!(site.who(&mut browser).await, "nobody");
    }
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let site = Site::start().await;
    for _ in 0..10 {
        let page = site.submit(&mut Browser::new(), "ada", "wrong").await;
        assert_eq!(page.status, 401);
    }
    let page = site.submit(&mut Browser::new(), "ADA", PASSWORD).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    site.pass(30);
    site.log_in().await;
}

#[tokio::test]
async fn who_guesses_names_has_to_wait() {
    let site = Site::start().await;
    for attempt in 0..60 {
        let page = site
            .submit(&mut Browser::new(), &format!("user{attempt}"), "wrong")
            .await;
        assert_eq!(page.status, 401);
    }
    let page = site.submit(&mut Browser::new(), "ada", PASSWORD).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["retry-after"]),
        (429, &"2".parse().unwrap())
    );
}

#[tokio::test]
async fn sessions_end() {
    let site = Site::start().await;
    let mut idle = site.log_in().await;
    site.pass(12 * 3600 - 1);
    assert_eq!(site.who(&mut idle).await, "ada");
    site.pass(12 * 3600 - 1);
    assert_eq!(site.who(&mut idle).await, "ada");
    site.pass(12 * 3600);
    assert_eq!(site.who(&mut idle).await, "nobody");

    let mut busy = site.log_in().await;
    for _ in 0..27 {
        site.pass(6 * 3600);
        assert_eq!(site.who(&mut busy).await, "ada");
    }
    site.pass(6 * 3600);
    assert_eq!(site.who(&mut busy).await, "nobody");

    let short = Site::with(|login| {
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
    let site = Site::start().await;
    let mut browser = site.log_in().await;
    let ada = site.users.find_by_name("ada").await.unwrap().unwrap();
    assert!(site.login.user(&ada.id).await.unwrap().is_some());

    site.users.set_disabled(&ada.id, true).await.unwrap();
    assert_eq!(site.who(&mut browser).await, "nobody");
    assert!(site.login.user(&ada.id).await.unwrap().is_none());
    site.users.set_disabled(&ada.id, false).await.unwrap();
    site.users.set_role(&ada.id, Role::Member).await.unwrap();
    let user = site.login.user(&ada.id).await.unwrap().unwrap();
    assert_eq!(user.roles, ["member".into()]);
    assert_eq!(site.who(&mut browser).await, "ada");

    site.users
        .set_password(&ada.id, "another password")
        .await
        .unwrap();
    assert_eq!(site.who(&mut browser).await, "nobody");
    let mut again = Browser::new();
    assert_eq!(
        site.submit(&mut again, "ada", "another password")
            .await
            .status,
        303
    );
    assert_eq!(site.who(&mut again).await, "ada");

    site.users.delete(&ada.id).await.unwrap();
    assert_eq!(site.who(&mut again).await, "nobody");
    for id in [&*ada.id, "", "usr_", "usr_x", "../client/x", "usr_/../x"] {
        assert!(site.login.user(id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn there_is_no_form_where_there_are_no_local_accounts() {
    let site = Site::with(|login| login).await;
    site.users.create("ada", PASSWORD).await.unwrap();
    let mut browser = Browser::new();
    let page = browser.get(&site.url("/api/auth/login")).await;
    assert_eq!(
        (page.status.as_u16(), page.body.contains("<form")),
        (200, false)
    );
    let fields = [("csrf", "x"), ("name", "ada"), ("password", PASSWORD)];
    assert_eq!(
        browser
            .post(&site.url("/api/auth/login"), &fields)
            .await
            .status,
        404
    );
}
