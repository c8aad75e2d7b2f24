//! Search with an embedding model that the configuration names.

use std::fs;

use serde_json::{Map, Value, json};

use super::harness::{Folder, Gateway, run, run_with_env};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: all, exposure: search }]
search: { model: meanings }
auth: { tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN } }] }
";

/// Words, and the place of the only number of the vector of each. Words of one place are synonyms.
const WORDS: [(&str, usize); 4] = [("[UNK]", 7), ("add", 0), ("zebra", 0), ("echo", 1)];
const DIMENSIONS: usize = 8;

fn tokenizer() -> String {
    let words = (0u32..).zip(WORDS);
    let vocabulary: Map<String, Value> = words
        .map(|(id, (word, _))| (word.to_owned(), id.into()))
        .collect();
    json!({
        "version": "1.0",
        "added_tokens": [{
            "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
    .to_string()
}

fn weights() -> Vec<u8> {
    let number = |place, at| if place == at { 1.0f32 } else { 0.0 };
    let numbers = WORDS
        .iter()
        .flat_map(|&(_, place)| (0..DIMENSIONS).map(move |at| number(place, at)));
    let data: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
    let header = json!({ "embeddings": {
        "dtype": "F32", "shape": [WORDS.len(), DIMENSIONS], "data_offsets": [0, data.len()],
    } });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &data].concat()
}

#[tokio::test]
async fn a_meaning_finds_a_tool_without_its_words() {
    let folder = Folder::new();
    fs::create_dir(folder.path("meanings")).unwrap();
    fs::write(folder.path("meanings/model.safetensors"), weights()).unwrap();
    fs::write(folder.path("meanings/tokenizer.json"), tokenizer()).unwrap();
    let file = folder.write("gateway.yaml", CONFIG);
    let env = [("MCP_GATEWAY_TOKEN", "the-token-of-olga-is-this")];
    let gateway = Gateway::serve_with(&file, &env).await;
    let answer = gateway
        .call("search_tools", json!({ "query": "zebra" }))
        .await;
    let first = &answer["result"]["structuredContent"]["tools"][0];
    assert_eq!(first["name"], "demo__add", "{answer}");
    assert_eq!(first["why"], "similar meaning", "{answer}");
}

#[tokio::test]
async fn a_model_that_cannot_be_read_is_a_mistake_of_the_file() {
    let folder = Folder::new();
    let file = folder.write("gateway.yaml", CONFIG);
    let done = run(&["check", "--without-secrets", &file]).await;
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let check = async |expected: &str| {
        let done = run_with_env(
            &["check", &file],
            &[("MCP_GATEWAY_TOKEN", "the-token-of-olga-is-this")],
        )
        .await;
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        let output = format!("{}{}", done.stdout, done.stderr);
        assert!(output.contains(expected), "{expected}\n{output}");
        assert!(output.contains("meanings"), "{output}");
    };
    check("search.model is the folder of a static embedding model").await;
    fs::create_dir(folder.path("meanings")).unwrap();
    fs::write(folder.path("meanings/tokenizer.json"), tokenizer()).unwrap();
    check("cannot read model.safetensors").await;
    let mut damaged = weights();
    damaged.truncate(60);
    fs::write(folder.path("meanings/model.safetensors"), damaged).unwrap();
    check("model").await;
}
