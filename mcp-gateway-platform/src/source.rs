//! Where specs come from.

use futures_util::stream::BoxStream;

use crate::spec::PlatformSpec;

/// A source of specs: a file, a store, a registry, or Kubernetes objects.
///
/// A program feeds what it emits to [`Platform::apply`](crate::Platform::apply).
pub trait SpecSource: std::fmt::Debug + Send + Sync {
    /// Returns the specs, the present one first, and another whenever it changes.
    ///
    /// An invalid state of the source is not emitted: the last valid spec stays in force, and the
    /// source reports the error by itself. Dropping the stream ends the observation.
    fn watch(&self) -> BoxStream<'static, PlatformSpec>;
}
