//! The expected properties of a JWT (RFC 7519, section 4.1; RFC 8725, section 3).
//!
//! Every purpose of a JWT has its own constructor with its own `typ`. An ID token is therefore
//! rejected where an access token is expected, although one issuer signs both with the same key.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::error::JwtError;
use super::header::{Header, normal_typ};

/// The properties that a JWT must have to be accepted.
///
/// There is one constructor per kind of token that OAuth defines, and [`new`](Self::new) for all
/// others. All of them require an expiration time, exactly the expected issuer, and exactly one of
/// the expected audiences among those of the token.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_auth::jose::{Algorithm, Validation};
///
/// // An identity provider whose access tokens do not follow RFC 9068.
/// let expectation = Validation::new("https://idp.example.com/", "https://gw.example.com/mcp")
///     .with_types(["JWT"])
///     .with_algorithms([Algorithm::Rs256])
///     .with_required(["sub"])
///     .with_max_lifetime(Duration::from_secs(24 * 3600));
/// assert_eq!(expectation.issuer(), "https://idp.example.com/");
/// ```
#[derive(Clone, Debug)]
pub struct Validation {
    algorithms: Vec<Algorithm>,
    audiences: Vec<String>,
    issuer: String,
    leeway: u64,
    max_lifetime: Option<u64>,
    /// Required value of `azp`, the authorized party of an ID token, where that claim is present.
    party: Option<String>,
    required: Vec<&'static str>,
    single_audience: bool,
    subject: Option<String>,
    types: Vec<String>,
    untyped: bool,
}

impl Validation {
    /// Expects a JWT of type `at+jwt` that `issuer` has issued for `audience`.
    ///
    /// Nothing but the issuer, the audience, the expiration time and the type is required. All
    /// algorithms of [`Algorithm::ALL`] are accepted.
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

    /// Expects an access token as of [RFC 9068, section
    /// 2](https://www.rfc-editor.org/rfc/rfc9068#section-2), with its required claims `sub`,
    /// `client_id`, `iat` and `jti`.
    #[must_use]
    pub fn access_token(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(issuer, audience).with_required(["sub", "client_id", "iat", "jti"])
    }

    /// Expects a client assertion (`private_key_jwt`) of `client_id`, as of [RFC 7523, section
    /// 3][rfc].
    ///
    /// The issuer and the subject are both `client_id`, `jti` is required, and the lifetime is at
    /// most five minutes. The type is `client-authentication+jwt`; `JWT` and an absent type, which
    /// older clients send, are accepted too.
    ///
    /// The caller must accept each `jti` only once: otherwise an intercepted assertion can be
    /// replayed until it expires.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::Clock;
    /// use mcp_gateway_auth::jose::{
    ///     Algorithm, Validation, JwkSet, JwtError, JwtVerifier, KeySet, SigningKey,
    /// };
    /// use serde_json::json;
    ///
    /// # fn main() -> Result<(), JwtError> {
    /// let clock = Clock::fixed(1_800_000_000);
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
    /// let verifier = JwtVerifier::new(clock.clone());
    /// let expectation = Validation::client_assertion("build", "https://gw.example.com");
    /// let assertion = |lifetime: u64| key.sign("client-authentication+jwt", &json!({
    ///     "iss": "build",
    ///     "sub": "build",
    ///     "aud": "https://gw.example.com",
    ///     "jti": "1",
    ///     "exp": clock.now() + lifetime,
    /// }));
    ///
    /// let verified = verifier.verify(&assertion(300)?, &keys, &expectation)?;
    /// assert_eq!(verified.claims.jti.as_deref(), Some("1"));
    /// let long = verifier.verify(&assertion(3600)?, &keys, &expectation);
    /// assert!(matches!(long, Err(JwtError::Lifetime)));
    /// // An assertion is not an access token.
    /// let access = Validation::access_token("build", "https://gw.example.com");
    /// assert!(matches!(verifier.verify(&assertion(300)?, &keys, &access), Err(JwtError::Type)));
    /// # Ok(())
    /// # }
    /// ```
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

    /// Expects an identity assertion of an enterprise's identity provider (ID-JAG): with exactly
    /// one audience, and a lifetime of at most five minutes.
    #[must_use]
    pub fn id_jag(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(issuer, audience)
            .with_types(["oauth-id-jag+jwt"])
            .with_single_audience()
            .with_required(["sub", "client_id", "iat", "jti"])
            .with_max_lifetime(FIVE_MINUTES)
    }

    /// Expects an ID token for `client_id`, as of [OpenID Connect Core, section 3.1.3.7][oidc].
    ///
    /// `azp` must be `client_id` if it is present, and must be present if there are several
    /// audiences. The caller compares the nonce.
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

    /// Replaces the accepted algorithms.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts `audience` as well.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the tolerated difference of the clocks: at most one minute, which is the default.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.as_secs().min(MAX_LEEWAY);
        self
    }

    /// Rejects tokens with more than `lifetime` between issue and expiration, and those that are
    /// valid for longer than `lifetime` from now.
    ///
    /// The second check also covers tokens without `iat`.
    #[must_use]
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime.as_secs());
        self
    }

    /// Requires these claims as well.
    #[must_use]
    pub fn with_required(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.required.extend(names);
        self
    }

    /// Rejects tokens with further audiences.
    #[must_use]
    pub fn with_single_audience(mut self) -> Self {
        self.single_audience = true;
        self
    }

    /// Requires exactly this subject.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Replaces the accepted types. They are compared without regard to case and with or without
    /// `application/` (RFC 7515, section 4.1.9).
    #[must_use]
    pub fn with_types<T: AsRef<str>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types
            .into_iter()
            .map(|typ| normal_typ(typ.as_ref()))
            .collect();
        self
    }

    /// Accepts tokens without a type as well.
    #[must_use]
    pub fn with_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// Returns the expected issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Validates the header. This needs no key, and thus comes before the signature.
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

    /// Validates the claims at the time `now`, in seconds since the Unix epoch.
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

    /// Validates `aud`, and `azp` of an ID token.
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

    /// Validates `exp`, `nbf`, `iat` and the lifetime.
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

/// Maximum lifetime of assertions: they are redeemed at once.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Maximum difference of the clocks, in seconds.
const MAX_LEEWAY: u64 = 60;
