//! Number of the values of a JSON text, counted before memory is spent on them.

/// Values of a JSON text by their depth, of which the outermost one has the depth 0.
///
/// Needs no memory and no recursion. An empty array or object counts as having a value.
pub(super) struct Values<'a> {
    bytes: std::slice::Iter<'a, u8>,
    depth: usize,
    is_first: bool,
}

impl<'a> Values<'a> {
    /// Creates the values of the JSON text `text`.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes().iter(),
            depth: 0,
            is_first: true,
        }
    }

    /// Skips the rest of a string.
    fn skip_string(&mut self) {
        while let Some(byte) = self.bytes.next() {
            match byte {
                b'"' => return,
                b'\\' => drop(self.bytes.next()),
                _ => {}
            }
        }
    }
}

impl Iterator for Values<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if std::mem::take(&mut self.is_first) {
            return Some(0);
        }
        loop {
            match self.bytes.next()? {
                b'"' => self.skip_string(),
                b'[' | b'{' => {
                    self.depth += 1;
                    return Some(self.depth);
                }
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                b',' => return Some(self.depth),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_counts_with_its_depth() {
        let table: [(&str, &[usize]); 5] = [
            ("1", &[0]),
            (r#""[,\"{""#, &[0]),
            ("[]", &[0, 1]),
            ("[1,[2,3],4]", &[0, 1, 1, 2, 2, 1]),
            (r#"{"a,":{"b":1},"c":"\\","d":2}"#, &[0, 1, 2, 1, 1]),
        ];
        for (text, depths) in table {
            assert_eq!(Values::of(text).collect::<Vec<_>>(), depths, "{text}");
        }
        assert_eq!(Values::of("]]\"\\").count(), 1, "any text is counted");
    }
}
