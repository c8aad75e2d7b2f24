//! The response future of the layer, without an allocation for a call whose client cannot be asked.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use pin_project_lite::pin_project;

use crate::{BoxFuture, Error, Reply};

pin_project! {
    /// The response future of [`ElicitConnections`](super::ElicitConnections).
    #[must_use = "futures do nothing unless polled"]
    pub struct ElicitConnectionsFuture<F> {
        #[pin]
        state: Either<F, BoxFuture<'static, Result<Reply, Error>>>,
    }
}

impl<F> ElicitConnectionsFuture<F> {
    /// Returns the future of a call that is only forwarded.
    pub(super) fn direct(future: F) -> Self {
        let state = Either::Left(future);
        Self { state }
    }

    /// Returns the future of a call that may wait.
    pub(super) fn pending(
        future: impl Future<Output = Result<Reply, Error>> + Send + 'static,
    ) -> Self {
        let state: Either<F, BoxFuture<'static, _>> = Either::Right(Box::pin(future));
        Self { state }
    }
}

impl<F: Future<Output = Result<Reply, Error>>> Future for ElicitConnectionsFuture<F> {
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().state.poll(cx)
    }
}

impl<F> fmt::Debug for ElicitConnectionsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElicitConnectionsFuture")
            .finish_non_exhaustive()
    }
}
