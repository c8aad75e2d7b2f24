//! Stages of a call.

use crate::Credential;
use crate::protocol::header::ParamHeaders;
use crate::route::Target;

/// Stage of a call whose target is known.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) target: Target,
}

/// Stage of a call that the policy permits.
#[derive(Clone, Debug)]
pub struct Permitted {
    pub(crate) target: Target,
}

/// Stage of a call that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) target: Target,
    pub(crate) credential: Credential,
    pub(crate) param_headers: ParamHeaders,
}

impl Prepared {
    /// Creates the stage of a call that an embedder sends directly, bypassing the layers.
    ///
    /// The code that calls it vouches for the permission of the caller and for the credential.
    #[must_use]
    pub fn trusted(target: Target, credential: Credential) -> Self {
        Self {
            target,
            credential,
            param_headers: ParamHeaders::new(),
        }
    }
}

/// A stage at which the target is known. Sealed.
#[diagnostic::on_unimplemented(
    message = "the target of a `Call<{Self}>` is not known yet",
    note = "calls have a target after `Dispatch`: add the layer with `on_routed`"
)]
pub trait HasTarget: sealed::Sealed {
    /// Returns the target of the call.
    fn target(&self) -> &Target;
}

macro_rules! has_target {
    ($($stage:ty)*) => {
        $(
            impl HasTarget for $stage {
                fn target(&self) -> &Target {
                    &self.target
                }
            }

            impl sealed::Sealed for $stage {}
        )*
    };
}

has_target!(Routed Permitted Prepared);

mod sealed {
    #[expect(unnameable_types, reason = "seals HasTarget")]
    pub trait Sealed {}
}
