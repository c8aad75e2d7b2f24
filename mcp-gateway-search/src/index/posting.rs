//! Occurrence of a term in a tool.

use crate::{Field, Ranking};

/// Occurrences of a term in a tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting {
    pub(crate) tool: u32,
    /// Saturated frequency, in units of 1/65,535.
    frequency: u16,
    fields: u8,
}

impl Posting {
    /// Unit of saturated frequencies.
    pub(crate) const UNIT: f32 = 1.0 / 65_535.0;

    /// Weighs the occurrences in the fields of a tool, whose `lengths` are in words.
    pub(crate) fn new(
        tool: u32,
        counts: &[u16; Field::ALL.len()],
        lengths: &[u16; Field::ALL.len()],
        ranking: &Ranking,
    ) -> Self {
        let (mut frequency, mut fields) = (0.0, 0);
        let weighted = counts.iter().zip(lengths).zip(&ranking.fields).enumerate();
        for (place, ((&count, &length), field)) in
            weighted.filter(|(_, ((count, _), _))| **count > 0)
        {
            let length = f32::from(length) / field.length;
            let normalization = 1.0 - field.normalization + field.normalization * length;
            frequency += field.weight * f32::from(count) / normalization;
            fields |= 1 << place;
        }
        let saturated = frequency / (ranking.saturation + frequency);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the value is between 0 and 65,535"
        )]
        let frequency = (saturated * f32::from(u16::MAX)) as u16;
        Self {
            tool,
            frequency,
            fields,
        }
    }

    /// Returns the saturated frequency, from 0 to 1.
    pub(crate) fn frequency(self) -> f32 {
        self.units() * Self::UNIT
    }

    /// Returns the saturated frequency in units of [`Self::UNIT`].
    pub(crate) fn units(self) -> f32 {
        f32::from(self.frequency)
    }

    /// Returns the fields that contain the term.
    pub(crate) fn fields(self) -> impl Iterator<Item = Field> {
        Field::ALL
            .into_iter()
            .filter(move |&field| self.fields & (1 << field as u8) != 0)
    }
}
