use mcp_gateway_store::{Batch, Outcome, Stored};

use super::user::key as identity_key;
use super::{ATTEMPTS, Users};
use crate::AuthorityError;
use crate::secret::identifier;
use crate::users::{Identity, User};

/// Who somebody is, as an identity provider that is believed has just said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claimant {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) login: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) teams: Vec<String>,
    /// Their login, if that is what they are allowed by.
    pub(crate) pinned: Option<String>,
}

impl Claimant {
    /// What is noted of them, who were `seen` then.
    pub(crate) fn identity(&self, seen: u64) -> Identity {
        Identity {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            login: self.login.clone(),
            email: self.email.clone(),
            groups: self.groups.clone(),
            seen,
            pinned: self.pinned.as_ref().map(|name| name.to_lowercase()),
        }
    }
}

/// What came of a claim.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    Disabled,
    /// The name that they would be allowed by was somebody else's before.
    NameReused,
    Welcome(User),
}

impl Users {
    /// The person whom the identity provider `issuer` knows as `subject`, if they have logged in
    /// here before.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub async fn find_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<User>, AuthorityError> {
        match self.identities.get(&identity_key(issuer, subject)).await? {
            Some(id) => self.find(&id.value).await,
            None => Ok(None),
        }
    }

    /// Finds who `claimant` is, or gets to know them, and notes what the provider says of them.
    pub(crate) async fn arrive(&self, claimant: &Claimant) -> Result<Arrival, AuthorityError> {
        let identity = claimant.identity(self.clock.now());
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::new();
            if let (Some(pin), key) = (identity.pin_key(), identity.key()) {
                match self.pins.get(&pin).await? {
                    Some(pinned) if pinned.value != key => return Ok(Arrival::NameReused),
                    Some(pinned) => {
                        batch = batch.if_version(self.pins.key(&pin), pinned.version);
                    }
                    None => {
                        batch = batch.if_absent(self.pins.key(&pin));
                        batch = self.pins.put(batch, &pin, &key, None)?;
                    }
                }
            }
            if let Some(arrival) = self.settle(batch, claimant, &identity).await? {
                return Ok(arrival);
            }
        }
        Err(AuthorityError::Busy)
    }

    /// Writes `batch` and the person that it is about; `None` if somebody got ahead.
    async fn settle(
        &self,
        batch: Batch,
        claimant: &Claimant,
        identity: &Identity,
    ) -> Result<Option<Arrival>, AuthorityError> {
        let key = identity.key();
        let (batch, user) = match self.identities.get(&key).await? {
            None => {
                let user = self.newcomer(claimant, identity)?;
                let batch = batch.if_absent(self.identities.key(&key));
                let batch = self.identities.put(batch, &key, &user.id, None)?;
                (batch.if_absent(self.documents.key(&user.id)), user)
            }
            Some(id) => {
                // Gone since its identity was read, as both are deleted together.
                let Some(Stored { mut value, version }) = self.documents.get(&id.value).await?
                else {
                    return Ok(None);
                };
                if value.disabled {
                    return Ok(Some(Arrival::Disabled));
                }
                note(&mut value, claimant, identity);
                (
                    batch.if_version(self.documents.key(&value.id), version),
                    value,
                )
            }
        };
        let batch = self.documents.put(batch, &user.id, &user, None)?;
        let outcome = self.commit(batch).await?;
        Ok((outcome == Outcome::Committed).then_some(Arrival::Welcome(user)))
    }

    fn newcomer(&self, claimant: &Claimant, identity: &Identity) -> Result<User, AuthorityError> {
        let id = identifier("usr_")?;
        let mut user = User::new(id, claimant.name.clone(), self.clock.now());
        note(&mut user, claimant, identity);
        Ok(user)
    }
}

fn note(user: &mut User, claimant: &Claimant, identity: &Identity) {
    let mut identity = identity.clone();
    let same = |known: &&mut Identity| known.key() == identity.key();
    match user.identities.iter_mut().find(same) {
        Some(known) => {
            // What was pinned once stays so until the person is deleted.
            identity.pinned = identity.pinned.or_else(|| known.pinned.take());
            *known = identity;
        }
        None => user.identities.push(identity),
    }
    if user.username.is_none() {
        user.name.clone_from(&claimant.name);
    }
    user.email.clone_from(&claimant.email);
    user.teams.clone_from(&claimant.teams);
}
