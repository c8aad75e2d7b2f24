//! Authentication of the gateway at endpoints.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use url::form_urlencoded;

use super::EgressError;

/// The authentication of the gateway at an endpoint, as of [RFC 6749, section 2.3.1][rfc].
///
/// `Debug` does not show the secret.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::ClientAuth;
///
/// let auth = ClientAuth::Basic { client_id: "gateway".to_owned(), secret: "s3cret".to_owned() };
/// let debug = format!("{auth:?}");
/// assert!(debug.contains("gateway") && !debug.contains("s3cret"));
/// ```
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic {
        /// Client ID.
        client_id: String,
        /// Client secret.
        secret: String,
    },
    /// No authentication by this type. The form may contain other credentials, such as a client
    /// assertion.
    #[default]
    None,
    /// `client_secret_post`: in the form fields `client_id` and `client_secret`.
    Post {
        /// Client ID.
        client_id: String,
        /// Client secret.
        secret: String,
    },
}

impl ClientAuth {
    /// Returns a request that posts `form`.
    pub(crate) fn request(&self, form: &[(&str, &str)]) -> Result<Request<Bytes>, EgressError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.apply(&mut body, request.headers_mut())?;
        *request.body_mut() = body.finish().into();
        Ok(request)
    }

    /// Adds the credentials. RFC 6749 requires form encoding before Base64, which matters for
    /// identifiers with a colon.
    fn apply(
        &self,
        body: &mut form_urlencoded::Serializer<'_, String>,
        headers: &mut HeaderMap,
    ) -> Result<(), EgressError> {
        match self {
            Self::None => {}
            Self::Post { client_id, secret } => {
                body.append_pair("client_id", client_id);
                body.append_pair("client_secret", secret);
            }
            Self::Basic { client_id, secret } => {
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", encode(client_id), encode(secret));
                let value = format!("Basic {}", STANDARD.encode(pair));
                let value = HeaderValue::try_from(value).map_err(|_| EgressError::Unavailable)?;
                headers.insert(header::AUTHORIZATION, sensitive(value));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ClientAuth {
    /// Does not show secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, client_id) = match self {
            Self::None => return f.write_str("None"),
            Self::Basic { client_id, .. } => ("Basic", client_id),
            Self::Post { client_id, .. } => ("Post", client_id),
        };
        f.debug_struct(name)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}

/// Marks a header value as sensitive, so that it is not logged or indexed by HPACK.
pub(super) fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
