//! Ranked search over the tools of MCP servers.
//!
//! An [`Index`] contains the tools of any number of servers. Each is added, replaced and removed on
//! its own. A [`Selection`] restricts a search to the tools that a caller may see, so that neither
//! results nor their order depend on others.
//!
//! ```
//! use mcp_gateway_search::{Index, Tool};
//!
//! let mut index = Index::default();
//! index.insert("git", &Tool::new("git_log").description("Shows the commit logs"));
//! index.insert("git", &Tool::new("git_reset").description("Unstages all staged changes"));
//! index.insert("files", &Tool::new("deleteFile").description("Removes a file."));
//!
//! let visible = index.select(|server, tool| (server, tool) != ("git", "git_reset"));
//! let found = index.search("erase a document", &visible, 5).ok_or("the index has changed")?;
//! assert_eq!(found.hits[0].tool, "deleteFile");
//! assert_eq!(found.hits[0].reasons[0].word, "erase");
//! assert!(index.search("unstage", &visible, 5).unwrap().hits.is_empty());
//! # Ok::<(), &str>(())
//! ```
//!
//! # Ranking
//!
//! A request is read into concepts, one for each word that is not of grammar. A concept has variants:
//! the word itself, synonyms, translations from German, Spanish, Chinese and Japanese, parts of
//! compounds, and the nearest spellings of a word that no tool contains. The score of a tool is a sum
//! over the concepts, as in BM25F: for each, the best variant by its weight, its rarity, and its
//! frequency in the weighted fields. Factors are the shares of the name and of the request that match,
//! and an addend the name of the server. Finally the best tools are reordered, so that a request with
//! several wishes finds a tool for each.
//!
//! Words are split at case, digits and punctuation, and reduced to stems. Text without spaces is
//! indexed in pairs of characters. The constants are in [`Ranking`].

mod embedding;
mod index;
mod lexicon;
mod query;
mod ranking;
mod search;
mod selection;
mod spelling;
#[cfg(feature = "model")]
mod static_model;
mod stem;
mod stop_words;
mod text;
mod tool;

pub use embedding::EmbeddingModel;
pub use index::Index;
pub use query::Relationship;
pub use ranking::{FieldWeight, Ranking};
pub use search::{Found, Hit, Reason};
pub use selection::Selection;
#[cfg(feature = "model")]
pub use static_model::{ModelError, StaticModel};
pub use tool::{Field, Tool};
