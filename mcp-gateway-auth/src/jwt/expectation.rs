use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::error::JwtError;
use super::header::{Header, normal_typ};

/// What a JWT has to be to be taken for what it is presented as.
///
/// There is a constructor for each kind that OAuth knows, and [`new`](Self::new) for others. All of
/// them want the issuer and one of the audiences to be there and exactly the same, and an expiry.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_auth::jwt::{Algorithm, Expectation};
///
/// // An identity provider whose access tokens do not follow RFC 9068.
/// let expectation = Expectation::new("https://idp.example.com/", "https://gw.example.com/mcp")
///     .with_types(["JWT"])
///     .with_algorithms([Algorithm::Rs256])
///     .with_required(["sub"])
///     .with_max_lifetime(Duration::from_secs(24 * 3600));
/// # let _ = expectation;
/// ```
#[derive(Clone, Debug)]
pub struct Expectation {
    algorithms: Vec<Algorithm>,
    audiences: Vec<String>,
    issuer: String,
    leeway: u64,
    max_lifetime: Option<u64>,
    /// The client that an id_token has to be for, where it names one.
    party: Option<String>,
    required: Vec<&'static str>,
    single_audience: bool,
    subject: Option<String>,
    types: Vec<String>,
    untyped: bool,
}

impl Expectation {
    /// A JWT that `issuer` has issued for `audience`, of the type `at+jwt`.
    ///
    /// Nothing but issuer, audience, expiry and type is wanted of it.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            algorithms: Algorithm::ALL.to_vec(),
            audiences: vec![audience.into()],
            issuer: issuer.into(),
            leeway: MAX_LEEWAY,
            max_lifetime: None,
            party: None,
            required: Vec::new(),
            single_audience: false,
            subject: None,
            types: vec!["at+jwt".to_owned()],
            untyped: false,
        }
    }

    /// An access token, as [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068#section-2) has it.
    #[must_use]
    pub fn access_token(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(issuer, audience).with_required(["sub", "client_id", "iat", "jti"])
    }

    /// By which a client says that it is `client_id`, as [RFC 7523][rfc] has it: its own issuer and
    /// subject, with an identifier, for at most five minutes.
    ///
    /// The type is `client-authentication+jwt`; what older clients say, `JWT` or nothing, is taken
    /// too. Whoever verifies one has to see to it that its `jti` is used only once.
    ///
    /// [rfc]: https://www.rfc-editor.org/rfc/rfc7523#section-3
    #[must_use]
    pub fn client_assertion(client_id: impl Into<String>, audience: impl Into<String>) -> Self {
        let client_id = client_id.into();
        Self::new(client_id.clone(), audience)
            .with_types(["client-authentication+jwt", "JWT"])
            .with_untyped()
            .with_subject(client_id)
            .with_required(["sub", "jti"])
            .with_max_lifetime(FIVE_MINUTES)
    }

    /// An assertion of an enterprise's identity provider (ID-JAG), for at most five minutes and for
    /// one audience alone.
    #[must_use]
    pub fn id_jag(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(issuer, audience)
            .with_types(["oauth-id-jag+jwt"])
            .with_single_audience()
            .with_required(["sub", "client_id", "iat", "jti"])
            .with_max_lifetime(FIVE_MINUTES)
    }

    /// An `id_token` for `client_id`, as [OpenID Connect][oidc] has it; the nonce is for the caller
    /// to compare.
    ///
    /// [oidc]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    #[must_use]
    pub fn id_token(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        let mut expectation = Self::new(issuer, client_id.clone())
            .with_types(["JWT"])
            .with_untyped()
            .with_required(["sub", "iat"]);
        expectation.party = Some(client_id);
        expectation
    }

    /// Takes these algorithms alone.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Takes it also if it is for `audience`.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How far the clock of the issuer may be off: a minute, or less.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.as_secs().min(MAX_LEEWAY);
        self
    }

    /// Refuses it if more than `lifetime` lies between when it was issued and when it expires, and
    /// if it will be good for longer than that.
    #[must_use]
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime.as_secs());
        self
    }

    /// Wants these claims too.
    #[must_use]
    pub fn with_required(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.required.extend(names);
        self
    }

    /// Refuses it if it is for others as well.
    #[must_use]
    pub fn with_single_audience(mut self) -> Self {
        self.single_audience = true;
        self
    }

    /// Takes it only if it is about `subject`.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Takes these types alone, in upper or lower case, with or without `application/`.
    #[must_use]
    pub fn with_types<T: AsRef<str>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types
            .into_iter()
            .map(|typ| normal_typ(typ.as_ref()))
            .collect();
        self
    }

    /// Takes it also without a type.
    #[must_use]
    pub fn with_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Looks at what can be told before the signature is.
    pub(super) fn check_header(&self, header: &Header) -> Result<(), JwtError> {
        if !self.algorithms.contains(&header.algorithm) {
            return Err(JwtError::Algorithm);
        }
        match &header.typ {
            Some(typ) if self.types.contains(typ) => Ok(()),
            None if self.untyped => Ok(()),
            _ => Err(JwtError::Type),
        }
    }

    pub(super) fn check_claims(&self, claims: &Claims, now: u64) -> Result<(), JwtError> {
        let iss = claims.iss.as_ref().ok_or(JwtError::Missing("iss"))?;
        if *iss != self.issuer {
            return Err(JwtError::Issuer);
        }
        self.check_audience(claims)?;
        self.check_time(claims, now)?;
        if let Some(name) = self.required.iter().find(|name| !claims.has(name)) {
            return Err(JwtError::Missing(name));
        }
        match &self.subject {
            Some(subject) if claims.sub.as_ref() != Some(subject) => Err(JwtError::Claim("sub")),
            _ => Ok(()),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), JwtError> {
        let aud = &claims.aud;
        if aud.is_empty() {
            return Err(JwtError::Missing("aud"));
        }
        if !aud.iter().any(|aud| self.audiences.contains(aud)) {
            return Err(JwtError::Audience);
        }
        if self.single_audience && aud.len() > 1 {
            return Err(JwtError::Audience);
        }
        if let Some(party) = &self.party {
            let azp = claims.extra.get("azp");
            let is_ours = azp.map_or(aud.len() == 1, |azp| azp == party.as_str());
            if !is_ours {
                return Err(JwtError::Claim("azp"));
            }
        }
        Ok(())
    }

    fn check_time(&self, claims: &Claims, now: u64) -> Result<(), JwtError> {
        let exp = claims.exp.ok_or(JwtError::Missing("exp"))?;
        if exp.saturating_add(self.leeway) <= now {
            return Err(JwtError::Expired);
        }
        let latest = now.saturating_add(self.leeway);
        let begins = claims.nbf.max(claims.iat).unwrap_or(0);
        if begins > latest {
            return Err(JwtError::NotYet);
        }
        let Some(limit) = self.max_lifetime else {
            return Ok(());
        };
        let lifetime = exp.saturating_sub(claims.iat.unwrap_or(now));
        let remaining = exp.saturating_sub(latest);
        match lifetime > limit || remaining > limit {
            true => Err(JwtError::Lifetime),
            false => Ok(()),
        }
    }
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// What clocks are allowed to be off at most, in seconds.
const MAX_LEEWAY: u64 = 60;
