//! Uses of a view, which keep it from being idle.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::View;

/// Use of a view, from its creation until it is dropped.
#[derive(Debug)]
pub(super) struct UseGuard(pub(super) Arc<View>);

impl UseGuard {
    /// Starts a use.
    pub(super) fn new(view: &Arc<View>) -> Self {
        view.in_use.fetch_add(1, Ordering::AcqRel);
        view.touch();
        Self(Arc::clone(view))
    }
}

impl Drop for UseGuard {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_use.fetch_sub(1, Ordering::AcqRel);
    }
}
