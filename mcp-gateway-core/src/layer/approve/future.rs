//! The response future of the layer, without an allocation for a call that requires no approval.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::Either;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::unapproved_call::UnapprovedCall;
use crate::{BoxFuture, Call, Error, Reply};

pin_project! {
    /// The response future of [`Approve`](super::Approve).
    #[must_use = "futures do nothing unless polled"]
    pub struct ApproveFuture<S>
    where
        S: Service<Call>,
    {
        #[pin]
        state: Either<S::Future, BoxFuture<'static, Result<Reply, Error>>>,
        call: Option<UnapprovedCall<S>>,
    }
}

impl<S: Service<Call>> ApproveFuture<S> {
    /// Returns the future of a call that is only forwarded.
    pub(super) fn direct(future: S::Future) -> Self {
        Self {
            state: Either::Left(future),
            call: None,
        }
    }

    /// Returns the future of `call`, which is asked about if the policy wants it.
    pub(super) fn first(future: S::Future, call: UnapprovedCall<S>) -> Self {
        Self {
            state: Either::Left(future),
            call: Some(call),
        }
    }

    /// Returns the future of a call that is a retry.
    pub(super) fn pending(future: BoxFuture<'static, Result<Reply, Error>>) -> Self {
        Self {
            state: Either::Right(future),
            call: None,
        }
    }
}

impl<S> Future for ApproveFuture<S>
where
    S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Output = Result<Reply, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = ready!(this.state.as_mut().poll(cx));
        let request = match result {
            Err(Error::ApprovalRequired(request)) => request,
            result => return Poll::Ready(result),
        };
        let Some(call) = this.call.take() else {
            return Poll::Ready(Err(Error::ApprovalRequired(request)));
        };
        this.state.set(Either::Right(call.ask(*request)));
        this.state.poll(cx)
    }
}

impl<S: Service<Call>> fmt::Debug for ApproveFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApproveFuture").finish_non_exhaustive()
    }
}
