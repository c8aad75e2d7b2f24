//! Quantities of resources, such as `500m` and `256Mi`.
//!
//! | Suffix | Meaning |
//! |---|---|
//! | none | units: processors, bytes |
//! | `n`, `u`, `m` | thousandths: 10⁻⁹, 10⁻⁶, 10⁻³ |
//! | `k`, `M`, `G`, `T`, `P`, `E` | powers of 1000 |
//! | `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei` | powers of 1024 |
//! | `e3`, `E3` | power of ten |
//!
//! The text is passed on as it is. Its amount is computed only to compare a request with its limit,
//! for which the precision of a floating-point number is sufficient.

use std::collections::BTreeMap;

use crate::document::{Field, suggestion};

/// Reads quantities by the names of resources.
///
/// All errors are recorded: a quantity with an error is empty in the returned map.
pub(super) fn quantities(field: &Field<'_>) -> Option<BTreeMap<String, String>> {
    let mut quantities = BTreeMap::new();
    for (name, field) in field.entries()? {
        check_resource(name, &field);
        let quantity = field.parse("a quantity", |text| match amount(text) {
            Some(_) => Ok(text.to_owned()),
            None => Err("expected a form such as 2, 0.5, 500m, 256Mi or 1Gi".to_owned()),
        });
        quantities.insert(name.to_owned(), quantity.unwrap_or_default());
    }
    Some(quantities)
}

/// Records an error for each request above its limit, which the API would reject.
///
/// A resource without a limit has no bound, and a limit without a request is also the request.
pub(super) fn check_requests(
    (requests, field): (&BTreeMap<String, String>, &Field<'_>),
    limits: &BTreeMap<String, String>,
) {
    for (name, request) in requests {
        let limit = limits.get(name);
        if let (Some(requested), Some(limit)) = (amount(request), limit)
            && amount(limit).is_some_and(|limit| requested > limit)
            && let Some(field) = field.get(name)
        {
            field.error(format!("must be at most the limit, {limit}"));
        }
    }
}

/// Records an error of the name of a resource.
fn check_resource(name: &str, field: &Field<'_>) {
    let is_huge = name.starts_with("hugepages-");
    let is_extended = name.contains('/') && super::names::qualified(name).is_none();
    if !RESOURCES.contains(&name) && !is_huge && !is_extended {
        field.error(format!(
            "unknown resource {name:?}; {}",
            suggestion(name, &RESOURCES)
        ));
    }
}

/// Returns the amount of a quantity; `None` if it is invalid or negative.
fn amount(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let has_digits = number.contains(|c: char| c.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| has_digits)?;
    let factor = SUFFIXES.iter().find(|(known, _)| *known == suffix);
    if let Some((_, factor)) = factor {
        return Some(number * factor);
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    (exponent.abs() <= 18).then(|| number * 10_f64.powi(exponent))
}

/// Names of resources without a domain.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Suffixes of quantities.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers_with_a_suffix() {
        for (text, expected) in [
            ("2", 2.0),
            ("0.5", 0.5),
            ("500m", 0.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("1Ki", 1024.0),
            ("1k", 1000.0),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("1E", 1e18),
            ("0", 0.0),
        ] {
            assert_eq!(amount(text), Some(expected), "{text}");
        }
        for text in [
            "", ".", "-1", "+1", "1 Gi", "1GB", "1MiB", "Mi", "1.2.3", "1e", "1e99", "one",
        ] {
            assert_eq!(amount(text), None, "{text}");
        }
    }
}
