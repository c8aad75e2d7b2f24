//! Choice of constants on some sources of requests, verified on the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mcp_gateway_search::Ranking;

use crate::{
    data::{Benchmark, Mode},
    measure::Measures,
};

/// Constant that is varied.
type Constant = (&'static str, fn(&mut Ranking) -> &mut f32);

const CONSTANTS: [Constant; 17] = [
    ("name", |it| &mut it.fields[0].weight),
    ("title", |it| &mut it.fields[1].weight),
    ("summary", |it| &mut it.fields[2].weight),
    ("description", |it| &mut it.fields[3].weight),
    ("argument", |it| &mut it.fields[4].weight),
    ("argument text", |it| &mut it.fields[5].weight),
    ("saturation", |it| &mut it.saturation),
    ("same", |it| &mut it.same),
    ("similar", |it| &mut it.similar),
    ("misspelled", |it| &mut it.misspelled),
    ("value", |it| &mut it.value),
    ("name coverage", |it| &mut it.name_coverage),
    ("query coverage", |it| &mut it.query_coverage),
    ("server", |it| &mut it.server),
    ("hint", |it| &mut it.hint),
    ("novelty", |it| &mut it.novelty),
    ("decay", |it| &mut it.decay),
];

/// Figures of each source: scoped and pooled.
type Figures = BTreeMap<String, [Measures; 2]>;

/// Measures constants, and remembers their figures: the choices for different sources meet them again.
struct Bench<'b> {
    benchmark: &'b Benchmark,
    known: HashMap<String, Figures>,
}

impl Bench<'_> {
    fn figures(&mut self, ranking: &Ranking) -> &Figures {
        let measure = || figures(self.benchmark, ranking);
        self.known
            .entry(format!("{ranking:?}"))
            .or_insert_with(measure)
    }

    /// Descends along one constant after the other, without the requests of a source.
    fn choose(&mut self, without: Option<&str>) -> Ranking {
        let mut best = Ranking::default();
        let mut most = objective(self.figures(&best), without);
        for factors in [[0.5, 2.0], [0.7, 1.4]] {
            for (_, constant) in CONSTANTS {
                for factor in factors {
                    let mut other = best.clone();
                    *constant(&mut other) *= factor;
                    let value = objective(self.figures(&other), without);
                    if value > most {
                        (best, most) = (other, value);
                    }
                }
            }
        }
        best
    }
}

/// Prints the constants that are chosen on all sources, and on all but each.
pub(crate) fn run(benchmark: &Benchmark) {
    let sources: BTreeSet<&str> = benchmark
        .requests
        .iter()
        .map(|it| it.source.as_str())
        .collect();
    let mut left_out = Vec::new();
    let mut bench = Bench {
        benchmark,
        known: HashMap::new(),
    };
    let all = bench.choose(None);
    println!("on all: {all:?}");
    for &source in &sources {
        let chosen = bench.choose(Some(source));
        let unseen = bench.figures(&chosen)[source];
        let fitted = bench.figures(&all)[source];
        println!(
            "{source:<16} unseen scoped {} pooled {}",
            unseen[0], unseen[1]
        );
        println!(
            "{:<16} fitted scoped {} pooled {}",
            "", fitted[0], fitted[1]
        );
        let requests = benchmark
            .requests
            .iter()
            .filter(|it| it.source == source)
            .count();
        left_out.extend(std::iter::repeat_n(unseen, requests));
    }
    for (place, mode) in ["scoped", "pooled"].iter().enumerate() {
        let measures: Vec<_> = left_out.iter().map(|it| it[place]).collect();
        println!(
            "mean, each source unseen, {mode}: {}",
            Measures::mean(&measures)
        );
    }
}

/// Returns the mean of recall and gain over sources, of both modes.
fn objective(figures: &Figures, without: Option<&str>) -> f64 {
    let used = figures
        .iter()
        .filter(|(source, _)| Some(source.as_str()) != without);
    let values = used.map(|(_, measures)| {
        measures
            .iter()
            .map(|it| it.recall[1] + 0.5 * it.ndcg)
            .sum::<f64>()
    });
    values.sum()
}

fn figures(benchmark: &Benchmark, ranking: &Ranking) -> Figures {
    let index = benchmark.index(ranking);
    let mut sources: BTreeMap<String, [Vec<Measures>; 2]> = BTreeMap::new();
    for request in &benchmark.requests {
        let measures = sources.entry(request.source.clone()).or_default();
        for (place, mode) in Mode::ALL.into_iter().enumerate() {
            let found = benchmark.search(&index, request, mode);
            measures[place].push(Measures::of(request, &found));
        }
    }
    sources
        .into_iter()
        .map(|(source, it)| (source, it.map(|it| Measures::mean(&it))))
        .collect()
}
