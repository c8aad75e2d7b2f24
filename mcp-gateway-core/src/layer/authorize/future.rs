//! The response future of the layer, without an allocation for a call that is decided at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::layer::gate::Gate;
use crate::{BoxFuture, Error, Reply};

pin_project! {
    /// The response future of [`Authorize`](super::Authorize).
    #[must_use = "futures do nothing unless polled"]
    pub struct AuthorizeFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Decided {
            #[pin]
            future: Gate<F>,
        },
        Undecided {
            future: BoxFuture<'static, Result<Reply, Error>>,
        },
    }
}

impl<F> AuthorizeFuture<F> {
    /// Returns the future of a call that is decided; needs no allocation.
    pub(super) fn decided(future: Gate<F>) -> Self {
        Self {
            state: State::Decided { future },
        }
    }

    /// Returns the future of a call that is decided after further work.
    pub(super) fn undecided(
        future: impl Future<Output = Result<Reply, Error>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Undecided {
                future: Box::pin(future),
            },
        }
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for AuthorizeFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Decided { future } => future.poll(cx),
            StateProj::Undecided { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F> fmt::Debug for AuthorizeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeFuture").finish_non_exhaustive()
    }
}
