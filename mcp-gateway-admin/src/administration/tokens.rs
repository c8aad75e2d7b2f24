//! Changes of API tokens.

use mcp_gateway_audit::Change;
use mcp_gateway_auth::server::{ApiToken, TokenOwner};
use mcp_gateway_auth::users::UserError;
use mcp_gateway_auth::{AuthServerError, Secret};
use mcp_gateway_store::Attachment;

use super::Administrator;

impl Administrator<'_> {
    /// Issues a token for `owner` that expires at `expires`, in seconds since the Unix epoch, or
    /// never.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] or [`UserError::Disabled`] if the owner is no user who may log in, and
    /// [`UserError::Authority`] if the store is unavailable.
    pub async fn create_token(
        &self,
        name: &str,
        owner: TokenOwner,
        expires: Option<u64>,
    ) -> Result<(ApiToken, Secret), UserError> {
        let tokens = self.administration.server.api_tokens();
        let record = self.attachment("token.create", "token");
        let mut attempts = 0;
        loop {
            let attachment = record.clone().and(self.valid(&owner).await?);
            let tokens = tokens.with_attachment(attachment);
            attempts += 1;
            match tokens.create(name, owner.clone(), expires).await {
                // The user was changed in the meantime.
                Err(AuthServerError::Busy) if attempts < ATTEMPTS => {}
                created => return Ok(created?),
            }
        }
    }

    /// Replaces the token `id` by a new one, and revokes the old one. Returns `None` if there is no
    /// such token.
    ///
    /// # Errors
    ///
    /// Those of [`create_token`](Self::create_token).
    pub async fn rotate_token(&self, id: &str) -> Result<Option<(ApiToken, Secret)>, UserError> {
        let tokens = self.administration.server.api_tokens();
        let revoked = format!("token/{id}");
        let revoked = move |_: &str| Change::new("token.revoke", revoked.clone());
        let records = self.administration.trail.attachment(&self.actor, revoked);
        let records = records.and(self.attachment("token.create", "token"));
        let mut attempts = 0;
        loop {
            let Some(token) = tokens.find(id).await? else {
                return Ok(None);
            };
            let attachment = records.clone().and(self.valid(&token.owner).await?);
            attempts += 1;
            match tokens.with_attachment(attachment).rotate(id).await {
                // The token or its user was changed in the meantime.
                Err(AuthServerError::Busy) if attempts < ATTEMPTS => {}
                rotated => return Ok(rotated?),
            }
        }
    }

    /// Revokes the token `id`. Returns `false` if there is no such token.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, AuthServerError> {
        let tokens = self.administration.server.api_tokens();
        let record = self.attachment("token.revoke", "token");
        tokens.with_attachment(record).revoke(id).await
    }

    /// Returns the condition that `owner` may have tokens, so that no token is issued to a user who
    /// is disabled or deleted at the same time.
    async fn valid(&self, owner: &TokenOwner) -> Result<Attachment, UserError> {
        match owner {
            TokenOwner::User(id) => self.administration.users.unchanged(id).await,
            _ => Ok(Attachment::default()),
        }
    }
}

/// Maximum number of attempts for a change that conflicts with others.
const ATTEMPTS: usize = 16;
