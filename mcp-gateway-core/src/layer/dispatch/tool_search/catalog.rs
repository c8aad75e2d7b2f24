//! Index of the lists that a gateway has seen.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_search::{EmbeddingModel, Hit, Index, Ranking, Tool};
use serde_json::{Value, json};

use super::super::Listings;
use super::super::lists::{ListPage, VisibleEntry};
use super::arguments::SearchArguments;
use super::declarations::declaration;
use super::functions::Functions;
use super::parameters;
use crate::catalog::Listing;

/// Lists that are kept. Callers with accounts of their own may see different ones of a server.
const MOST_LISTS: usize = 256;

/// Index of the lists that a gateway has seen, one for each distinct list of a server.
#[derive(Debug)]
pub(super) struct Catalog {
    index: Index,
    /// Indexed lists, the one that was used last at the end.
    lists: Vec<Indexed>,
    next: u64,
}

#[derive(Debug)]
struct Indexed {
    server: Arc<str>,
    listing: Arc<Listing>,
    /// Name of the list in the index.
    key: String,
}

impl Catalog {
    /// Creates an empty index, which compares meanings with `model`.
    pub(super) fn new(model: Option<Arc<dyn EmbeddingModel>>) -> Self {
        let ranking = Ranking::default();
        Self {
            index: match model {
                Some(model) => Index::with_model(ranking, model),
                None => Index::new(ranking),
            },
            lists: Vec::new(),
            next: 0,
        }
    }

    /// Searches the entries of a page, which are those of `listings` that the caller may see.
    pub(super) fn search(
        &mut self,
        page: &ListPage<'_>,
        listings: &Listings,
        arguments: &SearchArguments,
        functions: Option<&Functions>,
    ) -> Value {
        let keys: HashMap<&str, String> = listings
            .iter()
            .map(|(server, listing)| (&**server, self.key(server, listing)))
            .collect();
        let visible: HashMap<(&str, &str), &VisibleEntry<'_>> = page
            .entries
            .iter()
            .filter_map(|entry| {
                Some((
                    (keys.get(&**entry.server)?.as_str(), &**entry.entry.name()),
                    entry,
                ))
            })
            .collect();
        let selection = self
            .index
            .select(|key, tool| visible.contains_key(&(key, tool)));
        let found = self
            .index
            .search(&arguments.query, &selection, arguments.limit)
            .unwrap_or_default();
        let paths = functions.map(Functions::paths);
        let hits = found.hits.iter().filter_map(|hit| {
            let entry = visible.get(&(hit.server, hit.tool))?;
            Some(match &paths {
                Some(paths) => declared(entry, paths.get(&*entry.name)?, hit),
                None => described(entry, hit),
            })
        });
        json!({
            "tools": hits.collect::<Vec<_>>(),
            "matches": found.total,
            "unmatchedWords": found.unmatched,
        })
    }

    /// Returns the name of a list in the index, which is updated if the list is new.
    fn key(&mut self, server: &Arc<str>, listing: &Arc<Listing>) -> String {
        let is_it = |it: &Indexed| Arc::ptr_eq(&it.listing, listing);
        let same = |it: &Indexed| it.server == *server && it.listing.has_same_entries(listing);
        // A list that no view has any more is replaced by its successor.
        let replaced = |it: &Indexed| it.server == *server && Arc::strong_count(&it.listing) == 1;
        let known = self.lists.iter().position(is_it);
        let known = known.or_else(|| self.lists.iter().position(same));
        let mut indexed = match known.or_else(|| self.lists.iter().position(replaced)) {
            Some(place) => self.lists.remove(place),
            None => self.added(server, listing),
        };
        if known.is_none() {
            self.update(&indexed, listing);
        }
        indexed.listing = Arc::clone(listing);
        let key = indexed.key.clone();
        self.lists.push(indexed);
        if self.lists.len() > MOST_LISTS {
            let oldest = self.lists.remove(0);
            self.index.remove_server(&oldest.key);
        }
        key
    }

    fn added(&mut self, server: &Arc<str>, listing: &Arc<Listing>) -> Indexed {
        let key = self.next.to_string();
        self.next += 1;
        self.index.insert_server(&key, server);
        Indexed {
            server: Arc::clone(server),
            listing: Arc::clone(listing),
            key,
        }
    }

    /// Replaces the tools of the former list by those of `listing`. Unchanged ones remain.
    fn update(&mut self, indexed: &Indexed, listing: &Listing) {
        for entry in indexed.listing.entries() {
            if listing.get(entry.name()).is_none() {
                self.index.remove(&indexed.key, entry.name());
            }
        }
        for entry in listing.entries() {
            let definition: Value = serde_json::from_str(entry.json()).unwrap_or_default();
            let text = |member: &str| definition[member].as_str().unwrap_or_default();
            let tool = Tool::new(entry.name())
                .title(text("title"))
                .description(text("description"))
                .input_schema(&definition["inputSchema"]);
            self.index.insert(&indexed.key, &tool);
        }
    }
}

/// Returns a result for scripts: the function at `path`.
fn declared(entry: &VisibleEntry<'_>, path: &str, hit: &Hit<'_>) -> Value {
    let definition: Value = serde_json::from_str(entry.entry.json()).unwrap_or_default();
    json!({
        "declaration": declaration(path, &definition),
        "description": definition["description"].as_str().unwrap_or_default(),
        "why": why(hit),
    })
}

fn why(hit: &Hit<'_>) -> String {
    let mut reasons: Vec<_> = hit
        .reasons
        .iter()
        .map(|reason| reason.to_string())
        .collect();
    if reasons.is_empty() {
        reasons.push("similar meaning".to_owned());
    }
    reasons.join(", ")
}

/// Returns a result.
fn described(entry: &VisibleEntry<'_>, hit: &Hit<'_>) -> Value {
    let definition: Value = serde_json::from_str(entry.entry.json()).unwrap_or_default();
    json!({
        "name": entry.name,
        "server": &**entry.server,
        "description": definition["description"].as_str().unwrap_or_default(),
        "parameters": parameters::compact(&definition["inputSchema"]),
        "why": why(hit),
    })
}
