//! Log in as an MCP client does: with nothing but the URL of a server.

mod browser;
mod callback;
mod discovery;
mod web;

use anyhow::{Context as _, bail};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_auth::Secret;
use serde_json::{Value, json};
use url::Url;

use self::callback::Callback;
use self::discovery::{AuthorizationServer, Discovered};
use self::web::{Answer, Web};
use crate::output::complain;

/// How somebody logs in.
#[derive(Debug)]
pub(crate) struct SignIn {
    web: Web,
    /// The server, as the client knows it.
    url: Url,
    pub(crate) client_id: Option<String>,
    pub(crate) registration_token: Option<String>,
    pub(crate) scope: Option<String>,
    /// Whether a browser is opened.
    pub(crate) browser: bool,
}

/// What a client is granted in the end.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) token: String,
    pub(crate) scope: Option<String>,
    /// For how many seconds it is good.
    pub(crate) expires_in: Option<u64>,
    pub(crate) refreshable: bool,
    /// What the token says of itself, if it can be read.
    pub(crate) claims: Option<Value>,
}

impl SignIn {
    /// Logs in at the server at `url`.
    ///
    /// # Errors
    ///
    /// When nobody should log in there, or the system lacks what is needed.
    pub(crate) fn new(url: Url) -> anyhow::Result<Self> {
        Ok(Self {
            web: Web::new(&url)?,
            url,
            client_id: None,
            registration_token: None,
            scope: None,
            browser: true,
        })
    }

    /// Does what a client does until it has a token; `None` if the server wants none.
    ///
    /// # Errors
    ///
    /// What did not work, and what may help.
    pub(crate) async fn run(&self) -> anyhow::Result<Option<Granted>> {
        let Some(found) = discovery::discover(&self.web, &self.url).await? else {
            return Ok(None);
        };
        complain(format_args!(
            "authorization server  {}",
            found.server.issuer
        ));
        let callback = Callback::listen().await?;
        let client = match &self.client_id {
            Some(id) => id.clone(),
            None => self.register(&found.server, &callback).await?,
        };
        complain(format_args!("client                {client}"));
        let verifier = secret()?;
        let state = secret()?;
        let address = self.address(&found, &callback, [&client, &verifier, &state]);
        complain(format_args!("\nOpen this to log in:\n\n  {address}\n"));
        if self.browser {
            browser::open(&address);
        }
        let redirect_uri = callback.uri().to_owned();
        let code = callback.code(&state, &found.server).await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("client_id", &client),
            ("code_verifier", &verifier),
            ("resource", &found.resource),
        ];
        let answer = self
            .web
            .post_form(&found.server.token_endpoint, &form)
            .await?;
        granted(&answer).map(Some)
    }

    /// The address at which somebody logs in and agrees.
    fn address(
        &self,
        found: &Discovered,
        callback: &Callback,
        [client, verifier, state]: [&str; 3],
    ) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut address = found.server.authorization_endpoint.clone();
        let mut query = address.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", client)
            .append_pair("redirect_uri", callback.uri())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", state)
            .append_pair("resource", &found.resource);
        if let Some(scope) = self.scope.as_ref().or(found.scope.as_ref()) {
            query.append_pair("scope", scope);
        }
        drop(query);
        address
    }

    /// Registers this program as a client.
    async fn register(
        &self,
        server: &AuthorizationServer,
        callback: &Callback,
    ) -> anyhow::Result<String> {
        let Some(endpoint) = &server.registration_endpoint else {
            bail!(
                "{} lets no client register itself: have one made for {}, and name it with \
                 --client-id (`mcp-gateway client create ID --redirect-uri URI` makes one)",
                server.issuer,
                callback::ANY_PORT
            );
        };
        let request = json!({
            "client_name": "mcp-gateway login",
            "redirect_uris": [callback.uri()],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        let token = self.registration_token.as_deref();
        let answer = self.web.post_json(endpoint, &request, token).await?;
        if answer.status.as_u16() == 401 {
            bail!("registration needs a token: name it with --registration-token");
        }
        let document = answer.success("the registration")?;
        let id = document["client_id"].as_str().map(str::to_owned);
        id.context("the registration is answered without a client_id")
    }
}

fn granted(answer: &Answer) -> anyhow::Result<Granted> {
    let document = answer.success("the exchange of the code")?;
    let token = document["access_token"].as_str();
    let token = token.context("the token endpoint answers without an access_token")?;
    let kind = document["token_type"].as_str().unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        bail!("the token is of the type {kind:?}, and not Bearer");
    }
    Ok(Granted {
        token: token.to_owned(),
        scope: document["scope"].as_str().map(str::to_owned),
        expires_in: document["expires_in"].as_u64(),
        refreshable: document["refresh_token"].is_string(),
        claims: claims(token),
    })
}

/// What a token says of itself, which is not believed, but shown.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn secret() -> anyhow::Result<String> {
    Ok(Secret::generate("")?.expose().to_owned())
}
