use anyhow::{Context as _, bail};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use url::Url;

use super::web::Web;
use crate::output::complain;

/// Where a token for a server comes from.
#[derive(Debug)]
pub(super) struct Discovered {
    /// What the token is for.
    pub(super) resource: String,
    /// What it has to grant, if the server says so.
    pub(super) scope: Option<String>,
    pub(super) server: AuthorizationServer,
}

/// What an authorization server says of itself.
#[derive(Debug)]
pub(super) struct AuthorizationServer {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) registration_endpoint: Option<Url>,
    /// Whether it names itself when it sends a browser back.
    pub(super) names_itself: bool,
}

/// Finds out where a token for the server at `url` comes from; nowhere if it wants none.
///
/// # Errors
///
/// What the server lacks for that.
pub(super) async fn discover(web: &Web, url: &Url) -> anyhow::Result<Option<Discovered>> {
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let answer = web.post_json(url, &ping, None).await?;
    match answer.status.as_u16() {
        401 => {}
        404 => bail!("{url}: there is nothing; the endpoint of a gateway ends in /mcp"),
        300..=399 => bail!("{url} has moved; use the address that it leads to"),
        // The ping itself may be wrong for it, but not for want of a token.
        200..=299 | 400 | 405 | 406 | 415 | 422 => return Ok(None),
        _ => bail!("{url} answers {}", answer.status),
    }
    let challenged = Challenge::of(&answer.headers);
    if challenged.metadata.is_none() {
        complain("the challenge names no resource_metadata; the well-known places are tried");
    }
    let document = resource(web, url, challenged.metadata.as_deref()).await?;
    let resource = document["resource"].as_str();
    let resource = resource.context("the metadata of the resource has no `resource`")?;
    if !covers(resource, url) {
        bail!(
            "the metadata is about {resource:?}, and not about {url}: connect to that address, or \
             set publicUrl to the address that clients use"
        );
    }
    let issuer = document["authorization_servers"][0].as_str();
    let issuer = issuer.context("the metadata of the resource names no authorization server")?;
    Ok(Some(Discovered {
        resource: resource.to_owned(),
        scope: challenged.scope,
        server: authorization_server(web, issuer).await?,
    }))
}

/// The metadata of the resource at `url`, see RFC 9728.
async fn resource(web: &Web, url: &Url, named: Option<&str>) -> anyhow::Result<Value> {
    let places = match named {
        Some(named) => vec![web.url("resource_metadata", named)?],
        None => {
            let path = url.path().trim_end_matches('/');
            let known = "/.well-known/oauth-protected-resource";
            vec![url.join(&format!("{known}{path}"))?, url.join(known)?]
        }
    };
    first(web, &places).await?.with_context(|| {
        format!(
            "{url} wants a token, and does not say from where: it has no {}",
            places[0]
        )
    })
}

/// What the authorization server `issuer` says of itself, see RFC 8414.
async fn authorization_server(web: &Web, issuer: &str) -> anyhow::Result<AuthorizationServer> {
    let url = web.url("the authorization server", issuer)?;
    let path = url.path().trim_end_matches('/');
    let places = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    let places: Result<Vec<_>, _> = places.iter().map(|place| url.join(place)).collect();
    let places = places?;
    let found = first(web, &places).await?;
    let document =
        found.with_context(|| format!("{issuer} has no metadata, as at {}", places[0]))?;
    if document["issuer"] != issuer {
        bail!(
            "the metadata of {issuer} is that of {}: the two have to be the same, to the letter",
            document["issuer"]
        );
    }
    let methods = &document["code_challenge_methods_supported"];
    if !methods
        .as_array()
        .is_some_and(|all| all.contains(&"S256".into()))
    {
        bail!("{issuer} does not say that it has PKCE with S256, without which no client goes on");
    }
    let endpoint = |key: &str| match document[key].as_str() {
        Some(text) => web.url(key, text).map(Some),
        None => Ok(None),
    };
    let required = |key: &str| endpoint(key)?.with_context(|| format!("{issuer} has no {key}"));
    Ok(AuthorizationServer {
        issuer: issuer.to_owned(),
        authorization_endpoint: required("authorization_endpoint")?,
        token_endpoint: required("token_endpoint")?,
        registration_endpoint: endpoint("registration_endpoint")?,
        names_itself: document["authorization_response_iss_parameter_supported"] == true,
    })
}

/// The document at the first of `places` that has one.
async fn first(web: &Web, places: &[Url]) -> anyhow::Result<Option<Value>> {
    for place in places {
        let answer = web.get(place).await?;
        if answer.status.is_success()
            && let Some(document) = answer.document()
        {
            complain(format_args!("metadata              {place}"));
            return Ok(Some(document));
        }
    }
    Ok(None)
}

/// Whether `resource` is the server at `url`, or the host that it is on.
fn covers(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let is_same = path(&resource) == path(url) || path(&resource).is_empty();
    resource.origin() == url.origin() && is_same
}

/// What is said to whoever has no token.
#[derive(Debug, Default, Eq, PartialEq)]
struct Challenge {
    metadata: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let texts: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let all = texts.join(", ");
        Self {
            metadata: parameter(&all, "resource_metadata"),
            scope: parameter(&all, "scope"),
        }
    }
}

/// The quoted parameter `name` of a challenge.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let begins = before.is_empty() || before.ends_with([' ', ',']);
        if let Some(value) = after.strip_prefix("=\"").filter(|_| begins) {
            return value.split_once('"').map(|(value, _)| value.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_understood_whatever_else_is_in_it() {
        let text = "Bearer error=\"invalid_token\", x_scope=\"no\", \
                    resource_metadata=\"https://a.example/x\", scope=\"mcp more\"";
        let mut both = HeaderMap::new();
        both.append(WWW_AUTHENTICATE, "Basic realm=\"x\"".parse().unwrap());
        both.append(WWW_AUTHENTICATE, text.parse().unwrap());
        let found = Challenge::of(&both);
        assert_eq!(found.metadata.as_deref(), Some("https://a.example/x"));
        assert_eq!(found.scope.as_deref(), Some("mcp more"));
        assert_eq!(Challenge::of(&HeaderMap::new()), Challenge::default());
    }

    #[test]
    fn a_resource_is_the_server_or_its_host() {
        let url = "https://a.example/mcp".parse().unwrap();
        for (resource, expected) in [
            ("https://a.example/mcp", true),
            ("https://a.example/mcp/", true),
            ("https://a.example", true),
            ("https://a.example/other", false),
            ("https://b.example/mcp", false),
            ("http://a.example/mcp", false),
        ] {
            assert_eq!(covers(resource, &url), expected, "{resource}");
        }
    }
}
