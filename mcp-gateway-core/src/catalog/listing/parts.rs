//! Lists without some of their parts.

use std::sync::Arc;

use super::Listing;
use crate::catalog::CatalogEntry;

impl Listing {
    /// Returns the list of tools without the output schemas of those whose name `hides` accepts.
    pub(crate) fn without_output_schemas(&self, hides: impl Fn(&str) -> bool) -> Self {
        let mut listing = self.clone();
        let hidden = listing
            .entries
            .iter_mut()
            .filter(|entry| hides(entry.name()));
        for entry in hidden {
            *entry = entry.without_output_schema();
        }
        listing
    }

    /// Returns the list without the entries that `keeps` rejects, or `None` if there are none.
    pub(crate) fn without(&self, keeps: impl Fn(&CatalogEntry) -> bool) -> Option<Self> {
        let kept: Vec<_> = self.entries.iter().filter(|entry| keeps(entry)).collect();
        if kept.len() == self.entries.len() {
            return None;
        }
        let by_name = kept.iter().enumerate();
        Some(Self {
            by_name: by_name
                .map(|(at, entry)| (Arc::clone(entry.name()), at))
                .collect(),
            entries: kept.into_iter().cloned().collect(),
            ..self.clone()
        })
    }
}
