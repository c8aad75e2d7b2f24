//! Vectors of tokens.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{ModelError, StaticModel};

/// Vectors of tokens, one after another.
pub(super) struct Table {
    values: Box<[f16]>,
    dimensions: usize,
}

impl Table {
    /// Reads the only tensor of a file.
    pub(super) fn read(weights: &[u8]) -> Result<Self, ModelError> {
        if weights.len() > StaticModel::LARGEST_WEIGHTS {
            return Err(ModelError::WeightsTooLarge);
        }
        let file = SafeTensors::deserialize(weights)
            .map_err(|error| ModelError::Weights(error.to_string()))?;
        let tensors = file.tensors();
        let [(_, tensor)] = &*tensors else {
            return Err(unexpected(&tensors));
        };
        let &[rows, dimensions] = tensor.shape() else {
            return Err(unexpected(&tensors));
        };
        if !StaticModel::DIMENSIONS.contains(&dimensions) {
            return Err(ModelError::Dimensions(dimensions));
        }
        if !(1..=StaticModel::MOST_TOKENS).contains(&rows) {
            return Err(ModelError::Tokens(rows));
        }
        let values = values(tensor)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(ModelError::NotFinite(at / dimensions)),
            None => Ok(Self { values, dimensions }),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.dimensions
    }

    pub(super) const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Adds the vector of a token.
    pub(super) fn add(&self, token: u32, sum: &mut [f32]) {
        let start = (token as usize).saturating_mul(self.dimensions);
        let vector = self.values.get(start..).unwrap_or_default();
        for (sum, value) in sum.iter_mut().zip(vector) {
            *sum += value.to_f32();
        }
    }
}

/// Reads the numbers of a tensor.
fn values(tensor: &TensorView<'_>) -> Result<Box<[f16]>, ModelError> {
    let bytes = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F32 => each(bytes, |bytes| f16::from_f32(f32::from_le_bytes(bytes))),
        Dtype::F16 => each(bytes, f16::from_le_bytes),
        Dtype::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())
            .iter()
            .map(|&it| f16::from_f32(it))
            .collect(),
        Dtype::I8 => each(bytes, |bytes| f16::from(i8::from_le_bytes(bytes))),
        other => return Err(ModelError::NumberType(format!("{other:?}"))),
    })
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Box<[T]> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|&bytes| read(bytes)).collect()
}

fn unexpected(tensors: &[(String, TensorView<'_>)]) -> ModelError {
    const MOST: usize = 4;
    let mut names: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| format!("{name:?} {:?}", tensor.shape()))
        .collect();
    names.sort_unstable();
    if names.len() > MOST {
        names.truncate(MOST);
        names.push(format!("{} more", tensors.len() - MOST));
    }
    ModelError::Tensors(match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    })
}
