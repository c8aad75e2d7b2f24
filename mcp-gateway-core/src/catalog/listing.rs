use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use super::{Entry, ListKind};
use crate::error::UpstreamError;
use crate::json::Fields;

/// All that a server lists of one kind, to one class of callers.
#[derive(Clone, Debug)]
pub struct Listing {
    kind: ListKind,
    entries: Vec<Entry>,
    by_name: HashMap<Arc<str>, usize>,
    /// Members of the result that the specification does not know, as JSON.
    extras: Vec<(Box<str>, Box<str>)>,
    hints: Hints,
    complete: bool,
    supported: bool,
    read: Instant,
}

/// Who may be shown a result that somebody else asked for.
///
/// See [cache scope](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching#cache-scope-field).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the specification knows these two")]
pub enum CacheScope {
    /// Those who present the same credential.
    Private,
    /// Everybody.
    Public,
}

#[derive(Clone, Copy, Debug)]
struct Hints {
    /// How long the server lets a result be used; `None` when it does not say.
    ttl: Option<Duration>,
    scope: CacheScope,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    text: ByteString,
    entries: Vec<ByteString>,
    extras: Vec<(Box<str>, Box<str>)>,
    hints: Hints,
    pub(crate) next_cursor: Option<String>,
}

impl Page {
    /// Reads the result of a request for a list.
    pub(crate) fn read(kind: ListKind, result: &str) -> Result<Self, UpstreamError> {
        let text = ByteString::from(result);
        let fields = Fields::read(&text, 0..text.len()).map_err(UpstreamError::invalid)?;
        let list = fields.raw(&text, kind.member()).unwrap_or("[]");
        let list: Vec<&RawValue> = serde_json::from_str(list).map_err(UpstreamError::invalid)?;
        let entries = list
            .into_iter()
            .map(|entry| text.slice_ref(entry.get()))
            .collect();
        let known = [
            kind.member(),
            "nextCursor",
            "ttlMs",
            "cacheScope",
            "resultType",
        ];
        let extras = fields
            .iter(&text)
            .filter(|(key, _)| !known.contains(key))
            .map(|(key, span)| (key.into(), text[span].into()))
            .collect();
        let scope = match fields.string(&text, "cacheScope").as_deref() {
            Some("public") => CacheScope::Public,
            _ => CacheScope::Private,
        };
        let ttl = fields
            .raw(&text, "ttlMs")
            .and_then(|ms| ms.parse().ok())
            .map(Duration::from_millis);
        Ok(Self {
            next_cursor: fields.string(&text, "nextCursor").map(Into::into),
            entries,
            extras,
            hints: Hints { ttl, scope },
            text,
        })
    }

    /// How much memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl Listing {
    /// What a list consists of whose pages have been read.
    ///
    /// Entries that no client could read are left out, and the log of the gateway says so.
    pub(crate) fn new(server: &str, kind: ListKind, pages: Vec<Page>) -> Self {
        let first = pages.first();
        let mut listing = Self {
            kind,
            entries: Vec::new(),
            by_name: HashMap::new(),
            extras: first.map(|page| page.extras.clone()).unwrap_or_default(),
            hints: Hints {
                ttl: pages.iter().filter_map(|page| page.hints.ttl).min(),
                scope: pages
                    .iter()
                    .map(|page| page.hints.scope)
                    .min()
                    .unwrap_or(CacheScope::Private),
            },
            complete: pages.last().is_none_or(|page| page.next_cursor.is_none()),
            supported: true,
            read: Instant::now(),
        };
        for text in pages.into_iter().flat_map(|page| page.entries) {
            match Entry::read(kind, text) {
                Ok(entry) => listing.add(server, entry),
                Err(reason) => {
                    tracing::warn!(server, list = kind.member(), reason, "entry left out");
                }
            }
        }
        listing
    }

    /// Reads the text of a list that consists of one result.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] when it is not one.
    pub fn from_result(
        server: &str,
        kind: ListKind,
        result: &Bytes,
    ) -> Result<Self, UpstreamError> {
        let result = std::str::from_utf8(result).map_err(UpstreamError::invalid)?;
        Ok(Self::new(server, kind, vec![Page::read(kind, result)?]))
    }

    /// What a server lists that does not have the capability.
    #[must_use]
    pub fn unsupported(kind: ListKind) -> Self {
        Self {
            supported: false,
            ..Self::new("", kind, Vec::new())
        }
    }

    /// Whether the server has the capability.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.supported
    }

    fn add(&mut self, server: &str, entry: Entry) {
        if self.by_name.contains_key(entry.name()) {
            let (list, name) = (self.kind.member(), entry.name());
            tracing::warn!(server, list, %name, "entry left out: there is one of its name");
            return;
        }
        self.by_name
            .insert(Arc::clone(entry.name()), self.entries.len());
        self.entries.push(entry);
    }

    /// What is listed.
    #[must_use]
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// The entries, in the order of the server.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry that the server knows by `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|at| &self.entries[*at])
    }

    /// For how much longer the list may be shown, as far as the server says so.
    #[must_use]
    pub fn fresh_for(&self) -> Option<Duration> {
        Some(self.hints.ttl?.saturating_sub(self.read.elapsed()))
    }

    /// How old the list is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read.elapsed()
    }

    /// Who may be shown the list.
    #[must_use]
    pub fn scope(&self) -> CacheScope {
        self.hints.scope
    }

    /// Whether all pages were read; a server may have more of them than the gateway takes.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Members of the result that the specification does not know: names and JSON texts.
    pub fn extras(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extras.iter().map(|(key, value)| (&**key, &**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_list() {
        let pages = [
            r#"{"prompts":[{"name":"b"},{"name":"a"}],"nextCursor":"","ttlMs":5000,"cacheScope":"public","vendor":{"x":1}}"#,
            r#"{"prompts":[{"name":"a","other":1},{"nameless":1},{"name":"c"}],"ttlMs":90000,"cacheScope":"public"}"#,
        ];
        let read = |page: &&str| Page::read(ListKind::Prompts, page).unwrap();
        let listing = Listing::new("s", ListKind::Prompts, pages.iter().map(read).collect());
        let names: Vec<_> = listing
            .entries()
            .iter()
            .map(|entry| &**entry.name())
            .collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(listing.get("a").unwrap().json(), r#"{"name":"a"}"#);
        assert!(listing.fresh_for().unwrap() <= Duration::from_secs(5));
        assert_eq!(listing.scope(), CacheScope::Public);
        assert_eq!(
            listing.extras().collect::<Vec<_>>(),
            [("vendor", r#"{"x":1}"#)]
        );
        assert!(listing.is_complete());
        assert_eq!(read(&pages[0]).next_cursor.as_deref(), Some(""));
    }

    #[test]
    fn what_a_server_does_not_say_is_not_assumed() {
        let page = Page::read(ListKind::Tools, "{}").unwrap();
        let listing = Listing::new("s", ListKind::Tools, vec![page]);
        assert_eq!(listing.fresh_for(), None);
        assert_eq!(listing.scope(), CacheScope::Private);
        assert!(Page::read(ListKind::Tools, r#"{"tools":{}}"#).is_err());
        assert!(Page::read(ListKind::Tools, "[]").is_err());
    }
}
