//! Search instead of a long list of tools.
//!
//! Clients see `search_tools`, `run_tool` and the tools that are always visible. A call of `run_tool` becomes
//! the call of its target before it is routed, so that routing, policy, credentials, limits and
//! observation concern the target. What is searched is the list that the caller would see.
//!
//! With scripts, clients see `run_code` instead of `run_tool`. Each call of a script is such a call of
//! its target.

mod arguments;
mod catalog;
mod code;
mod declarations;
mod definitions;
mod functions;
mod parameters;
mod run;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_gateway_search::EmbeddingModel;
use serde_json::{Value, json};

use self::arguments::SearchArguments;
use self::catalog::Catalog;
use self::code::Scripts;
use self::functions::Functions;
use super::lists::ListPage;
use super::{RoutedService, Shared};
use crate::catalog::ListKind;
use crate::protocol::{Era, Method};
use crate::script::ScriptRunner;
use crate::{Call, Error, Reply, glob};

/// Search instead of a long list of tools.
///
/// The tools `search_tools` and `run_tool` take the place of those of the servers.
#[derive(Clone, Debug, Default)]
pub struct ToolSearch {
    visible: BTreeSet<String>,
    scripts: bool,
    runner: Option<Arc<dyn ScriptRunner>>,
    model: Option<Arc<dyn EmbeddingModel>>,
}

/// Runners are left out, because they belong to the process.
impl PartialEq for ToolSearch {
    fn eq(&self, other: &Self) -> bool {
        let model = |it: &Self| it.model.as_ref().map(|model| model.fingerprint());
        (&self.visible, self.scripts, model(self)) == (&other.visible, other.scripts, model(other))
    }
}

impl Eq for ToolSearch {}

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

    /// Shows `run_code` instead of `run_tool`: scripts call the tools. Without a
    /// [runner](Self::with_script_runner), it changes nothing.
    #[must_use]
    pub fn with_scripts(mut self) -> Self {
        self.scripts = true;
        self
    }

    /// Sets the runner of scripts. Default: none.
    #[must_use]
    pub fn with_script_runner(mut self, runner: Arc<dyn ScriptRunner>) -> Self {
        self.runner = Some(runner);
        self
    }

    /// Sets the model that compares meanings. Default: none; words are compared.
    #[must_use]
    pub fn with_model(mut self, model: Arc<dyn EmbeddingModel>) -> Self {
        self.model = Some(model);
        self
    }

    /// Returns `true` if scripts call the tools.
    #[must_use]
    pub fn has_scripts(&self) -> bool {
        self.scripts
    }
}

/// Search of a gateway, with the index of the lists that it has seen.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) options: ToolSearch,
    catalog: Mutex<Catalog>,
    /// Scripts, if they call the tools.
    scripts: Option<Arc<Scripts>>,
}

/// Tool of the search.
#[derive(Clone, Debug)]
pub(super) enum SearchTool {
    Code(Arc<Scripts>),
    Run,
    Search,
}

impl Search {
    pub(super) fn new(options: ToolSearch) -> Self {
        let runner = options.runner.clone().filter(|_| options.scripts);
        Self {
            catalog: Mutex::new(Catalog::new(options.model.clone())),
            options,
            scripts: runner.map(|runner| Arc::new(Scripts::new(runner))),
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
            definitions::RUN if self.scripts().is_none() => Some(SearchTool::Run),
            definitions::CODE => self.scripts().cloned().map(SearchTool::Code),
            _ => None,
        }
    }

    /// Returns the scripts of a gateway that shows `run_code`.
    fn scripts(&self) -> Option<&Arc<Scripts>> {
        self.search.as_ref()?.scripts.as_ref()
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
            SearchTool::Code(scripts) => self.run_code(scripts, inner, call).await,
        }
    }

    /// Returns the list of a gateway with a search.
    pub(super) async fn search_list<S: RoutedService>(
        &self,
        search: &Search,
        inner: &S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let listings = self.search_listings(inner, call).await?;
        let mut page = self.search_page(&listings, call)?;
        page.definitions = match self.scripts() {
            Some(_) => definitions::for_scripts(&Functions::of(&page)),
            None => definitions::for_calls(&page),
        };
        page.entries
            .retain(|entry| search.options.shows(&entry.name));
        page.is_merged = true;
        let text = self.write(ListKind::Tools, &listings, call, &page);
        Ok(Reply::result(call.request().id(), &text))
    }

    /// Returns the lists of the servers, for a search.
    async fn search_listings<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
    ) -> Result<super::Listings, Error> {
        let answers = self.answers(ListKind::Tools, inner, call).await;
        self.recorded_or_placeholders(ListKind::Tools, answers, call)
    }

    /// Returns the tools that the model of the caller may use.
    fn search_page<'a>(
        &self,
        listings: &'a super::Listings,
        call: &Call,
    ) -> Result<ListPage<'a>, Error> {
        let mut page = self.page(listings, call, None, usize::MAX)?;
        page.entries
            .retain(|entry| entry.entry.app().is_for_models());
        Ok(page)
    }

    /// Returns the functions of the caller.
    async fn functions<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
    ) -> Result<Functions, Error> {
        let listings = self.search_listings(inner, call).await?;
        Ok(Functions::of(&self.search_page(&listings, call)?))
    }

    /// Serves a call of `search_tools`.
    async fn search_tools<S: RoutedService>(&self, inner: &S, call: &Call) -> Result<Reply, Error> {
        let arguments = call.request().param("arguments").unwrap_or("{}");
        let arguments = match SearchArguments::parse(arguments) {
            Ok(arguments) => arguments,
            Err(message) => return Ok(failure(call, message, None)),
        };
        let listings = self.search_listings(inner, call).await?;
        let page = self.search_page(&listings, call)?;
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
        let functions = self.scripts().map(|_| Functions::of(page));
        let mut result = catalog.search(page, listings, arguments, functions.as_ref());
        drop(catalog);
        if result["tools"].as_array().is_none_or(Vec::is_empty) {
            result["hint"] = definitions::hint(page, functions.as_ref()).into();
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

fn reply(call: &Call, result: Value) -> Reply {
    Reply::result(call.request().id(), &result_text(call, result))
}

/// Returns the JSON text of a result in the era of the client.
fn result_text(call: &Call, mut result: Value) -> String {
    if call.client().era() == Era::Modern {
        result["resultType"] = "complete".into();
    }
    result.to_string()
}
