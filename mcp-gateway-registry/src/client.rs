//! Client of the registry API of others.

use mcp_gateway_auth::egress::{Egress, EgressError};
use serde_json::Value;
use url::Url;

/// Reader of the registry API v0.1 of a registry.
///
/// Requests pass the restrictions of [`Egress`]: public addresses, no redirects, a deadline and a
/// size for each page.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_registry::RegistryClient;
///
/// # fn main() -> std::io::Result<()> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let client = RegistryClient::new(egress.clone(), "https://registry.example.com/v0.1/servers");
/// assert_eq!(client.unwrap().registry(), "https://registry.example.com");
/// assert!(RegistryClient::new(egress, "registry.example.com").is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RegistryClient {
    egress: Egress,
    /// URL below which the API is, without a final slash.
    base: String,
}

/// Page of a registry.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RegistryPage {
    /// Entries, as they are.
    pub servers: Vec<Value>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Selection of entries of a registry.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "the query of the registry API")]
pub struct RegistryQuery<'a> {
    /// Cursor of the page.
    pub cursor: Option<&'a str>,
    /// Text in the name.
    pub search: Option<&'a str>,
    /// Time of the last import (RFC 3339).
    pub updated_since: Option<&'a str>,
    /// `true` for all versions instead of the latest of each name.
    pub all_versions: bool,
}

/// The reason for which a page could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The registry is unreachable, or its response is not acceptable.
    #[error("cannot read the registry: {}{}", .0, advice(.0))]
    Egress(#[from] EgressError),
    /// The response is not that of a registry.
    #[error("the response is not that of a registry")]
    Form,
}

/// Returns what helps against an error.
fn advice(error: &EgressError) -> &'static str {
    match error {
        EgressError::Timeout => "; try again, or import a part of it with a search",
        EgressError::Unavailable => {
            "; check the URL, and auth.allowedNetworks for a registry in a private network"
        }
        _ => "",
    }
}

impl RegistryClient {
    /// Creates a client of the registry at `url`, with or without the path of the API; `None` if it
    /// is not the URL of a web server.
    #[must_use]
    pub fn new(egress: Egress, url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| {
            let is_plain = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain
        })?;
        let mut path = url.path().trim_end_matches('/');
        for suffix in ["/servers", "/v0.1", "/v0"] {
            path = path.strip_suffix(suffix).unwrap_or(path);
        }
        let base = format!("{}{path}", url.origin().ascii_serialization());
        Some(Self { egress, base })
    }

    /// Returns the URL of the registry.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.base
    }

    /// Returns a page of entries, deleted ones included.
    ///
    /// A registry without v0.1 is read by `/v0/servers`.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if the registry is unreachable, or its response is not acceptable.
    pub async fn page(&self, query: RegistryQuery<'_>) -> Result<RegistryPage, FetchError> {
        let fetched = match self.fetch("v0.1", query).await {
            Err(EgressError::Status(status)) if status == 404 => self.fetch("v0", query).await,
            fetched => fetched,
        };
        read(fetched?, query.cursor).ok_or(FetchError::Form)
    }

    async fn fetch(&self, version: &str, query: RegistryQuery<'_>) -> Result<Value, EgressError> {
        let url = self.url(version, query).ok_or(EgressError::Unavailable)?;
        let fetched = self.egress.get_json(url.as_str(), MAX_PAGE).await?;
        serde_json::from_slice(&fetched.body).map_err(|_| EgressError::ContentType)
    }

    /// Returns the URL of a page.
    fn url(&self, version: &str, query: RegistryQuery<'_>) -> Option<Url> {
        let mut url = Url::parse(&format!("{}/{version}/servers", self.base)).ok()?;
        let mut pairs = url.query_pairs_mut();
        pairs
            .append_pair("limit", "100")
            .append_pair("include_deleted", "true");
        if !query.all_versions {
            pairs.append_pair("version", "latest");
        }
        let optional = [
            ("cursor", query.cursor),
            ("search", query.search),
            ("updated_since", query.updated_since),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                pairs.append_pair(name, value);
            }
        }
        drop(pairs);
        Some(url)
    }
}

/// Reads the response of a registry to a request for the page at `cursor`.
///
/// A cursor that does not advance would be followed for ever: it ends the list.
fn read(mut response: Value, cursor: Option<&str>) -> Option<RegistryPage> {
    let metadata = &response["metadata"];
    let next = metadata
        .get("nextCursor")
        .or_else(|| metadata.get("next_cursor"));
    let next = next
        .and_then(Value::as_str)
        .filter(|next| !next.is_empty() && Some(*next) != cursor);
    let next = next.map(str::to_owned);
    match response
        .get_mut("servers")
        .map(Value::take)
        .unwrap_or_default()
    {
        Value::Array(servers) => Some(RegistryPage { servers, next }),
        Value::Null if response.get("metadata").is_some() => Some(RegistryPage {
            servers: Vec::new(),
            next,
        }),
        _ => None,
    }
}

/// Maximum size of a page in bytes.
const MAX_PAGE: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::egress::EgressPolicy;
    use serde_json::json;

    use super::*;

    #[test]
    fn responses_have_several_forms() {
        for (response, servers, next) in [
            (
                json!({ "servers": [{}], "metadata": { "nextCursor": "a" } }),
                1,
                Some("a"),
            ),
            (
                json!({ "servers": [{}, {}], "metadata": { "next_cursor": "" } }),
                2,
                None,
            ),
            (
                json!({ "servers": null, "metadata": { "count": 0 } }),
                0,
                None,
            ),
            (json!({ "servers": [] }), 0, None),
        ] {
            let page = read(response.clone(), None).unwrap();
            assert_eq!(
                (page.servers.len(), page.next.as_deref()),
                (servers, next),
                "{response}"
            );
        }
        for response in [json!([]), json!({}), json!({ "servers": {} }), json!("x")] {
            assert!(read(response.clone(), None).is_none(), "{response}");
        }
    }

    #[test]
    fn r13_a_cursor_that_does_not_advance_ends_the_list() {
        let response = json!({ "servers": [], "metadata": { "nextCursor": "a" } });
        assert_eq!(read(response.clone(), Some("a")).unwrap().next, None);
        assert!(read(response, Some("b")).unwrap().next.is_some());
    }

    #[test]
    fn errors_tell_what_helps() {
        let text = |error: EgressError| FetchError::from(error).to_string();
        let slow = text(EgressError::Timeout);
        assert!(slow.contains("ten seconds; try again"), "{slow}");
        let absent = text(EgressError::Unavailable);
        assert!(absent.contains("auth.allowedNetworks"), "{absent}");
    }

    #[tokio::test]
    async fn r13_a_registry_on_this_machine_is_out_of_reach() {
        let egress = Egress::new(EgressPolicy::new()).unwrap();
        for url in [
            "http://127.0.0.1:1",
            "https://169.254.169.254",
            "https://[::1]/v0.1",
        ] {
            let client = RegistryClient::new(egress.clone(), url).unwrap();
            let error = client.page(RegistryQuery::default()).await.unwrap_err();
            assert!(
                matches!(error, FetchError::Egress(EgressError::Unavailable)),
                "{url} {error}"
            );
        }
        for url in [
            "file:///etc/passwd",
            "https://user:password@a.example.com",
            "x",
        ] {
            assert!(RegistryClient::new(egress.clone(), url).is_none(), "{url}");
        }
    }
}
