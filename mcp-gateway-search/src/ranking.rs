//! Constants of the ranking.

/// Weight of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FieldWeight {
    /// Weight of one occurrence.
    pub weight: f32,
    /// Share of the length normalization, from 0 to 1.
    pub normalization: f32,
    /// Usual length in words.
    pub length: f32,
}

/// Constants of the ranking, which measurements vary.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ranking {
    /// Weights of the fields, in the order of [`Field::ALL`](crate::Field::ALL).
    pub fields: [FieldWeight; 6],
    /// Saturation of repeated words, `k1` of BM25.
    pub saturation: f32,
    /// Weight of a word that means the same.
    pub same: f32,
    /// Weight of a similar word.
    pub similar: f32,
    /// Weight of a word that is spelled differently, for each edit.
    pub misspelled: f32,
    /// Weight of a word that is probably a value: quoted, or with digits.
    pub value: f32,
    /// Weight of the share of the name that the request covers.
    pub name_coverage: f32,
    /// Weight of the share of the request that the tool covers.
    pub query_coverage: f32,
    /// Weight of a server whose name the request contains.
    pub server: f32,
    /// Weight of the kind of a value: a URL, a mail address, the path of a file.
    pub hint: f32,
    /// Share of its weight that a word loses for further tools, once a tool matches it.
    pub novelty: f32,
    /// Weight of words far from the beginning of a long request: half at this position.
    pub decay: f32,
    /// Weight of the similarity of meaning, if there is a model. With 1, the same meaning counts as much
    /// as the words of the tool whose words match best.
    pub meaning: f32,
    /// Similarity from which on a tool is found that shares no word with the request.
    pub similarity: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        let field = |weight, normalization, length| FieldWeight {
            weight,
            normalization,
            length,
        };
        Self {
            fields: [
                field(8.0, 0.3, 3.0),
                field(3.0, 0.3, 4.0),
                field(3.0, 0.5, 12.0),
                field(0.8, 0.75, 40.0),
                field(1.2, 0.6, 5.0),
                field(0.5, 0.75, 40.0),
            ],
            saturation: 1.5,
            same: 0.9,
            similar: 0.5,
            misspelled: 0.5,
            value: 0.3,
            name_coverage: 1.0,
            query_coverage: 0.2,
            server: 1.2,
            hint: 0.3,
            novelty: 0.3,
            decay: 20.0,
            meaning: 0.75,
            similarity: 0.35,
        }
    }
}
