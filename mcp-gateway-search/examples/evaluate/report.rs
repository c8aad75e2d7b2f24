//! Figures of the search and of the baseline.

use std::collections::BTreeMap;

use mcp_gateway_search::Ranking;

use crate::{
    baseline::Baseline,
    data::{Benchmark, Indexes, Mode, Request},
    measure::Measures,
};

/// Prints the figures of both, for each source of requests.
pub(crate) fn run(benchmark: &Benchmark) {
    let index = benchmark.index(&Ranking::default());
    let baseline = Baseline::new(benchmark);
    for mode in Mode::ALL {
        println!("{mode:?}");
        table(benchmark, "baseline", |request| {
            baseline.search(request, mode)
        });
        table(benchmark, "search", |request| {
            benchmark.search(&index, request, mode)
        });
    }
}

fn table(benchmark: &Benchmark, name: &str, search: impl Fn(&Request) -> Vec<String>) {
    let mut sources: BTreeMap<&str, Vec<Measures>> = BTreeMap::new();
    for request in &benchmark.requests {
        let measures = Measures::of(request, &search(request));
        sources.entry(&request.source).or_default().push(measures);
    }
    println!("{name:<22} {:>4}  R@1   R@5   R@10  nDCG5 MRR", "n");
    let mut means = Vec::new();
    for (source, measures) in &sources {
        let mean = Measures::mean(measures);
        println!("  {source:<20} {:>4} {mean}", measures.len());
        means.push(mean);
    }
    let all: Vec<_> = sources.into_values().flatten().collect();
    println!("  {:<20} {:>4} {}", "mean", all.len(), Measures::mean(&all));
    println!(
        "  {:<20} {:>4} {}",
        "mean over sources",
        means.len(),
        Measures::mean(&means)
    );
}

/// Prints the requests whose groups are not all satisfied by the first five.
pub(crate) fn misses(benchmark: &Benchmark, index: &Indexes) {
    for request in &benchmark.requests {
        let found = benchmark.search(index, request, Mode::Scoped);
        if Measures::of(request, &found).recall[1] < 1.0 {
            println!("{} {}: {}", request.id, request.source, request.query);
            println!("  wanted {:?}", request.relevant);
            println!("  found  {found:?}");
        }
    }
}
