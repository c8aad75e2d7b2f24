//! Differences of texts.

use similar::{ChangeTag, TextDiff};

use super::fields::line;
use crate::printable;

/// Returns the difference of two texts at `path`: in words, or in lines if they have several.
pub(super) fn difference(path: &str, approved: &str, current: &str) -> Vec<String> {
    match approved.contains('\n') || current.contains('\n') {
        true => {
            let mut lines = vec![line(path, "").trim_end().to_owned()];
            lines.extend(in_lines(approved, current));
            lines
        }
        false => vec![line(path, &in_words(approved, current))],
    }
}

/// Marks removed and added words.
fn in_words(approved: &str, current: &str) -> String {
    let difference = TextDiff::from_words(approved, current);
    let mut text = String::new();
    let mut last = ChangeTag::Equal;
    for change in difference.iter_all_changes() {
        let tag = change.tag();
        if tag != last {
            text.push_str(closing(last));
            text.push_str(opening(tag));
            last = tag;
        }
        text.push_str(&printable(change.value()).replace('\t', "\\t"));
    }
    text.push_str(closing(last));
    text
}

/// Returns removed and added lines, with one line around them.
fn in_lines(approved: &str, current: &str) -> Vec<String> {
    let difference = TextDiff::from_lines(approved, current);
    let mut lines = Vec::new();
    for (at, group) in difference.grouped_ops(1).iter().enumerate() {
        if at > 0 {
            lines.push("  ...".to_owned());
        }
        for change in group.iter().flat_map(|op| difference.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Equal => ' ',
                ChangeTag::Insert => '+',
            };
            let value = printable(change.value().trim_end_matches('\n'));
            lines.push(format!("  {sign} {value}").trim_end().to_owned());
        }
    }
    lines
}

fn opening(tag: ChangeTag) -> &'static str {
    match tag {
        ChangeTag::Delete => "[-",
        ChangeTag::Equal => "",
        ChangeTag::Insert => "{+",
    }
}

fn closing(tag: ChangeTag) -> &'static str {
    match tag {
        ChangeTag::Delete => "-]",
        ChangeTag::Equal => "",
        ChangeTag::Insert => "+}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lines_are_marked() {
        let lines = difference("title", "Add a note", "Add\u{200b} a memo");
        assert_eq!(lines, ["title: [-Add-]{+Add\\u{200b}+} a [-note-]{+memo+}"]);
        let lines = difference("", "a\nb\nc\nd", "a\nB\nc\nd\n");
        assert_eq!(lines.first().map(String::as_str), Some(""));
        assert!(lines.contains(&"  - b".to_owned()) && lines.contains(&"  + B".to_owned()));
    }
}
