use crate::jwks::KeysError;

/// Why a JWT is not believed, or could not be made.
///
/// The messages name no value of the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The algorithm is not one of those that are accepted.
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// It is for somebody else.
    #[error("the audience is another one")]
    Audience,
    /// A claim has a value that it cannot have.
    #[error("claim {0:?} is not valid")]
    Claim(&'static str),
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// The header has an extension that would have to be understood, or is of something else.
    #[error("header parameter {0:?} is not supported")]
    Header(&'static str),
    /// It is from somebody else.
    #[error("the issuer is another one")]
    Issuer,
    /// There is no key that it could have been signed with.
    #[error("no key fits")]
    Key,
    /// The keys of the issuer could not be had; not the fault of whoever presents it.
    #[error("the keys are not available")]
    Keys(#[source] KeysError),
    /// It is good for longer than is accepted.
    #[error("it is good for too long")]
    Lifetime,
    /// It is not a signed JWT.
    #[error("it is not a signed JWT")]
    Malformed,
    /// A claim that is needed is not there.
    #[error("claim {0:?} is missing")]
    Missing(&'static str),
    /// It is not good yet, or was issued in the future.
    #[error("it is not good yet")]
    NotYet,
    /// The signature is not that of the issuer.
    #[error("the signature does not fit")]
    Signature,
    /// It could not be signed.
    #[error("it could not be signed")]
    Sign,
    /// It is longer than any that is accepted.
    #[error("it is too long")]
    TooLong,
    /// It is a JWT for another purpose.
    #[error("the type is another one")]
    Type,
}
