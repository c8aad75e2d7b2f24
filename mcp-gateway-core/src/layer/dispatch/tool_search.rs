//! Search instead of a long list of tools.
//!
//! Clients see `search_tools`, `run_tool` and the tools that are always visible. A call of `run_tool` becomes
//! the call of its target before it is routed, so that routing, policy, credentials, limits and
//! observation concern the target. What is searched is the list that the caller would see.

mod arguments;
mod catalog;
mod definitions;
mod parameters;
mod run;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use self::arguments::SearchArguments;
use self::catalog::Catalog;
use super::lists::ListPage;
use super::{RoutedService, Shared};
use crate::catalog::ListKind;
use crate::protocol::{Era, Method};
use crate::{Call, Error, Reply, glob};

/// Search instead of a long list of tools.
///
/// The tools `search_tools` and `run_tool` take the place of those of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSearch {
    visible: BTreeSet<String>,
}

impl ToolSearch {
    /// Creates a search without tools that are always visible.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the tools that are listed beside the search, by the names that clients see. In a name,
    /// `*` stands for any characters.
    #[must_use]
    pub fn with_visible<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.visible = names.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the patterns of the tools that are listed beside the search.
    pub fn visible(&self) -> impl Iterator<Item = &str> {
        self.visible.iter().map(String::as_str)
    }

    /// Returns `true` if the tool `name` is listed beside the search.
    fn shows(&self, name: &str) -> bool {
        self.visible().any(|pattern| glob::matches(pattern, name))
    }
}

/// Search of a gateway, with the index of the lists that it has seen.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) options: ToolSearch,
    catalog: Mutex<Catalog>,
}

/// Tool of the search.
#[derive(Clone, Copy, Debug)]
pub(super) enum SearchTool {
    Search,
    Run,
}

impl Search {
    pub(super) fn new(options: ToolSearch) -> Self {
        Self {
            options,
            catalog: Mutex::default(),
        }
    }
}

impl Shared {
    /// Returns the tool of the search that `call` calls.
    pub(super) fn search_tool(&self, call: &Call) -> Option<SearchTool> {
        self.search.as_ref()?;
        if call.request().method() != &Method::ToolsCall {
            return None;
        }
        match &*call.request().name()? {
            definitions::SEARCH => Some(SearchTool::Search),
            definitions::RUN => Some(SearchTool::Run),
            _ => None,
        }
    }

    /// Serves a call of a tool of the search.
    pub(super) async fn call_search_tool<S: RoutedService>(
        self: Arc<Self>,
        tool: SearchTool,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        match tool {
            SearchTool::Search => self.search_tools(&inner, &call).await,
            SearchTool::Run => self.run_tool(inner, call).await,
        }
    }

    /// Returns the list of a gateway with a search.
    pub(super) async fn search_list<S: RoutedService>(
        &self,
        search: &Search,
        inner: &S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let answers = self.answers(ListKind::Tools, inner, call).await;
        let listings = self.recorded_or_placeholders(ListKind::Tools, answers, call)?;
        let mut page = self.page(&listings, call, None, usize::MAX)?;
        page.entries
            .retain(|entry| entry.entry.app().is_for_models());
        page.definitions = definitions::all(&page);
        page.entries
            .retain(|entry| search.options.shows(&entry.name));
        page.is_merged = true;
        let text = self.write(ListKind::Tools, &listings, call, &page);
        Ok(Reply::result(call.request().id(), &text))
    }

    /// Serves a call of `search_tools`.
    async fn search_tools<S: RoutedService>(&self, inner: &S, call: &Call) -> Result<Reply, Error> {
        let arguments = call.request().param("arguments").unwrap_or("{}");
        let arguments = match SearchArguments::parse(arguments) {
            Ok(arguments) => arguments,
            Err(message) => return Ok(failure(call, message, None)),
        };
        let answers = self.answers(ListKind::Tools, inner, call).await;
        let listings = self.recorded_or_placeholders(ListKind::Tools, answers, call)?;
        let mut page = self.page(&listings, call, None, usize::MAX)?;
        page.entries
            .retain(|entry| entry.entry.app().is_for_models());
        let found = self.found(&page, &listings, &arguments);
        Ok(success(call, &found))
    }

    /// Searches the tools of a page.
    fn found(
        &self,
        page: &ListPage<'_>,
        listings: &super::Listings,
        arguments: &SearchArguments,
    ) -> Value {
        let Some(search) = &self.search else {
            return Value::Null;
        };
        let mut catalog = search
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut result = catalog.search(page, listings, &arguments.query, arguments.limit);
        drop(catalog);
        if result["tools"].as_array().is_none_or(Vec::is_empty) {
            result["hint"] = definitions::hint(page).into();
        }
        result
    }
}

/// Returns the result of a tool of the search.
fn success(call: &Call, structured: &Value) -> Reply {
    reply(
        call,
        json!({
            "content": [{ "type": "text", "text": structured.to_string() }],
            "structuredContent": structured,
        }),
    )
}

/// Returns the result of a call with invalid arguments, with the schema that they must match.
fn failure(call: &Call, message: &str, schema: Option<&Value>) -> Reply {
    let text = match schema {
        Some(schema) => format!("{message}\nThe arguments must match this schema: {schema}"),
        None => message.to_owned(),
    };
    reply(
        call,
        json!({ "content": [{ "type": "text", "text": text }], "isError": true }),
    )
}

fn reply(call: &Call, mut result: Value) -> Reply {
    if call.client().era() == Era::Modern {
        result["resultType"] = "complete".into();
    }
    Reply::result(call.request().id(), &result.to_string())
}
