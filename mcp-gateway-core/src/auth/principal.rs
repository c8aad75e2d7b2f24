//! Authenticated callers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An authenticated caller: a user or a service.
///
/// Cloning is cheap. Two principals are equal if their subjects are: the other attributes may
/// differ between the tokens of one caller.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
///
/// let alice = Principal::new("alice").with_team("platform").with_scope("mcp");
/// assert_eq!(&*alice.teams()[0], "platform");
/// assert_eq!(alice, Principal::new("alice"));
/// ```
#[derive(Clone, Debug)]
pub struct Principal(Arc<Attributes>);

/// Attributes of a principal.
#[derive(Clone, Debug)]
struct Attributes {
    subject: Arc<str>,
    name: Option<Arc<str>>,
    client: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
}

impl Principal {
    /// Creates a principal with the identifier `subject` and no other attributes.
    #[must_use]
    pub fn new(subject: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Attributes {
            subject: subject.into(),
            name: None,
            client: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            teams: Vec::new(),
        }))
    }

    /// Sets the display name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().name = Some(name.into());
        self
    }

    /// Sets the OAuth client through which the caller acts.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().client = Some(client.into());
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().roles.push(role.into());
        self
    }

    /// Adds a granted scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().scopes.push(scope.into());
        self
    }

    /// Adds a team.
    #[must_use]
    pub fn with_team(mut self, team: impl Into<Arc<str>>) -> Self {
        self.attributes_mut().teams.push(team.into());
        self
    }

    /// Returns the identifier of the caller, unique among the principals of the verifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the display name; it is not unique.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the identifier of the OAuth client through which the caller acts.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// Returns the roles of the caller in the organization.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.0.roles
    }

    /// Returns the scopes that the caller's token grants; empty for callers without OAuth.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.0.scopes
    }

    /// Returns the teams of the caller.
    #[must_use]
    pub fn teams(&self) -> &[Arc<str>] {
        &self.0.teams
    }

    /// Returns the attributes for modification, cloning them if they are shared.
    fn attributes_mut(&mut self) -> &mut Attributes {
        Arc::make_mut(&mut self.0)
    }
}

impl Eq for Principal {}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.0.subject == other.0.subject
    }
}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.subject.hash(state);
    }
}
