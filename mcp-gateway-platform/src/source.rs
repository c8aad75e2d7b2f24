//! Sources of specs.

use futures_util::stream::BoxStream;

use crate::spec::PlatformSpec;

/// Source of specs: a file, a store, a registry, or Kubernetes objects.
///
/// A program passes each spec to [`Platform::apply`](crate::Platform::apply).
///
/// # Example
///
/// ```
/// use futures_util::StreamExt as _;
/// use futures_util::stream::{self, BoxStream};
/// use mcp_gateway_platform::source::SpecSource;
/// use mcp_gateway_platform::spec::PlatformSpec;
///
/// /// Source of a single spec.
/// #[derive(Debug)]
/// struct Constant(PlatformSpec);
///
/// impl SpecSource for Constant {
///     fn watch(&self) -> BoxStream<'static, PlatformSpec> {
///         stream::iter([self.0.clone()]).boxed()
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
pub trait SpecSource: std::fmt::Debug + Send + Sync {
    /// Returns a stream of specs: the current one, then one for each change.
    ///
    /// An invalid spec is not emitted: the last valid one stays in force, and the source reports
    /// the error. Dropping the stream ends the observation.
    fn watch(&self) -> BoxStream<'static, PlatformSpec>;
}
