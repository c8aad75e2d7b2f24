//! Exchange of identity assertions for access tokens (ID-JAG).

use super::form::Form;
use super::token::{TokenCaller, TokenEndpoint, TokenResponse};
use crate::jose::Claims;
use crate::server::Scopes;
use crate::server::client::OAuthClient;
use crate::server::error::OAuthError;
use crate::server::resource::Resources;
use crate::server::token::access_token::TokenSubject;

impl TokenEndpoint {
    /// Exchanges an identity assertion (ID-JAG) for an access token.
    pub(in crate::server) async fn by_identity_assertion(
        &self,
        TokenCaller { client, key }: TokenCaller<'_>,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        if client.is_public() {
            return Err(OAuthError::invalid_client("client authentication required"));
        }
        let assertion = form.get("assertion");
        let assertion =
            assertion.ok_or_else(|| OAuthError::invalid_request("missing parameter: assertion"))?;
        let (issuer, claims) = self.identity_assertions.verify(assertion).await?;
        if claims.client_id.as_deref() != Some(&client.id) {
            return Err(OAuthError::invalid_grant(
                "assertion was issued to another client",
            ));
        }
        if claims.extra.contains_key("cnf") {
            return Err(OAuthError::invalid_grant(
                "sender-constrained assertions are not supported",
            ));
        }
        let (audiences, scopes) =
            asserted_targets(&self.resources.snapshot(), client, form, &claims)?;
        let subject = claims.sub.as_deref().unwrap_or_default();
        let user = self
            .login_provider
            .user_by_identity(&issuer.issuer, subject)
            .await?;
        let user = user
            .ok_or_else(|| OAuthError::invalid_grant("unknown user; log in to the gateway once"))?;
        if !self.resources.snapshot().admits(&audiences, &user) {
            return Err(OAuthError::InvalidTarget("unknown resource".into()));
        }
        let log = &self.identity_assertions.log;
        log.record_use("identity", &issuer.issuer, &claims).await?;
        tracing::info!(
            client = client.id,
            user = &*user.id,
            "identity assertion exchanged"
        );
        let token = TokenSubject {
            client,
            key,
            user: Some(&user),
            scopes: &scopes,
            audiences,
            grant: None,
            max_lifetime: None,
        };
        self.answer(token, None).await
    }
}

/// Returns the resources and scopes of the assertion, restricted to those of the client and the
/// request.
fn asserted_targets(
    resources: &Resources,
    client: &OAuthClient,
    form: &Form,
    claims: &Claims,
) -> Result<(Vec<String>, Scopes), OAuthError> {
    let named: Vec<&str> = match claims.extra.get("resource") {
        Some(serde_json::Value::String(one)) => vec![one],
        Some(serde_json::Value::Array(many)) => {
            many.iter().filter_map(|one| one.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let unknown = || OAuthError::InvalidTarget("assertion names no resource of this server".into());
    let found = named
        .iter()
        .map(|named| resources.find(named).ok_or_else(unknown));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Err(unknown());
    }
    let audiences: Vec<_> = found
        .iter()
        .map(|resource| resource.uri.to_string())
        .collect();
    let wanted = resources.audiences(&audiences, form)?;
    let known: Scopes = found
        .iter()
        .flat_map(|resource| &resource.scopes)
        .map(|(name, _)| &**name)
        .collect();
    let allowed = client.allowed(known);
    let asserted = claims
        .scope
        .as_deref()
        .map(str::parse::<Scopes>)
        .transpose();
    let asserted = asserted.map_err(|error| OAuthError::InvalidScope(error.to_string().into()))?;
    let mut scopes = match asserted {
        Some(asserted) => allowed.intersection(&asserted),
        None => allowed,
    };
    if let Some(wanted) = form.scopes()? {
        scopes = scopes.intersection(&wanted);
    }
    match scopes.is_empty() {
        true => Err(OAuthError::InvalidScope(
            "no requested scope can be granted".into(),
        )),
        false => Ok((wanted, scopes)),
    }
}
