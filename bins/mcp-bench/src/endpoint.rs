//! Target of calls.

use anyhow::Context as _;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::http1::{Connection, Connector};

/// MCP endpoint, with headers and client capabilities.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: String,
    authority: String,
    path: String,
    fields: String,
    capabilities: Map<String, Value>,
    connector: Connector,
}

impl Endpoint {
    /// Creates the endpoint at `url`; `headers` are lines such as `Name: value`.
    ///
    /// # Errors
    ///
    /// Fails when the URL or a header is not valid.
    pub(crate) fn new(url: &str, headers: &[String]) -> anyhow::Result<Self> {
        let uri: Uri = url
            .parse()
            .with_context(|| format!("invalid URL {url:?}"))?;
        let authority = uri.authority().context("the URL has no host")?;
        let mut fields = String::new();
        for header in headers {
            let line = header_line(header).with_context(|| format!("invalid header {header:?}"))?;
            fields.push_str(&line);
        }
        Ok(Self {
            url: url.to_owned(),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            fields,
            capabilities: Map::new(),
            connector: Connector::new(uri)?,
        })
    }

    /// Declares the client capabilities `names`.
    pub(crate) fn declaring(mut self, names: &[String]) -> Self {
        let capabilities = names.iter().map(|name| (name.clone(), json!({})));
        self.capabilities = capabilities.collect();
        self
    }

    /// Returns the declared client capabilities.
    pub(crate) fn capabilities(&self) -> Value {
        Value::Object(self.capabilities.clone())
    }

    /// Returns the URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Fails when the server does not accept it.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        self.connector.connect().await
    }

    /// Returns the head of a request, up to the optional header lines.
    pub(crate) fn head(&self, method: &str) -> String {
        let Self {
            authority,
            path,
            fields,
            ..
        } = self;
        format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\n{fields}")
    }
}

/// Validates a header line and appends its line end.
fn header_line(header: &str) -> anyhow::Result<String> {
    let (name, value) = header
        .split_once(':')
        .context("missing colon after the name")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes())?;
    let value = HeaderValue::from_str(value.trim())?;
    Ok(format!("{name}: {}\r\n", value.to_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_has_the_given_fields() {
        let headers = ["Authorization: Bearer x:y".to_owned()];
        let endpoint = Endpoint::new("http://localhost:1234/mcp?a=b", &headers).unwrap();
        let expected = "POST /mcp?a=b HTTP/1.1\r\nHost: localhost:1234\r\n\
                        authorization: Bearer x:y\r\n";
        assert_eq!(endpoint.head("POST"), expected);
    }

    #[test]
    fn mistakes_are_reported() {
        assert!(Endpoint::new("localhost", &[]).is_err());
        assert!(Endpoint::new("ftp://localhost", &[]).is_err());
        assert!(Endpoint::new("http://localhost", &["no colon".to_owned()]).is_err());
        assert!(Endpoint::new("http://localhost", &["a b: c".to_owned()]).is_err());
    }
}
