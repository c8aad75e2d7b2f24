//! Searches with a static embedding model, which has five words.

#![cfg(feature = "model")]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::Arc;

use half::{bf16, f16};
use mcp_gateway_search::{EmbeddingModel, Index, Ranking, StaticModel, Tool};
use proptest::prelude::*;
use serde_json::json;

const DIMENSIONS: usize = 8;

/// Words, and the place of the only number of the vector of each that is not zero. Words of one place have
/// the same meaning.
const WORDS: [(&str, usize); 6] = [
    ("[UNK]", 7),
    ("feline", 0),
    ("kitten", 0),
    ("cat", 0),
    ("rain", 1),
    ("drizzle", 1),
];

fn tokenizer() -> String {
    let words = (0u32..)
        .zip(WORDS)
        .map(|(id, (word, _))| (word.to_owned(), id.into()));
    let vocabulary: serde_json::Map<_, _> = words.collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{
            "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": null,
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
    .to_string()
}

/// Returns a file with tensors of a type, a shape and bytes.
fn file(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, kind, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(
            (*name).to_owned(),
            json!({ "dtype": kind, "shape": shape, "data_offsets": offsets }),
        );
        data.extend_from_slice(bytes);
    }
    let header = json!(header).to_string();
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &data,
    ]
    .concat()
}

fn numbers() -> impl Iterator<Item = f32> {
    WORDS
        .iter()
        .flat_map(|&(_, place)| (0..DIMENSIONS).map(move |at| if at == place { 1.0 } else { 0.0 }))
}

fn bytes<const N: usize>(write: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    numbers().flat_map(write).collect()
}

const SHAPE: [usize; 2] = [WORDS.len(), DIMENSIONS];

fn weights() -> Vec<u8> {
    file(&[("embeddings", "F32", &SHAPE, &bytes(f32::to_le_bytes))])
}

fn model() -> StaticModel {
    StaticModel::read(&weights(), tokenizer().as_bytes()).unwrap()
}

fn index() -> Index {
    let mut index = Index::with_model(Ranking::default(), Arc::new(model()));
    for name in ["feed_cat", "stroke_kitten", "measure_rain"] {
        index.insert("a", &Tool::new(name));
    }
    index
}

fn found(index: &Index, request: &str, hidden: &str) -> Vec<String> {
    let visible = index.select(|_, tool| tool != hidden);
    let found = index.search(request, &visible, 5).unwrap();
    assert_eq!(found.hits.len(), found.total);
    found.hits.iter().map(|hit| hit.tool.to_owned()).collect()
}

#[test]
fn a_meaning_finds_tools_without_a_word() {
    let index = index();
    assert_eq!(found(&index, "feline", ""), ["feed_cat", "stroke_kitten"]);
    assert_eq!(found(&index, "a drizzle?", ""), ["measure_rain"]);
    assert!(found(&index, "unheard of", "").is_empty());
    let visible = index.select_all();
    let feline = index.search("feline", &visible, 5).unwrap();
    assert!(feline.hits[0].reasons.is_empty(), "no word matches");
}

#[test]
fn a_word_counts_beside_the_meaning() {
    assert_eq!(found(&index(), "kitten", ""), ["stroke_kitten", "feed_cat"]);
}

#[test]
fn a_meaning_finds_visible_tools_only() {
    assert_eq!(found(&index(), "feline", "feed_cat"), ["stroke_kitten"]);
}

#[test]
fn the_meaning_follows_changes() {
    let mut index = index();
    assert!(index.insert("a", &Tool::new("feed_cat").description("Drizzle, drizzle.")));
    index.remove("a", "stroke_kitten");
    assert_eq!(found(&index, "feline", ""), ["feed_cat"]);
    index.insert("a", &Tool::new("measure"));
    assert_eq!(found(&index, "feline", ""), ["feed_cat"]);
    index.remove_server("a");
    assert!(found(&index, "feline", "").is_empty());
}

#[test]
fn all_types_of_numbers_are_read_alike() {
    let text = "A kitten in the rain, and another kitten";
    let vector = model().embed(text);
    assert_eq!(vector, [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let types = [
        ("F16", bytes(|it| f16::from_f32(it).to_le_bytes())),
        ("BF16", bytes(|it| bf16::from_f32(it).to_le_bytes())),
        #[expect(clippy::cast_possible_truncation, reason = "0 and 1")]
        ("I8", bytes(|it| (it as i8).to_le_bytes())),
    ];
    for (kind, bytes) in types {
        let weights = file(&[("embedding.weight", kind, &SHAPE, &bytes)]);
        let other = StaticModel::read(&weights, tokenizer().as_bytes()).unwrap();
        assert_eq!(other.embed(text), vector, "{kind}");
        assert_ne!(other.fingerprint(), model().fingerprint());
    }
    assert_eq!(model().fingerprint(), model().fingerprint());
    assert_eq!(
        format!("{:?}", model()),
        "StaticModel { tokens: 6, dimensions: 8, .. }"
    );
}

#[test]
fn files_that_are_no_model_are_mistakes() {
    let data = bytes(f32::to_le_bytes);
    let infinite = bytes(|it| (it / 0.0).to_le_bytes());
    let cases = [
        (Vec::new(), "malformed"),
        (b"PK\x03\x04 is another format".to_vec(), "malformed"),
        (file(&[]), "found none"),
        (file(&[("a", "F32", &[48], &data)]), "found \"a\" [48]"),
        (
            file(&[("a", "F32", &SHAPE, &data), ("b", "F32", &SHAPE, &data)]),
            "\"b\" [6, 8]",
        ),
        (
            file(&[("a", "F32", &[12, 4], &data)]),
            "vectors of 4 numbers; supported are 8 to 1024",
        ),
        (file(&[("a", "F32", &[0, 8], &[])]), "0 vectors"),
        (file(&[("a", "U32", &SHAPE, &data)]), "type U32; save it as"),
        (
            file(&[("a", "F32", &SHAPE, &infinite)]),
            "not finite in row 0",
        ),
        (file(&[("a", "F32", &[3, 16], &data)]), "has the token 5"),
        (
            vec![0; StaticModel::LARGEST_WEIGHTS + 1],
            "larger than 512 MiB",
        ),
    ];
    for (weights, expected) in cases {
        let error = StaticModel::read(&weights, tokenizer().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let empty = tokenizer().replace("\"vocab\":{", "\"vocab\":{},\"former\":{");
    for tokenizer in ["", "{}", "[1]", &empty] {
        let error = StaticModel::read(&weights(), tokenizer.as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("tokenizer.json is malformed"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn damaged_files_are_mistakes_or_models(at in 0usize..4000, byte: u8, cut: bool) {
        for damaged in [0, 1] {
            let mut files = [weights(), tokenizer().into_bytes()];
            let file = &mut files[damaged];
            let at = at % file.len();
            match cut {
                true => file.truncate(at),
                false => file[at] = byte,
            }
            if let Ok(model) = StaticModel::read(&files[0], &files[1]) {
                let vector = model.embed("kitten, unheard of: Drizzle \u{1f600} [UNK] 猫");
                prop_assert_eq!(vector.len(), model.dimensions());
            }
        }
    }
}
