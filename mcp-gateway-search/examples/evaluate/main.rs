//! Measures the quality of the search on labelled requests.
//!
//! ```sh
//! cargo run --release -p mcp-gateway-search --example evaluate -- FOLDER [--ablations | --misses | --tune]
//! ```
//!
//! With the feature `model`, `--model=FOLDER` also compares meanings. `tests/models/wordllama` gets a model.
//!
//! FOLDER has `tools.jsonl` and `queries-dev.jsonl`, or the requests that `--requests=FILE` names.
//!
//! - A tool has `catalogue`, `server`, `name`, `title`, `description` and `inputSchema`.
//! - A request has `id`, `query`, `catalogue`, `scope`, `source` and `relevant`: groups of tools, any of which
//!   satisfies its group. `scope` are the servers that its author had in view, or `*`.
//!
//! Recall at k is the share of the groups that the first k results satisfy, of at most k. The scoped mode searches
//! the servers of `scope`, the pooled mode the whole catalogue.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

mod ablations;
mod baseline;
mod data;
mod measure;
mod report;
mod tune;

use std::{env, error::Error, path::Path, sync::Arc};

use data::Benchmark;
#[cfg(feature = "model")]
use mcp_gateway_search::StaticModel;
use mcp_gateway_search::{EmbeddingModel, Ranking};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let folder = arguments.first().ok_or("usage: evaluate FOLDER [OPTION]")?;
    let option = |name: &str| {
        arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name))
    };
    let requests = option("--requests=").unwrap_or("queries-dev.jsonl");
    let mut benchmark = Benchmark::read(Path::new(folder), requests)?;
    if let Some(folder) = option("--model=") {
        benchmark.model = Some(model(Path::new(folder))?);
    }
    if option("--tune").is_some() {
        tune::run(&benchmark);
    } else if option("--ablations").is_some() {
        ablations::run(&benchmark);
    } else if option("--misses").is_some() {
        report::misses(&benchmark, &benchmark.index(&Ranking::default()));
    } else {
        report::run(&benchmark);
    }
    Ok(())
}

#[cfg(feature = "model")]
fn model(folder: &Path) -> Result<Arc<dyn EmbeddingModel>, Box<dyn Error>> {
    let file = |name| std::fs::read(folder.join(name));
    let model = StaticModel::read(&file("model.safetensors")?, &file("tokenizer.json")?)?;
    Ok(Arc::new(model))
}

#[cfg(not(feature = "model"))]
fn model(_folder: &Path) -> Result<Arc<dyn EmbeddingModel>, Box<dyn Error>> {
    Err("build this with --features model".into())
}
