//! Forms of the requests that exchange an identity.

use super::subject::SubjectToken;
use crate::client::ServiceClient;
use crate::client::service_client::{JWT_BEARER, TokenForm};
use crate::client::token_target::TokenTarget;

/// Profile of an exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExchangeProfile {
    /// The issuer exchanges the identity for an assertion (ID-JAG), and the authorization server of
    /// the server issues an access token for that to `client` ([enterprise-managed
    /// authorization](https://modelcontextprotocol.io/extensions/auth/enterprise-managed-authorization)).
    IdentityAssertion {
        /// Client at the authorization server of the server.
        client: ServiceClient,
    },
    /// On-behalf-of flow of Microsoft Entra.
    OnBehalfOf,
    /// Token exchange (RFC 8693).
    Standard,
}

/// Token that an exchange requests.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestedToken {
    pub(super) audience: Option<String>,
    pub(super) resource: Option<String>,
    /// Scopes, separated by spaces.
    pub(super) scope: Option<String>,
}

impl RequestedToken {
    /// Returns the form of RFC 8693 for a token of the server at `url`.
    ///
    /// The URL is the resource indicator (RFC 8707) unless the token is requested for something
    /// else.
    pub(super) fn standard(&self, subject: &SubjectToken, url: &str) -> TokenForm {
        let mut form = exchange(subject, ACCESS_TOKEN);
        let default = self.audience.is_none().then(|| url.to_owned());
        let resource = self.resource.clone().or(default);
        form.extend(resource.map(|resource| ("resource", resource)));
        form.extend(self.audience.clone().map(|it| ("audience", it)));
        form.extend(self.scope.clone().map(|scope| ("scope", scope)));
        form
    }

    /// Returns the form of the on-behalf-of flow.
    pub(super) fn on_behalf_of(&self, subject: &SubjectToken) -> TokenForm {
        let mut form = vec![
            ("grant_type", JWT_BEARER.to_owned()),
            ("requested_token_use", "on_behalf_of".to_owned()),
            ("assertion", subject.expose()),
        ];
        form.extend(self.scope.clone().map(|scope| ("scope", scope)));
        form
    }

    /// Returns the form that requests an identity assertion for the authorization server of `target`.
    pub(super) fn identity_assertion(
        &self,
        subject: &SubjectToken,
        target: &TokenTarget,
    ) -> TokenForm {
        let mut form = exchange(subject, ID_JAG);
        let issuer = &target.resource.issuer;
        let audience = self.audience.as_ref().unwrap_or(issuer);
        form.push(("audience", audience.clone()));
        let resource = self.resource.as_ref().unwrap_or(&target.resource.resource);
        form.push(("resource", resource.clone()));
        form.extend(self.scope_of(target).map(|scope| ("scope", scope)));
        form
    }

    /// Returns the form that presents an identity assertion to the authorization server of `target`.
    pub(super) fn bearer(&self, assertion: String, target: &TokenTarget) -> TokenForm {
        let mut form = vec![
            ("grant_type", JWT_BEARER.to_owned()),
            ("assertion", assertion),
            ("resource", target.resource.resource.clone()),
        ];
        form.extend(self.scope_of(target).map(|scope| ("scope", scope)));
        form
    }

    fn scope_of(&self, target: &TokenTarget) -> Option<String> {
        self.scope.clone().or_else(|| target.resource.scope())
    }
}

/// Returns the form that exchanges `subject` for a token of the type `requested`.
fn exchange(subject: &SubjectToken, requested: &str) -> TokenForm {
    vec![
        ("grant_type", TOKEN_EXCHANGE.to_owned()),
        ("requested_token_type", requested.to_owned()),
        ("subject_token", subject.expose()),
        ("subject_token_type", subject.kind().as_str().to_owned()),
    ]
}

/// Grant of RFC 8693.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Type of an access token.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Type of an identity assertion.
pub(super) const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
