//! Inputs: the values that each owner supplies for a server, such as an access token.
//!
//! | module | content |
//! |---|---|
//! | `input` | [`Input`], the definition of a value |
//! | `values` | [`InputValues`], validated values |
//! | `template` | [`Template`], a text that refers to inputs |
//! | `server` | [`InputServer`], what is made of the values |
//! | `supplied` | the stored connection |
//! | `rejection` | the last rejection of its values |
//! | `credentials` | resolution for a caller |
//! | `probe` | [`ConnectionProbe`], the test before values are stored |
//! | `form` | the form, and what is entered in it |

mod credentials;
mod form;
mod input;
mod probe;
mod rejection;
mod server;
mod supplied;
mod template;
mod values;

pub(super) use self::credentials::InputCredentials;
pub(super) use self::form::{InputForm, Submission};
pub use self::input::Input;
pub use self::probe::{ConnectionProbe, ProbeError};
pub use self::rejection::InputRejection;
pub use self::server::InputServer;
pub(super) use self::server::account_name;
pub use self::supplied::SuppliedInputs;
pub use self::template::Template;
pub use self::values::{InputValues, InputViolation};
