//! Plain BM25F with substring boosts, which the search is compared with.

use std::collections::HashMap;

use serde_json::Value;

use crate::data::{Benchmark, Mode, Request};

/// Weights and length normalizations of name, title, description, names and descriptions of arguments.
const FIELDS: [(f64, f64); 5] = [
    (10.0, 0.0),
    (6.0, 0.0),
    (3.0, 0.75),
    (2.0, 0.5),
    (1.0, 0.75),
];
const K1: f64 = 1.5;

type Terms = HashMap<String, f64>;

struct Document {
    catalogue: String,
    server: String,
    /// As listed.
    listed: String,
    name: String,
    title: String,
    fields: [Terms; 5],
    lengths: [f64; 5],
}

pub(crate) struct Baseline(Vec<Document>);

impl Baseline {
    pub(crate) fn new(benchmark: &Benchmark) -> Self {
        let document = |tool: &crate::data::Definition| {
            let (mut names, mut texts) = (Vec::new(), Vec::new());
            walk(&tool.input_schema, &mut names, &mut texts);
            let title = tool.title.clone().unwrap_or_default();
            let texts = [
                tool.name.clone(),
                title.clone(),
                tool.description.clone(),
                names.join(" "),
                texts.join(" "),
            ];
            let words = texts.map(|text| words(&text));
            Document {
                catalogue: tool.catalogue.clone(),
                server: tool.server.clone(),
                listed: tool.name.clone(),
                name: tool.name.to_lowercase(),
                title: title.to_lowercase(),
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                lengths: words.each_ref().map(|words| words.len() as f64),
                fields: words.map(|words| {
                    let mut terms = Terms::new();
                    for word in words {
                        *terms.entry(word).or_default() += 1.0;
                    }
                    terms
                }),
            }
        };
        Self(benchmark.tools.iter().map(document).collect())
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(crate) fn search(&self, request: &Request, mode: Mode) -> Vec<String> {
        let searched =
            |document: &&Document| request.searches(&document.catalogue, &document.server, mode);
        let documents: Vec<&Document> = self.0.iter().filter(searched).collect();
        let count = documents.len() as f64;
        let mean = |field: usize| documents.iter().map(|it| it.lengths[field]).sum::<f64>() / count;
        let means: [f64; 5] = std::array::from_fn(mean);
        let query = words(&request.query);
        let mut scores = vec![0.0; documents.len()];
        for word in &query {
            let having = |it: &&&Document| it.fields.iter().any(|field| field.contains_key(word));
            let n = documents.iter().filter(having).count() as f64;
            let idf = (1.0 + (count - n + 0.5) / (n + 0.5)).ln();
            for (score, document) in scores.iter_mut().zip(&documents) {
                let frequency = document.frequency(word, &means);
                *score += idf * frequency * (K1 + 1.0) / (K1 + frequency);
            }
        }
        let text = request.query.to_lowercase();
        let mut ranked: Vec<_> = scores
            .into_iter()
            .zip(documents)
            .filter(|(score, _)| *score > 0.0)
            .map(|(score, document)| (score + document.boost(text.trim()), document))
            .collect();
        ranked.sort_by(|one, other| {
            other
                .0
                .total_cmp(&one.0)
                .then_with(|| one.1.name.cmp(&other.1.name))
        });
        ranked
            .iter()
            .take(10)
            .map(|(_, document)| document.id())
            .collect()
    }
}

impl Document {
    fn id(&self) -> String {
        format!("{}:{}", self.server, self.listed)
    }

    fn frequency(&self, word: &str, means: &[f64; 5]) -> f64 {
        let frequency = |field: usize| {
            let (weight, b) = FIELDS[field];
            let count = self.fields[field].get(word).copied().unwrap_or_default();
            let length = self.lengths[field] / means[field].max(f64::MIN_POSITIVE);
            weight * count / (1.0 - b + b * length)
        };
        (0..5).map(frequency).sum()
    }

    /// The whole request is the name or title, or part of it.
    fn boost(&self, request: &str) -> f64 {
        let boost = |text: &str, equal, contains| match text {
            _ if text.is_empty() => 0.0,
            _ if text == request => equal,
            _ if text.contains(request) => contains,
            _ => 0.0,
        };
        boost(&self.name, 1000.0, 100.0) + boost(&self.title, 600.0, 60.0)
    }
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    text.split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn walk(schema: &Value, names: &mut Vec<String>, texts: &mut Vec<String>) {
    if let Some(text) = schema["description"].as_str() {
        texts.push(text.to_owned());
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        names.push(name.clone());
        walk(schema, names, texts);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], names, texts);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for schema in schema[choice].as_array().into_iter().flatten() {
            walk(schema, names, texts);
        }
    }
}
