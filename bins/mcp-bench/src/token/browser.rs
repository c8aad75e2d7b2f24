//! Minimal browser that authorizes clients.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

/// Authorization code, and its client.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) client: String,
    pub(crate) code: String,
}

/// Browser of a user.
#[derive(Debug)]
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    cookies: BTreeMap<String, String>,
}

/// Response.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Browser {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: base.trim_end_matches('/').to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    pub(crate) async fn log_in(&mut self, name: &str, password: &str) -> anyhow::Result<()> {
        let page = self.get(LOGIN).await?;
        self.keep(&page);
        let csrf = page.field("csrf")?;
        let form = [("csrf", &*csrf), ("name", name), ("password", password)];
        let done = self.submit(LOGIN, &form).await?;
        self.keep(&done);
        ensure!(
            !done.status.is_client_error() && !done.status.is_server_error(),
            "login of account {name} failed: {}",
            done.status
        );
        Ok(())
    }

    /// Registers a client and returns its ID.
    pub(crate) async fn register(&self) -> anyhow::Result<String> {
        let metadata = json!({ "redirect_uris": [CALLBACK], "client_name": "mcp-bench" });
        let request = Request::post(format!("{}/register", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(metadata.to_string()))?;
        let page = self.send(request).await?;
        let registered: Value = serde_json::from_str(&page.text)?;
        let id = registered["client_id"].as_str();
        let id = id.with_context(|| format!("client registration failed: {}", page.text))?;
        Ok(id.to_owned())
    }

    /// Authorizes `client`.
    pub(crate) async fn agree(&self, client: &str) -> anyhow::Result<()> {
        let page = self.get(&authorize(client)).await?;
        let request = page.field("request")?;
        let form = [("request", &*request), ("decision", "allow")];
        let done = self.submit("/api/auth/oauth2/consent", &form).await?;
        done.code().map(drop)
    }

    /// Obtains a code for the authorized `client`.
    pub(crate) async fn code(&self, client: &str) -> anyhow::Result<Code> {
        let code = self.get(&authorize(client)).await?.code()?;
        Ok(Code {
            client: client.to_owned(),
            code,
        })
    }

    async fn get(&self, path: &str) -> anyhow::Result<Page> {
        let request = Request::get(format!("{}{path}", self.base));
        self.send(request.body(Full::default())?).await
    }

    async fn submit(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Page> {
        let body = encoded(form);
        let request = Request::post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("origin", &self.base)
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Full::from(body))?).await
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Page> {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            let cookies = cookies.join("; ").parse()?;
            request.headers_mut().insert(COOKIE, cookies);
        }
        let (parts, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn keep(&mut self, page: &Page) {
        for cookie in page.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap_or_default();
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    /// Returns the value of the hidden field `name`.
    fn field(&self, name: &str) -> anyhow::Result<String> {
        let marker = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&marker).map(|(_, rest)| rest);
        let value = rest.and_then(|rest| rest.split('"').next());
        let value =
            value.with_context(|| format!("page without field {name}: {}", self.about()))?;
        Ok(value.to_owned())
    }

    /// Returns the code in the redirect to the client.
    fn code(&self) -> anyhow::Result<String> {
        let location = self.headers.get(LOCATION);
        let location = location.and_then(|value| Url::parse(value.to_str().ok()?).ok());
        let code = location.as_ref().and_then(|location| {
            let mut pairs = location.query_pairs();
            pairs.find(|(name, _)| name == "code")
        });
        let code = code.map(|(_, value)| value.into_owned());
        code.with_context(|| format!("no authorization code: {}", self.about()))
    }

    /// Describes the page in one line.
    fn about(&self) -> String {
        let title = self.text.split_once("<title>").map(|(_, rest)| rest);
        let title = title.and_then(|rest| rest.split('<').next());
        format!("{}, {}", self.status, title.unwrap_or(&self.text))
    }
}

fn authorize(client: &str) -> String {
    let query = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    format!("/authorize?{}", encoded(&query))
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

const LOGIN: &str = "/api/auth/login";

/// Redirect URI that is not on this machine, because users are asked each time about local clients.
/// It is never requested.
pub(super) const CALLBACK: &str = "https://client.example.com/callback";

/// Code challenge of the example in RFC 7636.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
