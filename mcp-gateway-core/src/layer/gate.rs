//! Response future of layers that decide without waiting.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::Error;

pin_project! {
    /// The response future of a layer that either forwards a call or rejects it at once.
    ///
    /// It needs no allocation. Polling it again after it has returned an error yields `Pending`.
    ///
    /// # Example
    ///
    /// ```
    /// use std::future::Ready;
    ///
    /// use mcp_gateway_core::Error;
    /// use mcp_gateway_core::layer::gate::Gate;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let forwarded = Gate::forward(std::future::ready(Ok::<_, Error>(7)));
    /// assert_eq!(forwarded.await.unwrap(), 7);
    ///
    /// let boxed = Box::<dyn std::error::Error + Send + Sync>::from("closed");
    /// let rejected: Gate<Ready<Result<u8, Error>>> = Gate::reject(boxed);
    /// assert!(rejected.await.is_err());
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Gate<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Forward {
            #[pin]
            future: F,
        },
        Reject {
            error: Option<Error>,
        },
    }
}

impl<F> Gate<F> {
    /// Forwards the call to the inner service.
    pub fn forward(future: F) -> Self {
        Self {
            state: State::Forward { future },
        }
    }

    /// Rejects the call without calling the inner service.
    pub fn reject(error: impl Into<Error>) -> Self {
        Self {
            state: State::Reject {
                error: Some(error.into()),
            },
        }
    }
}

impl<F, T> Future for Gate<F>
where
    F: Future<Output = Result<T, Error>>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { future } => future.poll(cx),
            // Polling a completed future is a mistake of the caller and harmless here.
            StateProj::Reject { error } => error
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

impl<F> fmt::Debug for Gate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
