//! The resources and scopes that a request is about.

use std::borrow::Cow;

use super::form::Form;
use crate::UserInfo;
use crate::server::Scopes;
use crate::server::client::OAuthClient;
use crate::server::error::OAuthError;
use crate::server::resource::{OFFLINE_ACCESS, Resources};

impl Resources {
    /// Returns `true` if the user may access all of `resources`.
    pub(in crate::server) fn admits(&self, resources: &[String], user: &UserInfo) -> bool {
        resources.iter().all(|uri| match self.find(uri) {
            Some(Cow::Borrowed(resource)) => resource.allows(&user.id, &user.roles, &user.teams),
            // Not even administrators may use what does not exist.
            Some(Cow::Owned(_)) | None => false,
        })
    }

    /// Returns the requested audiences, which must be among `granted`.
    pub(in crate::server) fn audiences(
        &self,
        granted: &[String],
        form: &Form,
    ) -> Result<Vec<String>, OAuthError> {
        if form.resources().is_empty() {
            return Ok(granted.to_vec());
        }
        let wanted = form.resources().iter().map(|wanted| {
            let found = self.find(wanted).map(|resource| resource.uri.to_string());
            let found = found.filter(|uri| granted.contains(uri));
            found.ok_or_else(|| OAuthError::InvalidTarget("resource was not granted".into()))
        });
        wanted.collect()
    }

    /// Returns the resources and scopes that a client requests, or their defaults.
    pub(in crate::server) fn requested_targets(
        &self,
        client: &OAuthClient,
        form: &Form,
    ) -> Result<(Vec<String>, Scopes), OAuthError> {
        let unknown = || OAuthError::InvalidTarget("unknown resource".into());
        let found = match form.resources() {
            [] => vec![Cow::Borrowed(self.default_one().ok_or_else(unknown)?)],
            wanted => wanted
                .iter()
                .map(|wanted| self.find(wanted).ok_or_else(unknown))
                .collect::<Result<_, _>>()?,
        };
        let known = found.iter().flat_map(|resource| &resource.scopes);
        let known = known.map(|(name, _)| &**name).chain([OFFLINE_ACCESS]);
        let known: Scopes = known.collect();
        let allowed = client.allowed(known);
        let scopes = match form.scopes()? {
            Some(wanted) if allowed.contains_all(&wanted) => wanted,
            Some(_) => {
                let message = format!("invalid scope; this client may request: {allowed}");
                return Err(OAuthError::InvalidScope(message.into()));
            }
            None => {
                let first = found.first().and_then(|resource| resource.scopes.first());
                let first: Scopes = first.into_iter().map(|(name, _)| &**name).collect();
                first.intersection(&allowed)
            }
        };
        let uris = found.iter().map(|resource| resource.uri.to_string());
        Ok((uris.collect(), scopes))
    }
}
