//! Processor time and memory of the search over 10,000 tools.
//!
//! ```sh
//! cargo bench -p mcp-gateway-search --bench search [-- FOLDER]
//! cargo bench -p mcp-gateway-search --features model --bench search -- FOLDER MODEL
//! ```
//!
//! The tools and requests are those of FOLDER (see `examples/evaluate`), the tools over and over
//! under other names of servers. Without FOLDER both are generated. MODEL is the folder of an embedding model.

#![expect(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::{
    env,
    error::Error,
    fs,
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
#[cfg(feature = "model")]
use mcp_gateway_search::StaticModel;
use mcp_gateway_search::{EmbeddingModel, Index, Ranking, Tool};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Number of tools.
const TOOLS: usize = 10_000;

type BoxError = Box<dyn Error + Send + Sync>;

/// Definitions of tools with their server, and requests.
struct Input {
    tools: Vec<(String, Value)>,
    requests: Vec<String>,
    model: Option<Arc<dyn EmbeddingModel>>,
}

fn main() -> Result<(), BoxError> {
    // Cargo adds its own arguments.
    let mut arguments = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let (folder, model) = (arguments.next(), arguments.next());
    let read = |folder: String| Input::read(Path::new(&folder));
    let mut input = folder.map_or_else(|| Ok(Input::generated()), read)?;
    if let Some(folder) = model {
        let begun = Instant::now();
        input.model = Some(read_model(Path::new(&folder))?);
        println!("model: read in {:.1?}", begun.elapsed());
    }
    let begun = Instant::now();
    let mut index = input.index();
    let built = begun.elapsed();
    println!(
        "{} tools of {} servers: built in {built:.1?}, {} bytes a tool",
        index.len(),
        index.servers().count(),
        input.memory()? / index.len(),
    );
    let begun = Instant::now();
    let selection = index.select_all();
    println!("selection of all tools: {:.1?}", begun.elapsed());
    let mut times = Histogram::<u64>::new(3)?;
    for round in 0..6 {
        for request in &input.requests {
            let begun = cpu_time();
            black_box(index.search(request, &selection, 8));
            if round > 0 {
                times.record(micros(cpu_time().saturating_sub(begun)))?;
            }
        }
    }
    print("search", &times);
    let mut times = Histogram::<u64>::new(3)?;
    for (server, tool) in &input.tools {
        let mut tool = tool.clone();
        tool["title"] = "Changed".into();
        let begun = cpu_time();
        index.insert(server, &searched(&tool));
        times.record(micros(cpu_time().saturating_sub(begun)))?;
    }
    print("update of a tool", &times);
    Ok(())
}

#[cfg(feature = "model")]
fn read_model(folder: &Path) -> Result<Arc<dyn EmbeddingModel>, BoxError> {
    let file = |name| fs::read(folder.join(name));
    let model = StaticModel::read(&file("model.safetensors")?, &file("tokenizer.json")?)?;
    Ok(Arc::new(model))
}

#[cfg(not(feature = "model"))]
fn read_model(_folder: &Path) -> Result<Arc<dyn EmbeddingModel>, BoxError> {
    Err("build this with --features model".into())
}

/// Returns the processor time of this thread, which other processes do not lengthen.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn print(what: &str, times: &Histogram<u64>) {
    println!(
        "{what:<32} p50 {:>5} µs   p99 {:>5} µs   max {:>5} µs",
        times.value_at_quantile(0.5),
        times.value_at_quantile(0.99),
        times.max()
    );
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Returns the resident memory of the process in bytes.
fn resident() -> Result<usize, BoxError> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: usize = pages
        .split(' ')
        .nth(1)
        .ok_or("no resident pages")?
        .parse()?;
    Ok(pages * 4096)
}

fn searched(tool: &Value) -> Tool<'_> {
    let text = |member: &str| tool[member].as_str().unwrap_or_default();
    Tool::new(text("name"))
        .title(text("title"))
        .description(text("description"))
        .input_schema(&tool["inputSchema"])
}

impl Input {
    fn new(
        tools: impl Iterator<Item = (String, Value)>,
        requests: impl Iterator<Item = String>,
    ) -> Self {
        Self {
            tools: tools.collect(),
            requests: requests.collect(),
            model: None,
        }
    }

    fn index(&self) -> Index {
        let mut index = match &self.model {
            Some(model) => Index::with_model(Ranking::default(), Arc::clone(model)),
            None => Index::default(),
        };
        for (server, tool) in &self.tools {
            index.insert(server, &searched(tool));
        }
        index
    }

    /// Returns the memory of an index. The first one may fill what reading the input has left free.
    fn memory(&self) -> Result<usize, BoxError> {
        const INDEXES: usize = 4;
        let first = self.index();
        let before = resident()?;
        let indexes: Vec<_> = (0..INDEXES).map(|_| self.index()).collect();
        let memory = resident()?.saturating_sub(before) / INDEXES;
        drop((first, indexes));
        Ok(memory)
    }

    fn read(folder: &Path) -> Result<Self, BoxError> {
        let lines = |file: &str| -> Result<Vec<Value>, BoxError> {
            let text = fs::read_to_string(folder.join(file))?;
            Ok(text
                .lines()
                .map(serde_json::from_str)
                .collect::<Result<_, _>>()?)
        };
        let listed = lines("tools.jsonl")?;
        let tools = listed
            .iter()
            .cycle()
            .take(TOOLS)
            .enumerate()
            .map(|(place, tool)| {
                let server = tool["server"].as_str().unwrap_or_default();
                (format!("{server} {}", place / listed.len()), tool.clone())
            });
        let requests = lines("queries-dev.jsonl")?;
        let requests = requests
            .iter()
            .filter_map(|it| Some(it["query"].as_str()?.to_owned()));
        Ok(Self::new(tools, requests))
    }

    /// Returns tools for each pair of a verb and a noun.
    fn generated() -> Self {
        const VERBS: [&str; 20] = [
            "list", "get", "create", "update", "delete", "search", "export", "import", "move",
            "copy", "merge", "start", "stop", "assign", "archive", "restore", "approve", "cancel",
            "send", "check",
        ];
        const NOUNS: [&str; 25] = [
            "issue",
            "repository",
            "branch",
            "database",
            "table",
            "index",
            "user",
            "team",
            "invoice",
            "payment",
            "calendar_event",
            "message",
            "channel",
            "file",
            "folder",
            "alert",
            "dashboard",
            "pipeline",
            "deployment",
            "certificate",
            "document",
            "chart",
            "contact",
            "order",
            "ticket",
        ];
        let tool = |place: usize| {
            let (verb, noun) = (VERBS[place % 20], NOUNS[place / 20 % 25]);
            let server = place / 100;
            let words = noun.replace('_', " ");
            let tool = json!({
                "name": format!("{verb}_{noun}"),
                "description": format!(
                    "{verb} a {words} in the workspace {server}. Returns the {words} with its status, \
                     owner and time of the last change. Use it after the {words} has been found."
                ),
                "inputSchema": { "type": "object", "properties": {
                    format!("{noun}_id"): { "type": "string", "description": format!("Identifier of the {words}") },
                    "page": { "type": "integer", "description": "Number of the page, beginning with 1" },
                } },
            });
            (format!("server{server}"), tool)
        };
        let request = |place: usize| {
            let noun = NOUNS[place % 25].replace('_', " ");
            format!(
                "please {} the {noun} that somebody opened yestreday in my project",
                VERBS[place / 25 % 20]
            )
        };
        Self::new((0..TOOLS).map(tool), (0..500).map(request))
    }
}
