use super::*;

fn consent<'a>(client_name: &'a str, scopes: &'a [(&'a str, &'a str)]) -> ConsentPage<'a> {
    ConsentPage {
        client_name,
        client_host: None,
        redirect_host: "127.0.0.1:1234",
        is_loopback_only: true,
        scopes,
        host: "gateway.example.com",
        gateway: "engineering",
        user: "Ada",
        request: "r-1",
    }
}

const EVIL: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}";

#[test]
fn o13_no_page_can_be_framed_or_kept() {
    let response = page(
        StatusCode::OK,
        &consent("Client", &[]),
        Some("http://127.0.0.1:1234"),
    );
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let policy = header("content-security-policy");
    let mut directives = policy.split("; ");
    assert_eq!(directives.next(), Some("default-src 'none'"));
    assert!(directives.next().unwrap().starts_with("style-src 'sha256-"));
    let rest: Vec<_> = directives.collect();
    assert_eq!(
        rest,
        [
            "img-src 'self'",
            "form-action 'self' http://127.0.0.1:1234",
            "frame-ancestors 'none'",
            "base-uri 'none'"
        ]
    );
}

#[test]
fn an_origin_says_nothing_else_in_a_policy() {
    assert_eq!(
        source("https://a.example"),
        Some(" https://a.example".to_owned())
    );
    assert_eq!(source("cursor:"), Some(" cursor:".to_owned()));
    assert_eq!(source("http://[::1]:80"), Some(" http:".to_owned()));
    for origin in [
        "",
        "*",
        "'unsafe-inline'",
        "https://a; script-src *",
        "https://a, x",
        ":",
        "a\nb:",
    ] {
        assert_eq!(source(origin), None, "{origin:?}");
    }
}

#[test]
fn o17_text_from_outside_is_shown_and_never_markup() {
    let consent = ConsentPage {
        client_host: Some(EVIL),
        redirect_host: EVIL,
        user: EVIL,
        host: EVIL,
        gateway: EVIL,
        request: EVIL,
        ..consent(EVIL, &[(EVIL, EVIL)])
    };
    let message = MessagePage {
        title: EVIL,
        message: EVIL,
        refresh: Some(EVIL),
        href: EVIL,
        label: EVIL,
    };
    let error = ErrorPage {
        title: EVIL,
        message: EVIL,
        detail: Some(EVIL),
        links: &[],
    };
    let pages = [consent.render(), message.render(), error.render()];
    for page in pages.into_iter().chain(evil_login_and_account()) {
        let page = page.unwrap();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"'>"));
    }
}

#[test]
fn o17_a_long_name_is_cut() {
    let name = "n".repeat(10_000);
    let page = consent(&name, &[(&name, &name)]).render().unwrap();
    assert!(page.len() < 20_000, "{}", page.len());
}

fn evil_login_and_account() -> [askama::Result<String>; 2] {
    let link = ProviderLink {
        name: EVIL.to_owned(),
        href: EVIL.to_owned(),
        github: true,
    };
    let client = AuthorizedClientItem {
        id: EVIL.to_owned(),
        name: EVIL.to_owned(),
        detail: EVIL.to_owned(),
    };
    let login = LoginPage {
        gateway: EVIL,
        providers: &[link],
        local: true,
        problem: Some(EVIL),
        name: EVIL,
        return_to: EVIL,
        csrf: EVIL,
    };
    let account = AccountPage {
        gateway: EVIL,
        name: EVIL,
        email: Some(EVIL),
        roles: EVIL,
        teams: EVIL,
        clients: &[client],
        has_connections: true,
        csrf: EVIL,
    };
    [login.render(), account.render()]
}

#[test]
fn pages_have_what_assistive_technology_needs() {
    let pages = [
        consent("Client", &[("mcp:tools", "Use tools")])
            .render()
            .unwrap(),
        ErrorPage {
            title: "No",
            message: "Why",
            detail: None,
            links: &[],
        }
        .render()
        .unwrap(),
        LoginPage {
            gateway: "g",
            providers: &[],
            local: true,
            problem: None,
            name: "",
            return_to: "/",
            csrf: "c",
        }
        .render()
        .unwrap(),
    ];
    for page in pages {
        assert_eq!(page.matches("<h1>").count(), 1);
        assert!(page.contains("<html lang=\"en\">") && page.contains("name=\"viewport\""));
        let is_handler = |rest: &str| {
            rest.trim_start_matches(char::is_alphabetic)
                .starts_with('=')
        };
        assert!(!page.split(" on").skip(1).any(is_handler));
        assert!(!page.contains("<script") && !page.contains(" style="));
        for input in page
            .split("<input ")
            .skip(1)
            .filter(|input| !input.starts_with("type=\"hidden\""))
        {
            let id = input.split('"').nth(1).unwrap();
            assert!(page.contains(&format!("<label for=\"{id}\">")), "{id}");
        }
    }
}

#[test]
fn the_style_is_the_one_that_the_policy_allows() {
    let html = ErrorPage {
        title: "No",
        message: "Why",
        detail: None,
        links: &[],
    }
    .render()
    .unwrap();
    let style = html
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"));
    assert_eq!(style.unwrap().0, STYLE);
}
