//! Arbitrary text and values.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_text_is_answered(text in "[a-z:\\[\\]{}, \\n-]{0,80}") {
        let _ = parse(&text);
    }

    /// Whatever stands in the place of a value, the rest is read and nothing panics.
    #[test]
    fn any_value_is_answered(at in 0..60_usize, value in "[-0-9a-z{}\\[\\]: '&*]{0,12}") {
        let lines = include_str!("full.yaml").lines().enumerate();
        let line = |(number, line): (usize, &str)| match line.split_once(": ") {
            Some((key, _)) if number == at => format!("{key}: {value}"),
            _ => line.to_owned(),
        };
        let _ = parse(&lines.map(line).collect::<Vec<_>>().join("\n"));
    }
}
