//! Somebody with a browser, who lets clients in.

use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::browser::{Browser, Page};
use crate::harness::{Endpoint, ISSUER, Reply, encoded};

/// Not on this machine: users are asked about those clients each time. Nobody goes there.
pub(crate) const CALLBACK: &str = "https://client.example.com/callback";

/// The vector of RFC 7636.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Somebody who has logged in with a browser.
pub(crate) struct BrowserUser {
    pub(crate) endpoint: Endpoint,
    /// Cookies of the browser.
    pub(crate) cookies: String,
}

impl BrowserUser {
    /// Logs in with a name and a password.
    pub(crate) async fn log_in(endpoint: &Endpoint, name: &str, password: &str) -> Self {
        let mut browser = Browser::new();
        let url = format!("{}/api/auth/login", endpoint.url);
        let page = browser.get(&url).await;
        let csrf = page.field("csrf");
        let form = [("csrf", &*csrf), ("name", name), ("password", password)];
        let page = browser.post(&url, &form).await;
        assert!(page.next().is_some(), "{name} cannot log in: {page:?}");
        Self::of(endpoint, &browser)
    }

    /// Logs in at the identity provider.
    pub(crate) async fn log_in_elsewhere(endpoint: &Endpoint) -> Self {
        let mut browser = Browser::new();
        let start = format!("{}/api/auth/login/corp", endpoint.url);
        let provider = browser.get(&start).await.next().unwrap();
        let back = browser.get(&provider).await.next().unwrap();
        // The address that all replicas are known by leads nowhere here.
        let page = browser.get(&back.replace(ISSUER, &endpoint.url)).await;
        assert!(page.next().is_some(), "{page:?}");
        Self::of(endpoint, &browser)
    }

    fn of(endpoint: &Endpoint, browser: &Browser) -> Self {
        let cookies = browser.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        Self {
            endpoint: endpoint.clone(),
            cookies: cookies.join("; "),
        }
    }

    /// A code for `client`, and whether the user was asked; `None` if there was no answer.
    pub(crate) async fn code(&self, client: &str) -> Option<(String, bool)> {
        let query = encoded(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let path = format!("/authorize?{query}");
        let page = self.send(Method::GET, &path, String::new()).await?;
        if let Some(code) = code(&page) {
            return Some((code, false));
        }
        assert_eq!(page.status.as_u16(), 200, "{page:?}");
        let request = page.field("request");
        let form = encoded(&[("request", &request), ("decision", "allow")]);
        let path = "/api/auth/oauth2/consent";
        let page = self.send(Method::POST, path, form).await?;
        let code = code(&page);
        assert!(code.is_some(), "{page:?}");
        Some((code?, true))
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Option<Page> {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", &self.cookies),
            ("sec-fetch-site", "same-origin"),
        ];
        let reply = self.endpoint.send(method, path, &headers, body).await?;
        Some(Page {
            url: Url::parse(&self.endpoint.url).unwrap(),
            status: reply.status,
            headers: reply.headers,
            body: reply.value.as_str().unwrap_or_default().to_owned(),
        })
    }
}

fn code(page: &Page) -> Option<String> {
    let url = Url::parse(&page.next()?).ok()?;
    let mut pairs = url.query_pairs();
    let (_, code) = pairs.find(|(name, _)| name == "code")?;
    Some(code.into_owned())
}

/// Returns the form that redeems a code.
pub(crate) fn redemption<'a>(client: &'a str, code: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ]
}

/// Registers a public client; `None` if there was no answer.
pub(crate) async fn register(endpoint: &Endpoint, more: &Value) -> Option<Reply> {
    let mut metadata = json!({ "redirect_uris": [CALLBACK] });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let headers = [("content-type", "application/json")];
    endpoint
        .send(Method::POST, "/register", &headers, metadata.to_string())
        .await
}
