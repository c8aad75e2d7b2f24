//! The pages, over an API with a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "console/harness.rs"]
mod harness;
#[path = "console/objects.rs"]
mod objects;

use http::StatusCode;

use self::harness::{ADMIN, Browser, MEMBER, Site, TEAM_ADMIN};

/// Pages that everybody sees, those of administrators of teams, and those of administrators.
const MEMBER_PAGES: [&str; 8] = [
    "/console",
    "/console/connect",
    "/console/connect/open",
    "/console/registry",
    "/console/registry/com.example%2Fnotes",
    "/console/requests",
    "/console/approvals",
    "/console/approvals?status=all",
];
const MANAGER_PAGES: [&str; 7] = [
    "/console/gateways",
    "/console/gateways/new",
    "/console/gateways/open",
    "/console/gateways/of-team",
    "/console/gateways/of-team/edit",
    "/console/connections",
    "/console/connections/new",
];
const ADMIN_PAGES: [&str; 24] = [
    "/console/servers",
    "/console/servers/new",
    "/console/servers/new?kind=entry",
    "/console/servers/notes",
    "/console/servers/notes/edit",
    "/console/servers/notes/log",
    "/console/gateways/of-others",
    "/console/gateways/of-others/edit",
    "/console/registry/import",
    "/console/registry/com.example%2Fnotes/install",
    "/console/people",
    "/console/people/new",
    "/console/tokens",
    "/console/tokens/new",
    "/console/clients",
    "/console/clients/new",
    "/console/policy",
    "/console/policy/new",
    "/console/policy/explain",
    "/console/policy/recent",
    "/console/policy/rules/guard",
    "/console/pins",
    "/console/pins/notes",
    "/console/usage",
];

#[tokio::test]
async fn r1_a_page_is_for_those_who_may_use_its_resources() {
    let site = Site::new().await;
    let roles = [(ADMIN, 2), (TEAM_ADMIN, 1), (MEMBER, 0)];
    let pages = MEMBER_PAGES.map(|page| (page, 0)).into_iter();
    let pages = pages.chain(MANAGER_PAGES.map(|page| (page, 1)));
    let pages: Vec<_> = pages.chain(ADMIN_PAGES.map(|page| (page, 2))).collect();
    let nothing = site
        .sign_in(MEMBER)
        .await
        .get("/console/no-such-page")
        .await;
    assert_eq!(nothing.status, 404);
    for (token, rank) in roles {
        let browser = site.sign_in(token).await;
        for (page, least) in &pages {
            let answer = browser.get(page).await;
            match rank >= *least {
                true => assert_eq!(answer.status, 200, "{token} {page}: {}", answer.body),
                // Nothing tells a page that is for others from one that does not exist.
                false => {
                    assert_eq!(answer.status, 404, "{token} {page}");
                    assert_eq!(answer.body, nothing.body, "{token} {page}");
                }
            }
            assert!(answer.body.len() < 150 * 1024, "{page}");
        }
    }
    let nobody = Browser::new(&site);
    for (page, _) in pages {
        let answer = nobody.get(page).await;
        assert_eq!(answer.status, 303, "{page}");
        let location = answer.location.unwrap();
        assert!(
            location.starts_with("/console/sign-in?return_to=%2Fconsole"),
            "{location}"
        );
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn r1_links_are_those_of_the_role() {
    let site = Site::new().await;
    for (token, shown, hidden) in [
        (
            ADMIN,
            vec!["/console/people", "/console/audit", "/console/gateways"],
            vec![],
        ),
        (
            TEAM_ADMIN,
            vec!["/console/gateways"],
            vec!["/console/people", "/console/audit"],
        ),
        (
            MEMBER,
            vec!["/console/registry"],
            vec!["/console/people", "/console/gateways\""],
        ),
    ] {
        let page = site.sign_in(token).await.get("/console").await.body;
        for link in shown {
            assert!(page.contains(&format!("href=\"{link}")), "{token} {link}");
        }
        for link in hidden {
            assert!(!page.contains(&format!("href=\"{link}")), "{token} {link}");
        }
    }
}

#[tokio::test]
async fn r21_stored_markup_is_text_on_every_page() {
    let site = Site::marked().await;
    let browser = site.sign_in(ADMIN).await;
    let mut pages: Vec<_> = MEMBER_PAGES.to_vec();
    pages.extend(MANAGER_PAGES);
    pages.extend(ADMIN_PAGES);
    pages.extend(["/console/audit"]);
    let marked = objects::marked_paths(&site, &browser).await;
    pages.extend(marked.iter().map(String::as_str));
    let mut seen = 0;
    for page in pages {
        let answer = browser.get(page).await;
        assert!(
            answer.status == 200 || answer.status == 404,
            "{page}: {}",
            answer.status
        );
        assert!(
            !answer.body.contains("<img src=x"),
            "{page}: {}",
            answer.body
        );
        assert!(
            !answer.body.contains("onerror=mark>"),
            "{page}: {}",
            answer.body
        );
        assert!(!text_of(&answer.body).contains('\u{202e}'), "{page}");
        seen += usize::from(answer.body.contains("onerror=mark"));
    }
    assert!(seen >= 25, "{seen} pages show what is stored");
}

/// Returns `page` without what people edit: the values of attributes and of fields of several lines.
fn text_of(page: &str) -> String {
    let outside = page
        .split("<textarea")
        .enumerate()
        .map(|(index, part)| match index {
            0 => part,
            _ => part
                .split_once("</textarea>")
                .map_or(part, |(_, rest)| rest),
        });
    let outside: String = outside.collect();
    outside.split('"').step_by(2).collect()
}

#[tokio::test]
async fn r21_reflected_markup_is_text() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    let mark = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dmark%3E";
    for page in [
        "/console/servers?name=MARK",
        "/console/registry?search=MARK",
        "/console/audit?subject=MARK&target=MARK&action=MARK",
        "/console/usage?quota=MARK",
        "/console/approvals?status=all&server=MARK",
        "/console/policy/explain?tool=MARK&subject=MARK",
        "/console/tokens/new?user=MARK",
        "/console/servers/MARK",
        "/console?done=MARK",
        "/console/sign-in?return_to=/console/MARK",
        "/console/connect/open?client=MARK&with=MARK",
    ] {
        let answer = browser.get(&page.replace("MARK", mark)).await;
        assert!(!answer.body.contains("<img src=x"), "{page}");
        assert!(!answer.body.contains("onerror=mark>"), "{page}");
    }
}

#[tokio::test]
async fn r20_a_form_counts_only_with_the_token_of_its_session() {
    let site = Site::new().await;
    let (browser, other) = (site.sign_in(ADMIN).await, site.sign_in(ADMIN).await);
    let own = browser.csrf("/console/people/new").await;
    let foreign = other.csrf("/console/people/new").await;
    let form = |csrf: &str| format!("csrf={csrf}&name=eve&role=admin&teams=");
    let cut = &own[..own.len() - 2];
    for (csrf, origin, site_header, expected) in [
        ("", Some(harness::ORIGIN), Some("same-origin"), 403),
        (cut, Some(harness::ORIGIN), Some("same-origin"), 403),
        (&*foreign, Some(harness::ORIGIN), Some("same-origin"), 403),
        (&*own, Some("https://evil.example"), None, 403),
        (&*own, Some("null"), None, 403),
        (&*own, Some(harness::ORIGIN), Some("cross-site"), 403),
        (&*own, Some(harness::ORIGIN), Some("same-site"), 403),
        (&*own, Some(harness::ORIGIN), Some("same-origin"), 200),
    ] {
        let headers = [("origin", origin), ("sec-fetch-site", site_header)];
        let answer = browser
            .send("/console/people/new", form(csrf), &headers)
            .await;
        assert_eq!(answer.status, expected, "{csrf} {origin:?} {site_header:?}");
    }
}

#[tokio::test]
async fn r20_no_form_of_the_console_counts_without_a_token() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    for path in [
        "/console/sign-out",
        "/console/servers/new",
        "/console/servers/notes/edit",
        "/console/servers/notes/delete",
        "/console/servers/notes/restart",
        "/console/gateways/new",
        "/console/gateways/of-team/edit",
        "/console/gateways/of-team/delete",
        "/console/registry/import",
        "/console/registry/com.example%2Fnotes/install",
        "/console/registry/com.example%2Fnotes/request",
        "/console/requests/x/approve",
        "/console/requests/x/deny",
        "/console/connections/new",
        "/console/connections/x/delete",
        "/console/approvals/x/decision",
        "/console/people/new",
        "/console/people/x",
        "/console/people/x/delete",
        "/console/tokens/new",
        "/console/tokens/x/rotate",
        "/console/tokens/x/revoke",
        "/console/clients/new",
        "/console/clients/x/delete",
        "/console/policy/new",
        "/console/policy/explain",
        "/console/policy/rules/guard",
        "/console/policy/rules/guard/delete",
        "/console/policy/rules/guard/move",
        "/console/pins/notes/approve",
    ] {
        let answer = browser.post(path, "name=x").await;
        assert_eq!(answer.status, 403, "{path}");
        // Reading is no change.
        assert_eq!(site.changes(), 0, "{path}");
    }
    let nobody = Browser::new(&site);
    let answer = nobody.post("/console/servers/notes/delete", "csrf=x").await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn r22_pages_are_neither_framed_nor_cached_and_run_nothing_inline() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    for page in [
        "/console",
        "/console/servers",
        "/console/no-such",
        "/console/sign-in",
    ] {
        let answer = browser.get(page).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{page}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        for inline in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!answer.body.contains(inline), "{page}: {inline}");
        }
        let scripts = answer.body.matches("<script").count();
        assert_eq!(
            scripts,
            answer
                .body
                .matches("<script src=\"/console/assets/")
                .count()
        );
    }
}

#[tokio::test]
async fn assets_are_kept_by_caches_for_good() {
    let site = Site::new().await;
    let page = site.sign_in(ADMIN).await.get("/console").await.body;
    let paths = page
        .split('"')
        .filter(|text| text.starts_with("/console/assets/"));
    let paths: Vec<_> = paths.collect();
    assert_eq!(paths.len(), 3);
    for path in paths {
        let answer = Browser::new(&site).get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-control").ends_with("immutable"));
    }
    let answer = Browser::new(&site)
        .get("/console/assets/x-console.js")
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn r20_a_token_is_pasted_only_on_the_page_of_the_console() {
    let site = Site::new().await;
    let browser = Browser::new(&site);
    let form = format!("token={ADMIN}&return_to=%2Fconsole%2Fservers");
    for (origin, expected) in [
        (None, 403),
        (Some("https://evil.example"), 403),
        (Some(harness::ORIGIN), 303),
    ] {
        let headers = [("origin", origin)];
        let answer = browser
            .send("/console/sign-in", form.clone(), &headers)
            .await;
        assert_eq!(answer.status, expected, "{origin:?}");
        let cookie = answer.header("set-cookie");
        assert_eq!(cookie.is_empty(), expected != 303);
        if expected == 303 {
            assert_eq!(answer.location.as_deref(), Some("/console/servers"));
            assert!(
                cookie.contains("; HttpOnly; SameSite=Strict; Secure"),
                "{cookie}"
            );
            assert!(!cookie.contains(ADMIN), "{cookie}");
        }
    }
    let headers = [("origin", Some(harness::ORIGIN))];
    let answer = browser
        .send("/console/sign-in", "token=guess".to_owned(), &headers)
        .await;
    assert_eq!(answer.status, 401);
    assert!(!answer.body.contains("guess"));
}

#[tokio::test]
async fn r1_a_revoked_token_ends_the_session_at_once() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    assert_eq!(browser.get("/console/people").await.status, 200);
    site.revoke();
    assert_eq!(browser.get("/console/people").await.status, 303);
}

#[tokio::test]
async fn forms_change_what_the_api_changes() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    // A person, whose password is shown once.
    let answer = browser
        .submit("/console/people/new", "name=eve&role=member&teams=ops")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("It is shown only now"));
    let people = browser.get("/console/people").await.body;
    let path = people
        .split('"')
        .find(|text| text.starts_with("/console/people/usr_"));
    let path = path.unwrap().to_owned();
    let page = browser.get(&path).await.body;
    assert!(page.contains("value=\"ops\""), "{page}");
    // What is wrong is said at the field, with what was typed.
    let answer = browser
        .submit("/console/people/new", "name=&role=member&teams=a")
        .await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("id=\"f-name-e\""), "{}", answer.body);
    assert!(answer.body.contains("value=\"a\""));
    let answer = browser
        .submit(&path, "role=member&teams=ops%2C+web&administeredTeams=ops")
        .await;
    assert_eq!(answer.location, Some(format!("{path}?done=saved")));
    // The form of a tab that was opened before that change undoes nothing.
    let before = page.split("name=\"version\" value=\"").nth(1).unwrap();
    let before = before.split('"').next().unwrap().replace("&#34;", "%22");
    let stale = format!("version={before}&role=admin&teams=ops");
    let answer = browser.submit(&path, &stale).await;
    assert_eq!(answer.status, 412, "{before} {}", answer.body);
    let page = browser.get(&path).await.body;
    assert!(page.contains("value=\"ops, web\""), "{page}");
    // A token, shown once, and revoked.
    let answer = browser
        .submit("/console/tokens/new", "name=ci&days=90")
        .await;
    assert!(answer.body.contains("class=\"secret\""), "{}", answer.body);
    let tokens = browser.get("/console/tokens").await.body;
    let revoke = tokens
        .split('"')
        .find(|text| text.ends_with("/revoke"))
        .unwrap()
        .to_owned();
    let answer = browser.submit_from("/console/tokens", &revoke, "").await;
    assert_eq!(
        answer.location.as_deref(),
        Some("/console/tokens?done=revoked")
    );
    let answer = browser
        .submit_from("/console/people", &format!("{path}/delete"), "")
        .await;
    assert_eq!(
        answer.location.as_deref(),
        Some("/console/people?done=deleted")
    );
    // A client with a secret.
    let answer = browser
        .submit("/console/clients/new", "name=ci&kind=confidential")
        .await;
    assert!(answer.body.contains("Client secret"), "{}", answer.body);
}

#[tokio::test]
async fn the_form_of_a_gateway_keeps_what_it_does_not_show() {
    let site = Site::new().await;
    let browser = site.sign_in(ADMIN).await;
    let edit = "/console/gateways/of-team/edit";
    let page = browser.get(edit).await.body;
    assert!(
        page.contains("name=\"use.notes\" value=\"on\" checked"),
        "{page}"
    );
    let form = "version=%221%22&name=of-team&title=Ops&visibility=teams&teams=ops&scope=some\
                &use.notes=on&tools.notes=read%2C+write&connection.notes=team%2Fops&more=wiki\
                &exposure=search&visibleTools=notes*";
    let answer = browser.submit(edit, form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let entry = site.last_entry();
    assert_eq!(
        entry,
        serde_json::json!({
            "name": "of-team", "title": "Ops", "pageSize": 7,
            "visibility": { "teams": ["ops"] },
            "servers": ["wiki"],
            "assignments": [{
                "server": "notes", "tools": ["read", "write"], "connection": { "team": "ops" },
            }],
            "exposure": "search", "visibleTools": ["notes*"],
        })
    );
    // No tools, which are not all tools, and a team whose name has a comma.
    let form = "version=%221%22&name=of-team&visibility=teams&teams=%22a%2Csec%22%2C+ops&scope=some\
                &use.notes=on&tools.notes=none&connection.notes=caller&exposure=list";
    let answer = browser.submit(edit, form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let entry = site.last_entry();
    assert_eq!(
        (&entry["assignments"][0]["tools"], &entry["visibility"]),
        (
            &serde_json::json!([]),
            &serde_json::json!({ "teams": ["a,sec", "ops"] })
        )
    );
    // All servers.
    let form = "name=new&visibility=organization&scope=all&exposure=list";
    let answer = browser.submit("/console/gateways/new", form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(
        site.last_entry(),
        serde_json::json!({ "name": "new", "visibility": "organization" })
    );
}

#[tokio::test]
async fn members_request_entries_and_administrators_decide() {
    let site = Site::new().await;
    let (member, admin) = (site.sign_in(MEMBER).await, site.sign_in(ADMIN).await);
    let entry = "/console/registry/com.example%2Fnotes";
    let answer = member
        .submit_from(
            entry,
            &format!("{entry}/request"),
            "version=1.0.0&reason=notes",
        )
        .await;
    assert_eq!(
        answer.location.as_deref(),
        Some("/console/requests?done=requested")
    );
    let list = admin.get("/console/requests").await.body;
    let path = list
        .split('"')
        .find(|text| text.starts_with("/console/requests/"))
        .unwrap();
    let seen = member.get(path).await;
    assert_eq!(seen.status, 200);
    assert!(!seen.body.contains("/deny"), "{}", seen.body);
    let answer = member
        .submit_from(path, &format!("{path}/deny"), "message=no")
        .await;
    assert_eq!(answer.status, 404);
    let answer = admin
        .submit_from(path, &format!("{path}/deny"), "message=no")
        .await;
    assert_eq!(answer.location, Some(format!("{path}?done=denied")));
    assert!(member.get(path).await.body.contains("denied"));
}

#[tokio::test]
async fn approvals_are_decided_by_those_whom_the_rule_names() {
    let site = Site::new().await;
    let id = site.ask("somebody").await;
    let path = format!("/console/approvals/{id}");
    let (ops, member) = (site.sign_in(TEAM_ADMIN).await, site.sign_in(MEMBER).await);
    assert_eq!(member.get(&path).await.status, 404);
    assert!(ops.get("/console/approvals").await.body.contains("decide"));
    let decision = format!("{path}/decision");
    let answer = ops
        .submit_from(&path, &decision, "decision=approve&reason=fine")
        .await;
    assert_eq!(answer.location, Some(format!("{path}?done=approved")));
    let answer = ops.submit_from(&path, &decision, "decision=deny").await;
    assert_eq!(answer.status, StatusCode::CONFLICT.as_u16());
}
