//! Figures of a ranked list.

use std::fmt;

use crate::data::Request;

/// Figures of one request, or their mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measures {
    /// Recall at 1, 5 and 10.
    pub(crate) recall: [f64; 3],
    pub(crate) ndcg: f64,
    pub(crate) reciprocal_rank: f64,
}

impl Measures {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(crate) fn of(request: &Request, found: &[String]) -> Self {
        // The ranks at which groups are first satisfied.
        let mut ranks: Vec<usize> = request
            .relevant
            .iter()
            .filter_map(|group| found.iter().position(|tool| group.contains(tool)))
            .collect();
        ranks.sort_unstable();
        let groups = request.relevant.len();
        let recall = |most: usize| {
            ranks.iter().filter(|&&rank| rank < most).count() as f64 / groups.min(most) as f64
        };
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let mut distinct = ranks.clone();
        distinct.dedup();
        let gained: f64 = distinct
            .iter()
            .filter(|&&rank| rank < 5)
            .map(|&rank| gain(rank))
            .sum();
        let ideal: f64 = (0..groups.min(5)).map(gain).sum();
        Self {
            recall: [recall(1), recall(5), recall(10)],
            ndcg: gained / ideal,
            reciprocal_rank: ranks.first().map_or(0.0, |&rank| 1.0 / (rank as f64 + 1.0)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(crate) fn mean(all: &[Self]) -> Self {
        let mean =
            |figure: fn(&Self) -> f64| all.iter().map(figure).sum::<f64>() / all.len() as f64;
        Self {
            recall: [
                mean(|it| it.recall[0]),
                mean(|it| it.recall[1]),
                mean(|it| it.recall[2]),
            ],
            ndcg: mean(|it| it.ndcg),
            reciprocal_rank: mean(|it| it.reciprocal_rank),
        }
    }
}

impl fmt::Display for Measures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, five, ten] = self.recall;
        write!(
            formatter,
            "{one:.3} {five:.3} {ten:.3} {:.3} {:.3}",
            self.ndcg, self.reciprocal_rank
        )
    }
}
