//! Vectors of tools.

use std::sync::Arc;

use crate::{EmbeddingModel, Tool};

/// Vectors of the tools of an index, in one byte for each number.
#[derive(Clone, Debug)]
pub(crate) struct Vectors {
    model: Arc<dyn EmbeddingModel>,
    /// Numbers of each place, one after another.
    values: Vec<i8>,
    /// Length of the vector of each place; zero without one.
    lengths: Vec<f32>,
}

/// Vector of a request.
#[derive(Debug)]
pub(crate) struct RequestVector {
    values: Vec<i8>,
    length: f32,
}

impl Vectors {
    pub(super) fn new(model: Arc<dyn EmbeddingModel>) -> Self {
        Self {
            model,
            values: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Sets the vector of a tool.
    pub(super) fn insert(&mut self, place: u32, tool: &Tool<'_>) {
        let (place, dimensions) = (place as usize, self.model.dimensions());
        if self.lengths.len() <= place {
            self.lengths.resize(place + 1, 0.0);
            self.values.resize((place + 1) * dimensions, 0);
        }
        let vector = quantized(&embedded(&*self.model, &tool.meaning()));
        self.lengths[place] = vector.length;
        self.values[place * dimensions..(place + 1) * dimensions].copy_from_slice(&vector.values);
    }

    /// Forgets the vector of a tool.
    pub(super) fn remove(&mut self, place: u32) {
        if let Some(length) = self.lengths.get_mut(place as usize) {
            *length = 0.0;
        }
    }

    /// Returns the vector of a request; `None` if nothing in it has a meaning.
    pub(crate) fn request(&self, words: &str) -> Option<RequestVector> {
        let vector = quantized(&embedded(&*self.model, &[(1.0, words.to_owned())]));
        (vector.length > 0.0).then_some(vector)
    }

    /// Returns how near the meanings of a request and a tool are: the cosine of the angle.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    pub(crate) fn similarity(&self, request: &RequestVector, place: u32) -> f32 {
        let (place, dimensions) = (place as usize, self.model.dimensions());
        let vector = self.values.get(place * dimensions..).unwrap_or_default();
        match self.lengths.get(place) {
            Some(&length) if length > 0.0 => {
                product(&request.values, vector) as f32 / (request.length * length)
            }
            _ => 0.0,
        }
    }
}

/// Returns the sum of the vectors of texts, each of length 1 times its weight.
fn embedded(model: &dyn EmbeddingModel, texts: &[(f32, String)]) -> Vec<f32> {
    let mut sum = vec![0.0; model.dimensions()];
    for (weight, text) in texts {
        let vector = model.embed(text);
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            for (sum, value) in sum.iter_mut().zip(vector) {
                *sum += weight * value / length;
            }
        }
    }
    sum
}

/// Scales a vector so that its largest number is 127, and rounds.
#[expect(clippy::cast_possible_truncation, reason = "numbers up to 127")]
fn quantized(vector: &[f32]) -> RequestVector {
    let largest = vector
        .iter()
        .fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let scale = 127.0 / largest;
    let values: Vec<i8> = vector
        .iter()
        .map(|value| (value * scale).round() as i8)
        .collect();
    let squares: f32 = values
        .iter()
        .map(|&value| f32::from(value) * f32::from(value))
        .sum();
    RequestVector {
        values,
        length: squares.sqrt(),
    }
}

/// Returns the product of two vectors, at most as long as a vector of 65,536 numbers.
fn product(one: &[i8], other: &[i8]) -> i32 {
    let products = one
        .iter()
        .zip(other)
        .map(|(&one, &other)| i32::from(one) * i32::from(other));
    products.sum()
}
