//! Sources of specs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::{BoxStream, StreamExt as _};

use crate::spec::PlatformSpec;

/// Source of specs: a file, a store, a registry, or Kubernetes objects.
///
/// A program passes each spec to [`Platform::apply`](crate::Platform::apply).
///
/// # Example
///
/// ```
/// use futures_util::StreamExt as _;
/// use futures_util::stream;
/// use mcp_gateway_platform::source::{SpecSource, SpecStream};
/// use mcp_gateway_platform::spec::PlatformSpec;
///
/// /// Source of a single spec.
/// #[derive(Debug)]
/// struct Constant(PlatformSpec);
///
/// impl SpecSource for Constant {
///     fn watch(&self) -> SpecStream {
///         SpecStream::new(stream::iter([self.0.clone()]))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let source = Constant(PlatformSpec::default());
/// let specs: Vec<_> = source.watch().collect().await;
/// assert_eq!(specs.len(), 1);
/// # }
/// ```
pub trait SpecSource: fmt::Debug + Send + Sync {
    /// Returns a stream of specs: the current one, then one for each change.
    ///
    /// An invalid spec is not emitted: the last valid one stays in force, and the source reports
    /// the error. Dropping the stream ends the observation.
    fn watch(&self) -> SpecStream;
}

/// Stream of the specs of a [`SpecSource`].
///
/// # Example
///
/// See [`SpecSource`].
#[must_use = "streams do nothing unless polled"]
pub struct SpecStream(BoxStream<'static, PlatformSpec>);

impl SpecStream {
    /// Wraps the specs of a source.
    pub fn new(specs: impl Stream<Item = PlatformSpec> + Send + 'static) -> Self {
        Self(specs.boxed())
    }
}

impl Stream for SpecStream {
    type Item = PlatformSpec;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PlatformSpec>> {
        self.0.poll_next_unpin(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl fmt::Debug for SpecStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpecStream").finish_non_exhaustive()
    }
}
