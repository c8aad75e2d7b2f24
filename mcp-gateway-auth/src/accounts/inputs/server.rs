//! Servers that are called with supplied values.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use mcp_gateway_core::Credential;

use super::{Input, SuppliedInputs, Template};
use crate::accounts::AccountId;
use crate::accounts::members::Members;
use crate::{SecretHash, UserInfo};

/// Server that is called with the values that each owner has supplied.
///
/// # Example
///
/// ```
/// use http::header::AUTHORIZATION;
/// use mcp_gateway_auth::UserInfo;
/// use mcp_gateway_auth::accounts::{Input, InputServer, Template};
///
/// let server = InputServer::new("github", [Input::new("token")], "https://mcp.example.com/mcp")
///     .with_template(AUTHORIZATION, Template::parse("Bearer ${input:token}"));
/// assert!(server.allows(&UserInfo::new("usr_1", "Ada")));
/// ```
#[derive(Clone)]
pub struct InputServer {
    name: Arc<str>,
    inputs: Vec<Input>,
    /// Digest of what values are sent to.
    recipient: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    templates: Vec<(HeaderName, Template)>,
    members: Members,
}

impl InputServer {
    /// Creates the server `name` with `inputs`, for all users.
    ///
    /// `recipient` describes what values are sent to: the address of the server, or its program.
    /// Values that were supplied for another one are not used.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        inputs: impl IntoIterator<Item = Input>,
        recipient: &str,
    ) -> Self {
        Self {
            name: name.into(),
            inputs: inputs.into_iter().collect(),
            recipient: SecretHash::digest(recipient).as_str().to_owned(),
            headers: Vec::new(),
            templates: Vec::new(),
            members: Members::default(),
        }
    }

    /// Adds a header to each request.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a header with supplied values to each request. It is omitted where an optional value is
    /// missing.
    #[must_use]
    pub fn with_template(mut self, name: HeaderName, template: Template) -> Self {
        self.templates.push((name, template));
        self
    }

    /// Restricts the server to members of `teams`.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.members.restrict(teams);
        self
    }

    /// Allows `users` to use a server that is restricted to teams.
    #[must_use]
    pub fn with_users(mut self, users: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.members.add(users);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the inputs, in the order of their fields.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Returns `true` if `user` may use the server.
    #[must_use]
    pub fn allows(&self, user: &UserInfo) -> bool {
        self.members.contains(user)
    }

    /// Returns the teams to which it is restricted; none if it is for all users.
    pub(in crate::accounts) fn teams(&self) -> &[Arc<str>] {
        self.members.teams()
    }

    /// Returns `true` if values are sent to the same address or program as those of `other`.
    #[must_use]
    pub fn has_recipient_of(&self, other: &Self) -> bool {
        self.recipient == other.recipient
    }

    /// Returns the digest of what values are sent to.
    pub(in crate::accounts) fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Returns the credential of the connection `id`.
    ///
    /// Its name differs for each connection, so that no session and no list outlives the values
    /// with which it was opened.
    pub(in crate::accounts) fn credential(
        &self,
        id: &AccountId,
        supplied: &SuppliedInputs,
    ) -> Credential {
        let credential = Credential::new(account_name(id, supplied));
        let is_plain = |name: &str| {
            let mut inputs = self.inputs.iter();
            inputs.any(|input| *input.name == *name && !input.is_secret)
        };
        let values = supplied.values().iter();
        let credential = values.fold(credential, |credential, (name, value)| {
            match is_plain(name) {
                true => credential.with_plain_value(name, value),
                false => credential.with_value(name, value),
            }
        });
        let expanded = self.templates.iter().filter_map(|(name, template)| {
            let text = template.expand(supplied.values())?;
            Some((name.clone(), HeaderValue::from_bytes(text.as_bytes()).ok()?))
        });
        let headers = self.headers.iter().cloned().chain(expanded);
        headers.fold(credential, |credential, (name, value)| {
            credential.with_header(name, value)
        })
    }
}

/// Returns the name of the account of a credential with the values of the connection `id`.
pub(in crate::accounts) fn account_name(id: &AccountId, supplied: &SuppliedInputs) -> String {
    id.credential(supplied.connection())
}

impl fmt::Debug for InputServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputServer")
            .field("name", &self.name)
            .field("inputs", &self.inputs)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}
