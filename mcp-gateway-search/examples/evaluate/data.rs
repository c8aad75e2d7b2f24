//! Tools and labelled requests.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use mcp_gateway_search::{EmbeddingModel, Index, Ranking, Tool};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub(crate) catalogue: String,
    pub(crate) server: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) input_schema: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) query: String,
    /// Groups of tools, each of which satisfies its group.
    pub(crate) relevant: Vec<Vec<String>>,
    pub(crate) catalogue: String,
    /// Servers that the author of the label had in view.
    pub(crate) scope: Vec<String>,
    pub(crate) source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Only the servers in the scope of the request.
    Scoped,
    /// All servers of the catalogue.
    Pooled,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Scoped, Self::Pooled];
}

impl Request {
    pub(crate) fn searches(&self, catalogue: &str, server: &str, mode: Mode) -> bool {
        catalogue == self.catalogue
            && (mode == Mode::Pooled
                || self
                    .scope
                    .iter()
                    .any(|scope| scope == "*" || scope == server))
    }
}

/// Tools and requests of a folder.
pub(crate) struct Benchmark {
    /// Embedding model of the search, if one is given.
    pub(crate) model: Option<Arc<dyn EmbeddingModel>>,
    pub(crate) tools: Vec<Definition>,
    pub(crate) requests: Vec<Request>,
}

/// Index of each catalogue.
pub(crate) type Indexes = BTreeMap<String, Index>;

impl Benchmark {
    pub(crate) fn read(folder: &Path, requests: &str) -> io::Result<Self> {
        Ok(Self {
            model: None,
            tools: lines(&folder.join("tools.jsonl"))?,
            requests: lines(&folder.join(requests))?,
        })
    }

    pub(crate) fn index(&self, ranking: &Ranking) -> Indexes {
        let mut indexes = Indexes::new();
        for tool in &self.tools {
            let new = || self.empty_index(ranking);
            let index = indexes.entry(tool.catalogue.clone()).or_insert_with(new);
            index.insert(&tool.server, &tool.searched());
        }
        indexes
    }

    fn empty_index(&self, ranking: &Ranking) -> Index {
        match &self.model {
            Some(model) => Index::with_model(ranking.clone(), Arc::clone(model)),
            None => Index::new(ranking.clone()),
        }
    }

    pub(crate) fn search(&self, indexes: &Indexes, request: &Request, mode: Mode) -> Vec<String> {
        let index = &indexes[&request.catalogue];
        let selection =
            index.select(|server, _| request.searches(&request.catalogue, server, mode));
        let found = index
            .search(&request.query, &selection, 10)
            .unwrap_or_default();
        found
            .hits
            .iter()
            .map(|hit| format!("{}:{}", hit.server, hit.tool))
            .collect()
    }
}

impl Definition {
    pub(crate) fn searched(&self) -> Tool<'_> {
        let tool = Tool::new(&self.name)
            .description(&self.description)
            .input_schema(&self.input_schema);
        match &self.title {
            Some(title) => tool.title(title),
            None => tool,
        }
    }
}

fn lines<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(Into::into))
        .collect()
}
