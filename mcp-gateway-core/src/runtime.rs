//! Backends that run servers, or reach those that run already.
//!
//! Each implements [`RuntimeBackend`](crate::upstream::RuntimeBackend): it starts or finds an
//! instance of a server and returns the transport to it.
//! | backend | runs | feature |
//! |---|---|---|
//! | [`Remote`] | nothing: the server runs already, and is reached over HTTP | `client` |
//! | [`Process`] | a program, and talks to it by standard input and output | `process` |
//! | [`InProcess`] | a server inside this process | |
//! | [`Embedded`] | nothing: the server is code of this process, and receives calls with their callers | |

mod embedded;
mod in_process;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "client")]
mod remote;

pub use self::embedded::Embedded;
pub use self::in_process::InProcess;
#[cfg(feature = "process")]
pub use self::process::{Process, ProcessExit};
#[cfg(feature = "client")]
pub use self::remote::{PooledHttpClient, Remote, RemoteError};
