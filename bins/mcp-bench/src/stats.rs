//! Summary statistics.

use serde::Serialize;

/// Median and range of figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Distribution {
    /// Median.
    pub(crate) median: f64,
    /// Minimum.
    pub(crate) min: f64,
    /// Maximum.
    pub(crate) max: f64,
}

impl Distribution {
    /// Computes the spread of `figures`; `None` if there are none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            f64::midpoint(figures[middle - 1], figures[middle])
        };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |figures: &[f64]| Distribution::of(figures.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(
            spread(&[3.0]),
            Some(Distribution {
                median: 3.0,
                min: 3.0,
                max: 3.0
            })
        );
        assert_eq!(
            spread(&[9.0, 1.0, 2.0]),
            Some(Distribution {
                median: 2.0,
                min: 1.0,
                max: 9.0
            })
        );
        assert_eq!(
            spread(&[4.0, 1.0, 9.0, 2.0]),
            Some(Distribution {
                median: 3.0,
                min: 1.0,
                max: 9.0
            })
        );
    }
}
