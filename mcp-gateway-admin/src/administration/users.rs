//! Changes of users.

use mcp_gateway_auth::accounts::Owner;
use mcp_gateway_auth::server::TokenOwner;
use mcp_gateway_auth::users::{NewUser, User, UserError, UserUpdate};
use mcp_gateway_store::Attachment;

use super::Administrator;

impl Administrator<'_> {
    /// Creates a user with a password.
    ///
    /// # Errors
    ///
    /// Those of [`Users::add`](mcp_gateway_auth::users::Users::add).
    pub async fn create_user(&self, new: NewUser) -> Result<User, UserError> {
        let users = &self.administration.users;
        let record = self.attachment("user.create", "user");
        users.clone().with_attachment(record).add(new).await
    }

    /// Changes a user, in one write. One who is disabled loses all sessions, clients and tokens; they
    /// do not come back when the user is enabled.
    ///
    /// # Errors
    ///
    /// Those of [`Users::update`](mcp_gateway_auth::users::Users::update).
    pub async fn update_user(&self, id: &str, update: &UserUpdate) -> Result<User, UserError> {
        let condition = Attachment::default();
        self.update_user_if(id, update, condition).await
    }

    /// Changes a user as [`update_user`](Self::update_user) does, with `condition` in the write of
    /// the change.
    ///
    /// # Errors
    ///
    /// Those of [`update_user`](Self::update_user). If the condition does not hold, the store counts
    /// as busy.
    pub(crate) async fn update_user_if(
        &self,
        id: &str,
        update: &UserUpdate,
        condition: Attachment,
    ) -> Result<User, UserError> {
        let users = &self.administration.users;
        let before = users.find(id).await?.ok_or(UserError::Unknown)?;
        let Some(record) = self.user_records(update) else {
            return Ok(before);
        };
        let record = record.and(condition);
        if before.disabled && update.disabled() == Some(false) {
            // Some may be left if an earlier process was killed.
            self.revoke_credentials(id).await?;
            self.administration.server.restore_user(id).await?;
        }
        let users = users.clone().with_attachment(record);
        let user = users.update(id, update).await?;
        if update.disabled() == Some(true) {
            self.revoke_credentials(id).await?;
        }
        Ok(user)
    }

    /// Deletes a user with all sessions, clients, tokens and accounts.
    ///
    /// The user is disabled first and deleted last. If the process is killed in between, the deletion
    /// can be repeated.
    ///
    /// # Errors
    ///
    /// Those of [`Users::delete`](mcp_gateway_auth::users::Users::delete).
    pub async fn delete_user(&self, id: &str) -> Result<(), UserError> {
        let users = &self.administration.users;
        let user = users.find(id).await?.ok_or(UserError::Unknown)?;
        if !user.disabled {
            let disabled = UserUpdate::new().with_disabled(true);
            self.update_user(id, &disabled).await?;
        }
        self.remove_access(id).await?;
        let record = self.attachment("user.delete", "user");
        users.clone().with_attachment(record).delete(id).await?;
        // Of a request that was in flight. No other one follows.
        self.remove_access(id).await
    }

    /// Removes all credentials and accounts of the user `id`.
    async fn remove_access(&self, id: &str) -> Result<(), UserError> {
        self.revoke_credentials(id).await?;
        if let Some(accounts) = &self.administration.accounts {
            let record = self.attachment("account.disconnect", "account");
            let owner = Owner::User(id.into());
            accounts.remove_all(&owner, &record).await?;
        }
        Ok(())
    }

    /// Revokes all clients and tokens of the user `id`.
    async fn revoke_credentials(&self, id: &str) -> Result<(), UserError> {
        let server = &self.administration.server;
        server.revoke_user(id).await?;
        let record = self.attachment("token.revoke", "token");
        let tokens = server.api_tokens().with_attachment(record);
        tokens.revoke_all(&TokenOwner::User(id.to_owned())).await?;
        Ok(())
    }

    /// Returns the records of `update`, one for each field; `None` if it changes nothing.
    fn user_records(&self, update: &UserUpdate) -> Option<Attachment> {
        let records = update.fields().map(|field| {
            let action = match (field, update.disabled()) {
                ("disabled", Some(true)) => "user.disable",
                ("disabled", _) => "user.enable",
                ("password", _) => "user.setPassword",
                ("role", _) => "user.setRole",
                _ => "user.setTeams",
            };
            self.attachment(action, "user")
        });
        records.reduce(Attachment::and)
    }
}
