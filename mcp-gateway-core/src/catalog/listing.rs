//! The list of one kind from one server.

mod parts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;
use foldhash::HashMap;
use serde_json::value::RawValue;

use super::lint::{Finding, LintRules};
use super::{CatalogEntry, ListKind};
use crate::error::UpstreamError;
use crate::json::{Fields, object_json, string_json};

/// The list of one kind that a server shows to one class of callers, or one page of it.
///
/// Assembled from pages of the server. Names are unique: of two entries with the same name the
/// first is kept.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Kind of the entries.
    kind: ListKind,
    /// Entries in the order of the server.
    entries: Vec<CatalogEntry>,
    /// Indices of the entries by name.
    by_name: HashMap<Arc<str>, usize>,
    /// Members of the result that the specification does not define, as JSON text.
    extras: Vec<(Box<str>, Box<str>)>,
    /// Caching hints of the server.
    hints: CacheHints,
    /// Number of pages that were read.
    pages: usize,
    /// Cursor of the first page that was not read.
    next_cursor: Option<Box<str>>,
    /// Size of the pages in bytes.
    bytes: usize,
    /// `true` if the server has the capability.
    supported: bool,
    /// `true` if the list is in place of that of a server.
    is_placeholder: bool,
    /// Defects of the entries.
    findings: Vec<Finding>,
    /// Time of reading.
    read: Instant,
}

/// Callers that may share a cached result.
///
/// Ordered by width, so that the minimum of several scopes is the safe one. See [MCP 2026-07-28,
/// cache
/// scope](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching#cache-scope-field).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification defines exactly these two"
)]
pub enum CacheScope {
    /// Only callers with the same credential. The default.
    Private,
    /// All callers.
    Public,
}

impl CacheScope {
    /// Returns the scope of a result that is public if `public` is `true`.
    pub(crate) fn of_public(public: bool) -> Self {
        match public {
            true => Self::Public,
            false => Self::Private,
        }
    }

    /// Returns the JSON text of the scope.
    pub(crate) fn to_json(self) -> &'static str {
        match self {
            Self::Private => "\"private\"",
            Self::Public => "\"public\"",
        }
    }
}

/// Caching hints of a result.
#[derive(Clone, Copy, Debug)]
struct CacheHints {
    /// Lifetime of the result; `None` if the server does not declare one.
    ttl: Option<Duration>,
    /// Callers that may share the result.
    scope: CacheScope,
}

/// One page of a list, as an upstream sent it.
#[derive(Debug)]
pub(crate) struct ListPage {
    text: ByteString,
    entries: Vec<ByteString>,
    extras: Vec<(Box<str>, Box<str>)>,
    hints: CacheHints,
    /// Cursor of the next page; `None` on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl ListPage {
    /// Parses the result of a list request.
    ///
    /// Fails with [`UpstreamError::Invalid`] if the result is not an object or its list is not an
    /// array.
    pub(crate) fn parse(kind: ListKind, result: &str) -> Result<Self, UpstreamError> {
        let text = ByteString::from(result);
        let fields = Fields::parse(&text, 0..text.len()).map_err(UpstreamError::invalid)?;
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
            hints: CacheHints { ttl, scope },
            text,
        })
    }

    /// Returns the size of the page in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl Listing {
    /// Assembles a list from its pages.
    ///
    /// The lifetime is the shortest of the pages, and the scope the narrowest. Entries are checked by
    /// `rules`; those without a valid name are dropped with a warning in the log.
    pub(crate) fn new(
        server: &str,
        kind: ListKind,
        pages: Vec<ListPage>,
        rules: LintRules,
    ) -> Self {
        let first = pages.first();
        let mut listing = Self {
            kind,
            entries: Vec::new(),
            by_name: HashMap::default(),
            extras: first.map(|page| page.extras.clone()).unwrap_or_default(),
            hints: CacheHints {
                ttl: pages.iter().filter_map(|page| page.hints.ttl).min(),
                scope: pages
                    .iter()
                    .map(|page| page.hints.scope)
                    .min()
                    .unwrap_or(CacheScope::Private),
            },
            pages: pages.len(),
            next_cursor: pages
                .last()
                .and_then(|page| page.next_cursor.as_deref().map(Into::into)),
            bytes: pages.iter().map(ListPage::bytes).sum(),
            supported: true,
            is_placeholder: false,
            findings: Vec::new(),
            read: Instant::now(),
        };
        for text in pages.into_iter().flat_map(|page| page.entries) {
            let source = text.clone();
            let linted = rules.check(kind, text);
            let is_held_back = linted.is_held_back();
            listing.findings.extend(linted.findings);
            if is_held_back {
                continue;
            }
            match CatalogEntry::parse(kind, linted.text) {
                Ok(entry) => listing.add(server, entry.with_source(source)),
                Err(reason) => {
                    tracing::warn!(
                        server,
                        list = kind.member(),
                        reason,
                        "invalid entry dropped"
                    );
                }
            }
        }
        listing
    }

    /// Returns `true` if both lists have the same entries, in the same order.
    pub(crate) fn has_same_entries(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .zip(&other.entries)
                .all(|(one, two)| one.json() == two.json())
    }

    /// Parses one page of a list.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if `result` is not the JSON text of such a result.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::catalog::{CacheScope, ListKind, Listing};
    ///
    /// let result = r#"{"prompts":[{"name":"greet"},{"title":"nameless"}],"ttlMs":60000}"#;
    /// let listing = Listing::from_result("files", ListKind::Prompts, &result.into())?;
    /// assert!(listing.get("greet").is_some());
    /// // The entry without a name is dropped.
    /// assert_eq!(listing.entries().len(), 1);
    /// // Without `cacheScope`, a result must not be shared.
    /// assert_eq!(listing.scope(), CacheScope::Private);
    /// # Ok::<_, mcp_gateway_core::upstream::UpstreamError>(())
    /// ```
    pub fn from_result(
        server: &str,
        kind: ListKind,
        result: &Bytes,
    ) -> Result<Self, UpstreamError> {
        let result = std::str::from_utf8(result).map_err(UpstreamError::invalid)?;
        let page = ListPage::parse(kind, result)?;
        Ok(Self::new(server, kind, vec![page], LintRules::default()))
    }

    /// Parses `result` as the list of tools that the gateway has in place of `server`.
    pub(crate) fn placeholder(server: &str, result: &str) -> Result<Self, UpstreamError> {
        let page = ListPage::parse(ListKind::Tools, result)?;
        Ok(Self {
            is_placeholder: true,
            ..Self::new(server, ListKind::Tools, vec![page], LintRules::default())
        })
    }

    /// Returns `true` for the list that the gateway has in place of a server.
    pub(crate) fn is_placeholder(&self) -> bool {
        self.is_placeholder
    }

    /// Returns the empty list of a server that does not declare the capability.
    #[must_use]
    pub fn unsupported(kind: ListKind) -> Self {
        Self {
            supported: false,
            ..Self::empty(kind)
        }
    }

    /// Returns the list of a server without entries.
    pub(crate) fn empty(kind: ListKind) -> Self {
        Self::new("", kind, Vec::new(), LintRules::default())
    }

    /// Returns `true` if the server declares the capability.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.supported
    }

    /// Adds an entry unless its name exists.
    fn add(&mut self, server: &str, entry: CatalogEntry) {
        if self.by_name.contains_key(entry.name()) {
            let (list, name) = (self.kind.member(), entry.name());
            tracing::warn!(server, list, %name, "duplicate entry dropped");
            return;
        }
        self.by_name
            .insert(Arc::clone(entry.name()), self.entries.len());
        self.entries.push(entry);
    }

    /// Returns the kind of the list.
    #[must_use]
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// Returns the defects of the entries, those that are adapted or left out included.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the entries in the order of the server.
    #[must_use]
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// Returns the entry that the server names `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.by_name.get(name).map(|at| &self.entries[*at])
    }

    /// Returns the remaining lifetime of the list, or `None` if the server did not declare one.
    #[must_use]
    pub fn fresh_for(&self) -> Option<Duration> {
        Some(self.hints.ttl?.saturating_sub(self.read.elapsed()))
    }

    /// Returns the age of the list.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read.elapsed()
    }

    /// Returns the callers that may share the list.
    #[must_use]
    pub fn scope(&self) -> CacheScope {
        self.hints.scope
    }

    /// Returns the cursor of the next page, or `None` if the last page was read.
    ///
    /// The number and the size of the pages that the gateway reads are limited.
    #[must_use]
    pub fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }

    /// Returns `true` if the server has the list on one page.
    pub(crate) fn is_single_page(&self) -> bool {
        self.pages == 1 && self.next_cursor.is_none()
    }

    /// Returns the size of the pages in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the JSON text of the result of a list request.
    pub(crate) fn to_json(&self) -> String {
        let entries = self.entries.iter().map(CatalogEntry::json);
        let entries = format!("[{}]", entries.collect::<Vec<_>>().join(","));
        let mut members = vec![(self.kind.member(), entries.into())];
        if let Some(next) = &self.next_cursor {
            members.push(("nextCursor", string_json(next).into()));
        }
        if let Some(ttl) = self.fresh_for() {
            members.push(("ttlMs", ttl.as_millis().to_string().into()));
        }
        if self.scope() == CacheScope::Public {
            members.push(("cacheScope", self.scope().to_json().into()));
        }
        members.extend(self.extras().map(|(key, value)| (key, value.into())));
        object_json(&members)
    }

    /// Returns the members of the result that the specification does not define: names and JSON
    /// texts.
    pub fn extras(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extras.iter().map(|(key, value)| (&**key, &**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(kind: ListKind, pages: Vec<ListPage>) -> Listing {
        Listing::new("s", kind, pages, LintRules::default())
    }

    #[test]
    fn pages_become_one_list() {
        let pages = [
            r#"{"prompts":[{"name":"b"},{"name":"a"}],"nextCursor":"","ttlMs":5000,"cacheScope":"public","vendor":{"x":1}}"#,
            r#"{"prompts":[{"name":"a","other":1},{"nameless":1},{"name":"c"}],"ttlMs":90000,"cacheScope":"public"}"#,
        ];
        let read = |page: &&str| ListPage::parse(ListKind::Prompts, page).unwrap();
        let listing = listing(ListKind::Prompts, pages.iter().map(read).collect());
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
        assert_eq!(listing.next_cursor(), None);
        assert_eq!(read(&pages[0]).next_cursor.as_deref(), Some(""));
    }

    #[test]
    fn the_text_of_a_page_reads_back() {
        let page = r#"{"prompts":[{"name":"b"}],"nextCursor":"\"2\"","ttlMs":0,"cacheScope":"public","vendor":{"x":1}}"#;
        let listing = Listing::from_result("s", ListKind::Prompts, &page.into()).unwrap();
        assert_eq!(listing.next_cursor(), Some("\"2\""));
        assert!(!listing.is_single_page());
        assert_eq!(listing.bytes(), page.len());
        assert_eq!(listing.to_json(), page);
    }

    #[test]
    fn what_a_server_does_not_say_is_not_assumed() {
        let page = ListPage::parse(ListKind::Tools, "{}").unwrap();
        let listing = listing(ListKind::Tools, vec![page]);
        assert_eq!(listing.fresh_for(), None);
        assert_eq!(listing.scope(), CacheScope::Private);
        assert!(ListPage::parse(ListKind::Tools, r#"{"tools":{}}"#).is_err());
        assert!(ListPage::parse(ListKind::Tools, "[]").is_err());
    }
}
