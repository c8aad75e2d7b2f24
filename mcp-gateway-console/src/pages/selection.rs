//! Selection of objects in the query of a page.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::api::Listed;
use crate::failure::Failure;
use crate::path::with_query;
use crate::view::{Field, Filter, Pager};

/// Parameters of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection(BTreeMap<String, String>);

impl Selection {
    /// Returns the parameter `name`; empty without one.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// Returns the cursor of the page.
    pub(crate) fn after(&self) -> &str {
        self.text("after")
    }

    /// Returns the links to the other pages of the list at `path`, which `names` select.
    pub(crate) fn pager(&self, path: &str, names: &[&str], listed: &Listed) -> Pager {
        let query: Vec<_> = names.iter().map(|name| (*name, self.text(name))).collect();
        let has_first = !self.after().is_empty();
        let next = listed.next.as_deref().map(|next| {
            let mut query = query.clone();
            query.push(("after", next));
            with_query(path, &query)
        });
        Pager {
            first: has_first.then(|| with_query(path, &query)),
            next,
        }
    }

    /// Returns the form of `fields` that selects objects at `path`.
    pub(crate) fn filter(&self, path: &str, fields: Vec<Field>) -> Filter {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|field| {
                let value = self.text(&field.name).to_owned();
                field.value(value)
            })
            .collect();
        let is_active = fields.iter().any(|field| !field.value.is_empty());
        Filter {
            action: path.to_owned(),
            submit: "Filter",
            clear: is_active.then(|| path.to_owned()),
            fields,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Selection {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(parameters) = query.map_err(|_| Failure::NotFound)?;
        Ok(Self(parameters))
    }
}
