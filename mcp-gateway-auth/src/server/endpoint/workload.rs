//! Exchange of assertions of workloads for access tokens.

use http::HeaderMap;

use super::form::Form;
use super::token::{TokenEndpoint, TokenResponse};
use crate::server::client::authentication::has_credentials;
use crate::server::client::{GrantType, OAuthClient};
use crate::server::error::OAuthError;
use crate::server::token::access_token::TokenSubject;
use crate::server::workload::WorkloadIssuer;

impl TokenEndpoint {
    /// Returns the issuer of the assertion in `form`, if it is one of workloads.
    pub(in crate::server) fn workload_issuer(&self, form: &Form) -> Option<WorkloadIssuer> {
        self.workloads.issuer_of(form.get("assertion")?)
    }

    /// Exchanges the assertion of a workload of `issuer` for an access token.
    ///
    /// The workload needs no client: `client_id` alone is ignored. Credentials of a client are
    /// validated if they are present (RFC 7521, section 4.1).
    pub(in crate::server) async fn by_workload(
        &self,
        issuer: WorkloadIssuer,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<TokenResponse, OAuthError> {
        let client = match has_credentials(headers, form) {
            true => Some(self.authenticated(headers, form).await?),
            false => None,
        };
        let id = client.as_ref().map(|client| &*client.id);
        let assertion = form.get("assertion").unwrap_or_default();
        let workload = self.workloads.verify(issuer, assertion, id).await?;
        let principal = &workload.principal;
        self.limits.check_client(&principal.id)?;
        // The client of a workload is the workload, unless the rule requires another one.
        let own = OAuthClient::new(&*principal.id, &*principal.name);
        let client = client.filter(|_| workload.rule.client().is_some());
        let client = client.unwrap_or(own);
        let resources = self.resources.snapshot();
        let (audiences, scopes) = resources.requested_targets(&client, form)?;
        if !workload.rule.allows(&audiences) || !resources.admits(&audiences, principal) {
            return Err(OAuthError::InvalidTarget("unknown resource".into()));
        }
        let key = self.proven_key(headers, &client)?;
        self.workloads.record(&workload).await?;
        let (subject, rule) = (&*principal.id, workload.rule.name());
        tracing::info!(subject, rule, "workload assertion exchanged");
        let lifetime = workload.max_lifetime(self.access_tokens.clock.now());
        let token = TokenSubject {
            client: &client,
            key: key.as_deref(),
            user: Some(principal),
            scopes: &scopes,
            audiences,
            grant: None,
            max_lifetime: Some(lifetime),
        };
        self.answer(token, None).await
    }

    /// Returns the client whose credentials are in the request, which may use the grant type.
    async fn authenticated(
        &self,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<OAuthClient, OAuthError> {
        let client = self.clients.authenticate(headers, form).await?;
        match !client.is_public() && client.may_use(GrantType::JwtBearer) {
            true => Ok(client),
            false => Err(OAuthError::UnauthorizedClient(
                "client not registered for this grant type".into(),
            )),
        }
    }
}
