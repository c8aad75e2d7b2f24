//! The content of a client ID metadata document, and the URLs that are client IDs.

use serde_json::{Map, Value};
use url::Url;

use crate::server::client::registration_request::{AuthMethod, RegistrationRequest};
use crate::server::client::{ClientAuthentication, ClientOrigin, OAuthClient};
use crate::server::error::OAuthError;

/// Returns `true` if `id` is a valid client ID URL: normalized, with a path, and without fragment,
/// credentials or dot segments.
pub(super) fn is_identifier(id: &str) -> bool {
    let Ok(url) = Url::parse(id) else {
        return false;
    };
    let path = id
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'));
    let Some((_, path)) = path else {
        return false;
    };
    let is_dotted = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    url.as_str() == id
        && id.len() <= MAX_IDENTIFIER
        && url.path().len() > 1
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !path.split('/').any(is_dotted)
}

/// Returns the client `id` that `document` describes.
pub(super) fn described(id: &str, document: &[u8]) -> Result<OAuthClient, OAuthError> {
    let object = serde_json::from_slice::<Map<String, Value>>(document);
    let object =
        object.map_err(|_| OAuthError::invalid_client_metadata("document is not a JSON object"))?;
    if object.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err(OAuthError::invalid_client_metadata(
            "client_id does not match the URL of the document",
        ));
    }
    for secret in ["client_secret", "client_secret_expires_at"] {
        if object.contains_key(secret) {
            return Err(OAuthError::invalid_client_metadata(
                "client secrets are not allowed in a public document",
            ));
        }
    }
    let wanted = RegistrationRequest::from_object(&object)?;
    let Some(name) = wanted.name else {
        return Err(OAuthError::invalid_client_metadata(
            "missing member: client_name",
        ));
    };
    let authentication = match (wanted.method, wanted.keys) {
        (AuthMethod::None, None) => ClientAuthentication::None,
        (AuthMethod::PrivateKey, Some(keys)) => ClientAuthentication::PrivateKey(keys),
        _ => {
            return Err(OAuthError::invalid_client_metadata(
                "client secrets are not allowed in a public document",
            ));
        }
    };
    Ok(OAuthClient {
        id: id.to_owned(),
        name,
        redirect_uris: wanted.redirect_uris,
        authentication,
        grant_types: wanted.grant_types,
        scopes: wanted.scopes,
        origin: ClientOrigin::MetadataDocument,
        uri: wanted.uri,
        metadata: wanted.metadata,
        issued_at: 0,
        is_resource_server: false,
    })
}

/// Maximum length of a client ID, in bytes: the longest key of a document in the store.
const MAX_IDENTIFIER: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o26_an_identifier_is_a_plain_url() {
        for id in [
            "https://a.example/client.json",
            "https://a.example/a?b=c",
            "https://a.example:8443/c",
        ] {
            assert!(is_identifier(id), "{id}");
        }
        for id in [
            "https://a.example",
            "https://a.example/",
            "http://a.example/c",
            "https://a.example/../c",
            "https://a.example/a/%2e%2E/c",
            "https://a.example/./c",
            "https://u@a.example/c",
            "https://u:p@a.example/c",
            "https://a.example/c#f",
            "https://A.example/c",
            "https://a.example:443/c",
            "https://a.example/c\\d",
            " https://a.example/c",
        ] {
            assert!(!is_identifier(id), "{id}");
        }
    }

    #[test]
    fn o26_a_document_describes_its_own_url_without_secrets() {
        let id = "https://a.example/c";
        let good = r#"{"client_id":"https://a.example/c","client_name":"A","redirect_uris":["https://a.example/cb"]}"#;
        assert_eq!(described(id, good.as_bytes()).unwrap().name, "A");
        for bad in [
            good.replace("example/c\"", "example/d\""),
            good.replace("\"client_name\":\"A\",", ""),
            good.replace("\"A\"", "\"A\",\"client_secret\":\"s\""),
            good.replace(
                "\"A\"",
                "\"A\",\"token_endpoint_auth_method\":\"client_secret_post\"",
            ),
            good.replace("[\"https://a.example/cb\"]", "[]"),
            good.replace("https://a.example/cb", "javascript:1"),
            "[]".to_owned(),
        ] {
            assert!(described(id, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
