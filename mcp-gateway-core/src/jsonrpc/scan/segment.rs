//! Forwarding of a piece of a response, in slices.

use bytes::Bytes;

/// A piece of which a prefix has been forwarded.
pub(super) struct Segment<'a> {
    pub(super) piece: &'a Bytes,
    /// Offset up to which the piece has been forwarded or replaced.
    pub(super) from: usize,
    /// Start of the value that is being read; 0 if it began in an earlier piece.
    pub(super) value_at: usize,
    pub(super) out: &'a mut Vec<Bytes>,
}

impl Segment<'_> {
    /// Forwards the bytes up to `end`.
    pub(super) fn pass_until(&mut self, end: usize) {
        if self.from < end {
            self.out.push(self.piece.slice(self.from..end));
            self.from = end;
        }
    }
}
