//! Response future of layers that may have to wait before they forward a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::{BoxFuture, Error, Reply};

pin_project! {
    /// The response future of a layer that forwards a call at once, or works for it first.
    ///
    /// A call that is only forwarded needs no allocation.
    #[must_use = "futures do nothing unless polled"]
    pub struct Deferred<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Direct {
            #[pin]
            future: F,
        },
        Waiting {
            future: BoxFuture<'static, Result<Reply, Error>>,
        },
    }
}

impl<F> Deferred<F> {
    /// Returns the future of a call that is forwarded without further work; needs no allocation.
    pub(in crate::layer) fn direct(future: F) -> Self {
        Self {
            state: State::Direct { future },
        }
    }

    /// Returns the future of a call that involves further work.
    pub(in crate::layer) fn pending(
        future: impl Future<Output = Result<Reply, Error>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Waiting {
                future: Box::pin(future),
            },
        }
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for Deferred<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Direct { future } => future.poll(cx),
            StateProj::Waiting { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F> fmt::Debug for Deferred<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}
