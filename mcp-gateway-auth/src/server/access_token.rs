use serde_json::{Value, json};

use super::Scopes;
use super::client::Client;
use super::keys::Keys;
use super::opaque::OpaqueTokens;
use crate::jwt::Claims;
use crate::secret::identifier;
use crate::{AuthorityError, Clock, Person};

/// Issues access tokens, as [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068#section-2) has them,
/// or opaque ones. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AccessTokens {
    pub(super) issuer: String,
    pub(super) keys: Keys,
    pub(super) clock: Clock,
    /// For how long they are good, in seconds.
    pub(super) lifetime: u64,
    /// What makes them unreadable, if they are to be.
    pub(super) opaque: Option<OpaqueTokens>,
}

/// What an access token is about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) client: &'a Client,
    /// Nobody if the client acts for itself.
    pub(super) person: Option<&'a Person>,
    pub(super) scopes: &'a Scopes,
    pub(super) audiences: Vec<String>,
    /// The grant that it is of, and when the person has logged in.
    pub(super) grant: Option<(&'a str, u64)>,
}

impl AccessTokens {
    /// A token about `subject`.
    pub(super) async fn issue(&self, subject: Subject<'_>) -> Result<String, AuthorityError> {
        let now = self.clock.now();
        let sub = subject
            .person
            .map_or(&*subject.client.id, |person| &person.id);
        let mut claims = Claims {
            iss: Some(self.issuer.clone()),
            sub: Some(sub.to_owned()),
            aud: subject.audiences,
            iat: Some(now),
            exp: Some(now.saturating_add(self.lifetime)),
            jti: Some(identifier("t_")?),
            client_id: Some(subject.client.id.clone()),
            scope: (!subject.scopes.is_empty()).then(|| subject.scopes.to_string()),
            ..Claims::default()
        };
        if let Some((grant, authenticated_at)) = subject.grant {
            claims.extra.insert(GRANT.to_owned(), grant.into());
            claims
                .extra
                .insert("auth_time".to_owned(), authenticated_at.into());
        }
        if let Some(person) = subject.person {
            claims
                .extra
                .insert("name".to_owned(), Value::from(&*person.name));
            let list = |items: &[std::sync::Arc<str>]| {
                json!(items.iter().map(|item| &**item).collect::<Vec<_>>())
            };
            if !person.roles.is_empty() {
                claims.extra.insert("roles".to_owned(), list(&person.roles));
            }
            if !person.teams.is_empty() {
                claims
                    .extra
                    .insert("groups".to_owned(), list(&person.teams));
            }
        }
        let key = self.keys.signing().await?;
        let jwt = key.sign(TYPE, &claims).map_err(|_| AuthorityError::Key)?;
        match &self.opaque {
            Some(opaque) => opaque.seal(&jwt),
            None => Ok(jwt),
        }
    }
}

/// The claim that names the grant, so that all its tokens can be revoked at once.
pub(super) const GRANT: &str = "grant_id";

const TYPE: &str = "at+jwt";
