//! Authenticated callers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use http::Extensions;

use super::Assertion;

/// An authenticated caller: a user or a service.
///
/// Cloning is cheap. Two principals are equal if their subjects are: the other attributes may
/// differ between the tokens of one caller.
///
/// An embedder attaches values of its own types, such as a tenant, as [extensions]. A verifier that
/// is asked for it attaches the verified token as an [assertion].
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::Principal;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let alice = Principal::new("alice").with_team("platform").with_extension(Tenant(7));
/// assert_eq!(&*alice.teams()[0], "platform");
/// assert_eq!(alice.extension(), Some(&Tenant(7)));
/// assert_eq!(alice, Principal::new("alice"));
/// ```
///
/// [assertion]: Self::with_assertion
/// [extensions]: Self::with_extension
#[derive(Clone, Debug)]
#[doc(alias("user", "subject", "identity"))]
pub struct Principal {
    attributes: Arc<Attributes>,
    // Beside the attributes, so that a verifier can add it to cached ones without a copy of them.
    assertion: Option<Assertion>,
}

/// Attributes of a principal.
#[derive(Clone, Debug)]
struct Attributes {
    subject: Arc<str>,
    name: Option<Arc<str>>,
    client: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    scopes: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
    expires_at: Option<SystemTime>,
    extensions: Extensions,
}

impl Principal {
    /// Creates a principal with the identifier `subject` and no other attributes.
    #[must_use]
    pub fn new(subject: impl Into<Arc<str>>) -> Self {
        Self {
            attributes: Arc::new(Attributes {
                subject: subject.into(),
                name: None,
                client: None,
                roles: Vec::new(),
                scopes: Vec::new(),
                teams: Vec::new(),
                expires_at: None,
                extensions: Extensions::new(),
            }),
            assertion: None,
        }
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

    /// Sets the expiration time of the credential. Streams without an end of their own end then,
    /// unless their session has been used with a later credential.
    #[must_use]
    pub fn with_expiry(mut self, at: SystemTime) -> Self {
        self.attributes_mut().expires_at = Some(at);
        self
    }

    /// Sets the value of the type `T`, for policies, resolvers and observers of the embedder.
    ///
    /// A value of the same type is replaced. Values are cloned whenever a shared principal is
    /// modified: put large ones into an [`Arc`].
    #[must_use]
    #[doc(alias("tenant", "claims", "attributes"))]
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.attributes_mut().extensions.insert(value);
        self
    }

    /// Sets the verified token of the caller, for a
    /// [`CredentialResolver`](crate::credential::CredentialResolver) that exchanges it.
    ///
    /// It lives as long as the call, and is part of neither sessions nor caches.
    #[must_use]
    pub fn with_assertion(mut self, assertion: Assertion) -> Self {
        self.assertion = Some(assertion);
        self
    }

    /// Removes the verified token, for a principal that outlives the request.
    #[must_use]
    pub fn without_assertion(mut self) -> Self {
        self.assertion = None;
        self
    }

    /// Returns the identifier of the caller, unique among the principals of the verifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.attributes.subject
    }

    /// Returns the display name; it is not unique.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.attributes.name.as_deref()
    }

    /// Returns the identifier of the OAuth client through which the caller acts.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.attributes.client.as_deref()
    }

    /// Returns the roles of the caller in the organization.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.attributes.roles
    }

    /// Returns the scopes that the caller's token grants; empty for callers without OAuth.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.attributes.scopes
    }

    /// Returns the teams of the caller.
    #[must_use]
    pub fn teams(&self) -> &[Arc<str>] {
        &self.attributes.teams
    }

    /// Returns the expiration time of the credential; `None` if it does not expire.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.attributes.expires_at
    }

    /// Returns the value of the type `T`, if one was [set](Self::with_extension).
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.attributes.extensions.get()
    }

    /// Returns the verified token of the caller, if the verifier keeps it.
    ///
    /// With the HTTP+SSE transport of 2024-11-05, it is the one of the request that opened the
    /// stream.
    #[must_use]
    pub fn assertion(&self) -> Option<&Assertion> {
        self.assertion.as_ref()
    }

    /// Returns the attributes for modification, cloning them if they are shared.
    fn attributes_mut(&mut self) -> &mut Attributes {
        Arc::make_mut(&mut self.attributes)
    }
}

impl Eq for Principal {}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.attributes.subject == other.attributes.subject
    }
}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.attributes.subject.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_with_an_assertion_shares_its_attributes() {
        let cached = Principal::new("alice").with_extension(7_u32);
        let called = cached.clone().with_assertion(Assertion::new("secret"));
        assert!(Arc::ptr_eq(&cached.attributes, &called.attributes));
        assert!(cached.assertion().is_none());
        assert!(called.without_assertion().assertion().is_none());
    }

    #[test]
    fn extensions_are_distinguished_by_type() {
        let principal = Principal::new("alice")
            .with_extension(7_u32)
            .with_extension("tenant");
        let other = principal.clone().with_extension(8_u32);
        assert_eq!(principal.extension::<u32>(), Some(&7));
        assert_eq!(principal.extension::<&str>(), Some(&"tenant"));
        assert_eq!(principal.extension::<u64>(), None);
        assert_eq!(other.extension::<u32>(), Some(&8));
    }
}
