//! Rejections of supplied values by servers.

use std::sync::Arc;

use http::StatusCode;
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Challenge, CredentialError};

use super::inputs::{InputServer, account_name};
use super::{AccountCredentials, AccountId};
use crate::AuthServerError;

impl AccountCredentials {
    /// Sends `principal` to the form of `server`, if it has rejected the supplied values of
    /// `credential`.
    pub(super) async fn refused(
        &self,
        principal: &Principal,
        server: &InputServer,
        (credential, challenge): (&Credential, &Challenge),
    ) -> Result<Option<Credential>, CredentialError> {
        if challenge.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        for owner in self.owners(principal) {
            let id = AccountId::new(owner, Arc::clone(server.name()));
            if !credential.account().starts_with(&format!("{id}#")) {
                continue;
            }
            if let Err(error) = self.record_rejection(&id, credential, challenge).await {
                tracing::warn!(account = %id, %error, "rejection of supplied values not recorded");
            }
        }
        Err(self.not_connected(principal, server.name()).await)
    }

    /// Records that the values of `credential` have been rejected, once for each kind of rejection.
    async fn record_rejection(
        &self,
        id: &AccountId,
        credential: &Credential,
        challenge: &Challenge,
    ) -> Result<(), AuthServerError> {
        let accounts = self.renewals().accounts();
        let Some(found) = accounts.find_supplied(id).await? else {
            return Ok(());
        };
        // The owner may have supplied others in the meantime.
        let is_current = account_name(id, &found.value) == **credential.account();
        match found.value.rejected(challenge).filter(|_| is_current) {
            Some(rejected) => accounts.replace_inputs(id, found.version, &rejected).await,
            None => Ok(()),
        }
    }
}
