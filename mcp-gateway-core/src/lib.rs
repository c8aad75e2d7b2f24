//! The data plane of an embeddable MCP gateway.

pub mod auth;
mod bridge;
pub mod call;
mod caller;
mod cancellation;
pub mod catalog;
pub mod credential;
pub mod dispatch;
mod drain;
pub mod endpoint;
mod error;
pub mod gate;
mod gateway;
pub mod guard;
pub mod jsonrpc;
pub mod limit;
pub mod observe;
pub mod policy;
mod problem;
pub mod protocol;
pub mod reply;
pub mod route;
pub mod runtime;
mod seal;
#[cfg(feature = "serve")]
mod serve;
pub mod session;
mod signal;
pub mod sse;
mod task;
pub mod upstream;

use std::future::Future;
use std::pin::Pin;

pub use self::call::Call;
pub use self::caller::{Caller, Client};
pub use self::cancellation::Cancellation;
pub use self::credential::Credential;
pub use self::drain::Drain;
pub use self::error::{BoxError, Error};
pub use self::gateway::{Gateway, GatewayBuilder, MaybeObserve};
pub use self::problem::Problem;
pub use self::reply::Reply;
pub use self::seal::{SealError, Sealer};
#[cfg(feature = "serve")]
pub use self::serve::Serve;

/// A boxed future, as the services of this crate return where they wait for something.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
