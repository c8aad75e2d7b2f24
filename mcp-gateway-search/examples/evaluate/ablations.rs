//! Figures without each part of the ranking.

use mcp_gateway_search::Ranking;

use crate::{
    data::{Benchmark, Mode},
    measure::Measures,
};

/// Part of the ranking, and what leaves it out.
type Part = (&'static str, fn(&mut Ranking));

const PARTS: [Part; 12] = [
    ("all", |_| ()),
    ("without synonyms and translations", |it| {
        (it.same, it.similar) = (0.0, 0.0)
    }),
    ("without spelling", |it| it.misspelled = 0.0),
    ("without coverage of the name", |it| it.name_coverage = 0.0),
    ("without coverage of the request", |it| {
        it.query_coverage = 0.0
    }),
    ("without names of servers", |it| it.server = 0.0),
    ("values count like words", |it| it.value = 1.0),
    ("without kinds of values", |it| it.hint = 0.0),
    ("without several wishes", |it| it.novelty = 0.0),
    ("without the order of words", |it| it.decay = f32::INFINITY),
    ("without a model", |it| it.meaning = 0.0),
    ("first sentence like the rest", |it| {
        it.fields[2] = it.fields[3]
    }),
];

/// Prints a table of the parts.
pub(crate) fn run(benchmark: &Benchmark) {
    println!(
        "| | R@5 scoped | nDCG@5 scoped | R@5 pooled | nDCG@5 pooled |\n|---|---|---|---|---|"
    );
    for (name, leave_out) in PARTS {
        let mut ranking = Ranking::default();
        leave_out(&mut ranking);
        let index = benchmark.index(&ranking);
        let figures = Mode::ALL.map(|mode| {
            let measure = |request| Measures::of(request, &benchmark.search(&index, request, mode));
            let mean = Measures::mean(&benchmark.requests.iter().map(measure).collect::<Vec<_>>());
            format!("{:.3} | {:.3}", mean.recall[1], mean.ndcg)
        });
        println!("| {name} | {} |", figures.join(" | "));
    }
}
