//! Embedding model of the search.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_gateway_config::file::Diagnostics;
use mcp_gateway_core::layer::dispatch::EmbeddingModel;

use crate::files::{ConfigFiles, FileDiagnostics, LoadedConfig};
use crate::system::SystemEnvironment;
use crate::watch::FileStamp;

/// Files of a model, in its folder.
const FILES: [&str; 2] = ["model.safetensors", "tokenizer.json"];

/// Embedding model that was read last, so that a reload does not read unchanged files again.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelCache(Arc<Mutex<Option<CachedModel>>>);

#[derive(Debug)]
struct CachedModel {
    files: [FileStamp; 2],
    model: Arc<dyn EmbeddingModel>,
}

impl LoadedConfig {
    /// Reads the embedding model, if the configuration names one, and records in `system` that its
    /// files were read.
    ///
    /// # Errors
    ///
    /// The diagnostics of a model that is invalid or cannot be read.
    pub(crate) fn read_model(
        &mut self,
        files: &ConfigFiles,
        cache: &ModelCache,
        system: Option<&SystemEnvironment>,
    ) -> Result<(), FileDiagnostics> {
        let Some(folder) = &self.config.search_model else {
            return Ok(());
        };
        let folder = files.beside(folder);
        if let Some(system) = system {
            for file in FILES {
                system.record(&folder.join(file));
            }
        }
        let model = cache.read(&folder).map_err(|error| {
            let mut findings = FileDiagnostics::default();
            findings.add(&folder, Diagnostics::of_file(format!("{error:#}")));
            findings
        })?;
        self.config.platform.dynamic.search_model = Some(model);
        Ok(())
    }
}

impl ModelCache {
    /// Reads the model in `folder`, unless its files are those that were read last.
    fn read(&self, folder: &Path) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
        let files = FILES.map(|file| FileStamp::read(&folder.join(file)));
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.files == files) {
            return Ok(Arc::clone(&cached.model));
        }
        let model = read(folder)?;
        *cached = Some(CachedModel {
            files,
            model: Arc::clone(&model),
        });
        Ok(model)
    }
}

/// Reads the model in `folder`.
#[cfg(feature = "search-model")]
fn read(folder: &Path) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
    use mcp_gateway_search::StaticModel;

    let [weights, tokenizer] = FILES;
    let weights = bytes_of(folder, weights, StaticModel::LARGEST_WEIGHTS)?;
    let tokenizer = bytes_of(folder, tokenizer, StaticModel::LARGEST_TOKENIZER)?;
    Ok(Arc::new(StaticModel::read(&weights, &tokenizer)?))
}

#[cfg(not(feature = "search-model"))]
fn read(_folder: &Path) -> anyhow::Result<Arc<dyn EmbeddingModel>> {
    anyhow::bail!(
        "this build reads no embedding models: build it with the feature search-model, or remove search.model"
    )
}

/// Reads a file of a model, and one byte more than `most` of one that is larger.
#[cfg(feature = "search-model")]
fn bytes_of(folder: &Path, name: &str, most: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;

    use anyhow::Context as _;

    let mut bytes = Vec::new();
    std::fs::File::open(folder.join(name))
        .and_then(|file| {
            file.take(most as u64 + 1).read_to_end(&mut bytes)
        })
        .with_context(|| format!("cannot read {name}; search.model is the folder of a static embedding model, with the files {}", FILES.join(" and ")))?;
    Ok(bytes)
}
