use mcp_gateway_auth::LoginProvider;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::login::GithubProvider;
use mcp_gateway_auth::users::UserUpdate;
use serde_json::json;

use crate::browser::{Browser, Page};
use crate::harness::Harness;
use crate::octo::Octo;

pub(crate) fn egress() -> Egress {
    Egress::new(EgressPolicy::new().with_insecure_loopback()).unwrap()
}

fn provider(octo: &Octo) -> GithubProvider {
    let web = format!("http://{}", octo.address);
    let provider = GithubProvider::new("app", "app-secret", egress());
    provider.with_urls(&web, &format!("{web}/api/"))
}

async fn harness(octo: &Octo, allow: impl FnOnce(GithubProvider) -> GithubProvider) -> Harness {
    let provider = allow(provider(octo));
    Harness::with(|login| login.with_github(provider)).await
}

async fn log_in(harness: &Harness, browser: &mut Browser) -> Page {
    browser
        .visit(&harness.url("/api/auth/login/github?return_to=%2Fwho"))
        .await
}

/// Returns the callback to which the browser would be redirected.
async fn callback(harness: &Harness, browser: &mut Browser) -> String {
    let start = browser
        .get(&harness.url("/api/auth/login/github?return_to=%2Fwho"))
        .await;
    assert_eq!(start.status, 303, "{start:?}");
    browser.get(&start.next().unwrap()).await.next().unwrap()
}

#[tokio::test]
async fn a_user_who_is_allowed_logs_in_at_github() {
    let octo = Octo::start(42, "Octocat").await;
    octo.now().emails = json!([
        {"email": "a@example.com", "primary": false, "verified": true},
        {"email": "octo@example.com", "primary": true, "verified": true},
    ]);
    let harness = harness(&octo, |github| github.with_allowed_user("octocat")).await;
    let mut browser = Browser::new();
    let page = browser
        .get(&harness.url("/api/auth/login?return_to=%2Fwho%3Fa%3D1%26b"))
        .await;
    assert!(page.body.contains("Continue with GitHub") && !page.body.contains("<form"));
    assert!(
        page.body
            .contains("/api/auth/login/github?return_to=%2Fwho%3Fa%3D1%26b")
    );

    let page = log_in(&harness, &mut browser).await;
    assert_eq!((page.url.path(), &*page.body), ("/who", "Octocat"));
    let user = harness.users.list(None, 10).await.unwrap().remove(0);
    assert_eq!(user.email.as_deref(), Some("octo@example.com"));
    assert_eq!((&*user.identities[0].subject, user.username), ("42", None));
    log_in(&harness, &mut Browser::new()).await;
    assert_eq!(harness.users.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn members_of_an_organization_log_in_and_belong_to_teams() {
    let octo = Octo::start(42, "octocat").await;
    let mut organizations: Vec<_> = (0..100).map(|number| format!("org{number}")).collect();
    organizations.push("Example".to_owned());
    octo.now().organizations = organizations;
    octo.now().emails = json!([{"email": "o@example.com", "primary": true, "verified": false}]);
    let harness = harness(&octo, |github| {
        github
            .with_allowed_organization("example")
            .with_team("EXAMPLE", "core")
            .with_team("x", "y")
    });
    let harness = harness.await;
    assert_eq!(log_in(&harness, &mut Browser::new()).await.body, "octocat");
    let user = harness.users.list(None, 10).await.unwrap().remove(0);
    assert_eq!((user.teams, user.email), (vec!["core".to_owned()], None));
}

#[tokio::test]
async fn o41_who_is_not_allowed_gets_no_session() {
    let octo = Octo::start(42, "octocat").await;
    octo.now().organizations = vec!["other".to_owned()];
    let strict = harness(&octo, |github| {
        github
            .with_allowed_user("hubot")
            .with_allowed_organization("example")
    });
    let nobody = harness(&octo, |github| github);
    for harness in [strict.await, nobody.await] {
        let mut browser = Browser::new();
        let page = log_in(&harness, &mut browser).await;
        assert_eq!(
            (page.status.as_u16(), page.title()),
            (403, "You may not use this gateway")
        );
        assert!(page.body.contains("octocat"));
        assert!(browser.cookie("mcp-gateway-session").is_none());
        assert!(harness.users.list(None, 10).await.unwrap().is_empty());
    }
    let open = harness(&octo, GithubProvider::with_anybody).await;
    assert_eq!(log_in(&open, &mut Browser::new()).await.body, "octocat");
}

#[tokio::test]
async fn o41_who_has_left_is_nobody_after_a_while_or_the_next_login() {
    let octo = Octo::start(42, "octocat").await;
    octo.now().organizations = vec!["example".to_owned()];
    let harness = harness(&octo, |github| github.with_allowed_organization("example")).await;
    let mut browser = Browser::new();
    log_in(&harness, &mut browser).await;
    let id = harness.users.list(None, 10).await.unwrap().remove(0).id;
    assert!(harness.login.user(&id).await.unwrap().is_some());

    octo.now().organizations.clear();
    assert_eq!(log_in(&harness, &mut Browser::new()).await.status, 403);
    harness.pass(30 * 24 * 3600);
    assert!(
        harness.login.user(&id).await.unwrap().is_none(),
        "for too long not seen there"
    );
    octo.now().organizations = vec!["example".to_owned()];
    log_in(&harness, &mut browser).await;
    assert!(harness.login.user(&id).await.unwrap().is_some());
    harness
        .users
        .update(&id, &UserUpdate::new().with_disabled(true))
        .await
        .unwrap();
    assert_eq!(harness.who(&mut browser).await, "nobody");
    assert_eq!(log_in(&harness, &mut Browser::new()).await.status, 403);
}

#[tokio::test]
async fn o42_a_user_is_the_number_and_not_the_name() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, |github| github.with_allowed_user("octocat")).await;
    log_in(&harness, &mut Browser::new()).await;
    octo.now().id = 43;
    assert_eq!(log_in(&harness, &mut Browser::new()).await.status, 403);
    octo.now().login = "hubot".to_owned();
    octo.now().id = 42;
    let page = log_in(&harness, &mut Browser::new()).await;
    assert_eq!(
        page.status, 403,
        "who has another name now is allowed by that"
    );
}

#[tokio::test]
async fn o14_a_callback_is_for_the_browser_that_began() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, GithubProvider::with_anybody).await;
    let mut attacker = Browser::new();
    let link = callback(&harness, &mut attacker).await;
    for mut victim in [Browser::new(), {
        let mut other = Browser::new();
        other.get(&harness.url("/api/auth/login")).await;
        other
    }] {
        let page = victim.get(&link).await;
        assert_eq!(
            (page.status.as_u16(), page.headers.get("set-cookie")),
            (403, None)
        );
        assert_eq!(harness.who(&mut victim).await, "nobody");
    }
    // Attempts of other browsers do not consume it.
    assert_eq!(attacker.visit(&link).await.body, "octocat");
}

#[tokio::test]
async fn o49_a_callback_is_good_once_and_for_ten_minutes() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, GithubProvider::with_anybody).await;
    let mut browser = Browser::new();
    let link = callback(&harness, &mut browser).await;
    let cookies = browser.cookies.clone();
    assert_eq!(browser.get(&link).await.status, 303);
    browser.cookies = cookies;
    assert_eq!(browser.get(&link).await.status, 403);

    let late = callback(&harness, &mut browser).await;
    harness.pass(599);
    assert_eq!(browser.get(&late).await.status, 303);
    let late = callback(&harness, &mut browser).await;
    harness.pass(600);
    assert_eq!(browser.get(&late).await.status, 403);
}

#[tokio::test]
async fn o49_of_parallel_callbacks_one_is_taken() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, GithubProvider::with_anybody).await;
    let mut browser = Browser::new();
    let link = callback(&harness, &mut browser).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (link, cookies) = (link.clone(), browser.cookies.clone());
        tasks.spawn(async move {
            let mut browser = Browser::new();
            browser.cookies = cookies;
            browser.get(&link).await.status.as_u16()
        });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403, 403, 403, 403, 403, 403, 403]);
}

#[tokio::test]
async fn o14_a_callback_with_anything_changed_is_refused() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, GithubProvider::with_anybody).await;
    let mut browser = Browser::new();
    let link = callback(&harness, &mut browser).await;
    let (path, query) = link.split_once('?').unwrap();
    let state = query.split_once("state=").unwrap().1.to_owned();
    let code = query.split('&').next().unwrap().to_owned();
    let wrong = [
        (format!("{path}?{code}"), 400),
        (format!("{path}?{code}&state="), 403),
        (format!("{path}?{code}&state=x"), 403),
        (format!("{path}?{code}&state={state}x"), 403),
        (format!("{path}?{code}&state={state}&state={state}"), 400),
        (format!("{}?{query}", path.replace("github", "other")), 404),
    ];
    for (link, status) in wrong {
        assert_eq!(browser.get(&link).await.status, status, "{link}");
    }
    // The code of another user does not match the verifier of this login.
    let stolen = callback(&harness, &mut Browser::new()).await;
    let stolen = stolen
        .split_once('?')
        .unwrap()
        .1
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let page = browser.get(&format!("{path}?{stolen}&state={state}")).await;
    assert_eq!(page.status, 403);
    assert_eq!(harness.who(&mut browser).await, "nobody");
}

#[tokio::test]
async fn two_tabs_do_not_get_in_each_others_way() {
    let octo = Octo::start(42, "octocat").await;
    let harness = harness(&octo, GithubProvider::with_anybody).await;
    let mut browser = Browser::new();
    let cancelled = callback(&harness, &mut browser).await;
    let second = callback(&harness, &mut browser).await;
    assert_ne!(cancelled, second);
    assert_eq!(browser.visit(&second).await.body, "octocat");
}

#[tokio::test]
async fn o17_what_github_says_is_not_markup_and_its_failure_is_told() {
    let octo = Octo::start(42, "<img src=x>\u{202e}").await;
    octo.now().cancels = true;
    let harness = harness(&octo, |github| github.with_allowed_user("hubot")).await;
    let page = log_in(&harness, &mut Browser::new()).await;
    assert_eq!(
        (page.status.as_u16(), page.title()),
        (403, "You are not logged in")
    );
    assert!(!page.body.contains("<script"));

    octo.now().cancels = false;
    let page = log_in(&harness, &mut Browser::new()).await;
    assert_eq!(page.status, 403);
    assert!(!page.body.contains("<img") && !page.body.contains('\u{202e}'));

    octo.now().is_down = true;
    let page = log_in(&harness, &mut Browser::new()).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["retry-after"]),
        (503, &"5".parse().unwrap())
    );
}
