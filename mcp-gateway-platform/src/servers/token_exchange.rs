//! Tokens for which the identities of callers are exchanged.

use std::sync::Arc;

use mcp_gateway_auth::client::{
    ExchangeProfile, IdentityIssuer, OAuthClient, PresentedTokens, ServerBackoffs,
    SubjectTokenType, SubjectTokens, TokenExchange,
};
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_core::{BoxError, Credential};
use url::Url;

use super::credential;
use super::service_client::service_client;
use crate::auth::CallerIdentities;
use crate::spec::{ExchangeKind, RemoteTokenExchange, ServerRuntime, SubjectKind, SubjectSource};

/// Parts that all exchanges share.
#[derive(Clone, Debug, Default)]
pub(super) struct ExchangeTools {
    /// Delays of requests after failures.
    backoffs: ServerBackoffs,
    callers: CallerIdentities,
}

impl ExchangeTools {
    /// Creates the parts with the identities `callers`.
    pub(super) fn new(callers: CallerIdentities) -> Self {
        let backoffs = ServerBackoffs::new();
        Self { backoffs, callers }
    }
}

/// Creates the resolver of the server `transport` that exchanges identities as `spec` says, with
/// requests through `egress`.
///
/// # Errors
///
/// An error if a URL is not `https`, or the private key of a client is invalid.
pub(super) fn token_exchange(
    transport: &ServerRuntime,
    spec: &RemoteTokenExchange,
    (egress, tools): (Egress, &ExchangeTools),
) -> Result<TokenExchange, BoxError> {
    let ServerRuntime::Remote(remote) = transport else {
        return Err("only servers over HTTP receive tokens".into());
    };
    let url = Url::parse(&remote.url.to_string())?;
    let server = OAuthClient::new(egress.clone(), url)?;
    let client = service_client(&spec.client.id, &spec.client.proof)?;
    let mut issuer = IdentityIssuer::new(egress, &*spec.issuer, client)?;
    if let Some(url) = &spec.token_url {
        issuer = issuer.with_token_endpoint(&Url::parse(url)?)?;
    }
    let subjects: Arc<dyn SubjectTokens> = match spec.source {
        SubjectSource::Login => Arc::new(tools.callers.of_issuer(&spec.issuer)?),
        SubjectSource::Presented => Arc::new(PresentedTokens::new(
            &*spec.issuer,
            subject_type(spec.subject),
        )),
    };
    let headers = credential(transport).unwrap_or_else(Credential::none);
    let mut exchange = TokenExchange::new(server, issuer, subjects, profile(&spec.kind)?)
        .with_backoffs(tools.backoffs.clone())
        .with_headers(headers);
    if let Some(audience) = &spec.audience {
        exchange = exchange.with_audience(audience);
    }
    if let Some(resource) = &spec.resource {
        exchange = exchange.with_resource(resource);
    }
    if let Some(revocations) = tools.callers.revocations() {
        exchange = exchange.with_revocations(revocations.clone());
    }
    Ok(match spec.scopes.is_empty() {
        true => exchange,
        false => exchange.with_scope(spec.scopes.join(" ")),
    })
}

fn profile(kind: &ExchangeKind) -> Result<ExchangeProfile, BoxError> {
    Ok(match kind {
        ExchangeKind::IdentityAssertion(client) => ExchangeProfile::IdentityAssertion {
            client: service_client(&client.id, &client.proof)?,
        },
        ExchangeKind::OnBehalfOf => ExchangeProfile::OnBehalfOf,
        ExchangeKind::Standard => ExchangeProfile::Standard,
    })
}

fn subject_type(kind: SubjectKind) -> SubjectTokenType {
    match kind {
        SubjectKind::AccessToken => SubjectTokenType::AccessToken,
        SubjectKind::IdToken => SubjectTokenType::IdToken,
        SubjectKind::Jwt => SubjectTokenType::Jwt,
    }
}
