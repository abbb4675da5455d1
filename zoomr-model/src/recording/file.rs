//! A recording as a safetensors file, and back.
//!
//! | tensor | |
//! |---|---|
//! | `tokens` | `[tokens]`, u32 |
//! | `layer.N.queries` | `[tokens, query_heads, head_dim]`, f32, after RoPE |
//! | `layer.N.keys` | `[tokens, kv_heads, head_dim]`, f32, after RoPE |
//!
//! The metadata `zoomr-recording` is JSON: a version, how many tokens are the prompt, and the layers.

use std::{borrow::Cow, collections::HashMap, fs, num::NonZeroUsize, path::Path};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zoomr_core::layer::LayerSpec;

use super::{Layer, Recording, RecordingError};

/// What a recording's metadata is called.
const KEY: &str = "zoomr-recording";
/// The version of the format that is written and read.
const VERSION: u64 = 1;
/// The tensor of token ids.
const TOKENS: &str = "tokens";
/// Bytes of a number, be it f32 or u32.
const BYTES: usize = 4;

/// The metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
    prompt: usize,
    layers: Vec<Sizes>,
}

/// A layer, as [`LayerSpec`] has it.
#[derive(Serialize, Deserialize)]
struct Sizes {
    query_heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Wider than it is, so that not even a parser that errs in the last bit changes it.
    scale: f64,
    sliding_window: Option<NonZeroUsize>,
}

/// A tensor to be written; its bytes are made then.
struct Stored<'a> {
    numbers: Numbers<'a>,
    shape: Vec<usize>,
}

enum Numbers<'a> {
    Float(&'a [f32]),
    Whole(&'a [u32]),
}

impl Recording {
    /// The recording as a file's bytes.
    ///
    /// # Errors
    /// [`RecordingError::Write`] where there is too much for one file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordingError> {
        let count = self.tokens.len();
        let tokens = Stored { numbers: Numbers::Whole(&self.tokens), shape: vec![count] };
        let mut tensors = vec![(TOKENS.to_owned(), tokens)];
        for (number, Layer { spec, queries, keys }) in self.layers.iter().enumerate() {
            for (name, rows, heads) in [("queries", queries, spec.query_heads), ("keys", keys, spec.kv_heads)]
            {
                let shape = vec![count, heads, spec.head_dim];
                let numbers = Numbers::Float(&rows[..shape.iter().product()]);
                tensors.push((name_of(number, name), Stored { numbers, shape }));
            }
        }
        let layers = self.layers.iter().map(|layer| Sizes::of(&layer.spec)).collect();
        let header = Header { version: VERSION, prompt: self.prompt, layers };
        let header = serde_json::to_string(&header).map_err(|error| RecordingError::Write(error.into()))?;
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(RecordingError::Write)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`RecordingError`], naming the file, and the tensor where one is at fault.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::Read { path: path.to_owned(), source };
        let bytes = fs::read(path).map_err(failed)?;
        let damaged = |source| RecordingError::Damaged { path: path.to_owned(), source };
        let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let header = metadata.metadata().as_ref().and_then(|fields| fields.get(KEY));
        let header = header.ok_or_else(|| RecordingError::Foreign { path: path.to_owned() })?;
        let unusable = |problem| RecordingError::Header { path: path.to_owned(), problem };
        let header = Header::parse(header).map_err(unusable)?;
        let file = File { path, tensors };
        let tokens = file.tokens()?;
        if header.prompt > tokens.len() {
            let prompt = header.prompt;
            return Err(unusable(format!("a prompt of {prompt} tokens among {}", tokens.len())));
        }
        let layers = header.layers.iter().enumerate();
        let layers = layers.map(|(number, sizes)| file.layer(number, sizes, tokens.len()));
        Ok(Self { layers: layers.collect::<Result<_, _>>()?, tokens, prompt: header.prompt })
    }
}

impl Header {
    fn parse(json: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if value["version"] != VERSION {
            return Err(format!("it has version {}, not {VERSION}", value["version"]));
        }
        let header: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let odd = |s: &Sizes| {
            let none = s.head_dim == 0 || s.query_heads == 0 || s.kv_heads == 0;
            none || !s.query_heads.is_multiple_of(s.kv_heads)
        };
        match header.layers.iter().position(odd) {
            Some(layer) => Err(format!("the heads of layer {layer} are none, or do not divide")),
            None if header.layers.is_empty() => Err("it has no layers".to_owned()),
            None if header.layers.iter().any(|s| !(s.scale as f32).is_finite()) => {
                Err("the scale of a layer's scores leaves the range of f32".to_owned())
            }
            None => Ok(header),
        }
    }
}

impl Sizes {
    fn of(spec: &LayerSpec) -> Self {
        let LayerSpec { query_heads, kv_heads, head_dim, scale, sliding_window } = *spec;
        Self { query_heads, kv_heads, head_dim, scale: scale.into(), sliding_window }
    }

    fn spec(&self) -> LayerSpec {
        let Self { query_heads, kv_heads, head_dim, scale, sliding_window } = *self;
        LayerSpec { query_heads, kv_heads, head_dim, scale: scale as f32, sliding_window }
    }
}

/// A file whose header is in order.
struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl File<'_> {
    fn tokens(&self) -> Result<Vec<u32>, RecordingError> {
        let shape = self.tensors.tensor(TOKENS).map(|view| view.shape().to_vec()).unwrap_or_default();
        // However many there are.
        let count = shape.first().copied().unwrap_or(0);
        self.numbers(TOKENS, Dtype::U32, &[count], u32::from_le_bytes)
    }

    fn layer(&self, number: usize, sizes: &Sizes, tokens: usize) -> Result<Layer, RecordingError> {
        let rows = |name: &str, heads: usize| {
            let name = name_of(number, name);
            let shape = [tokens, heads, sizes.head_dim];
            let rows = self.numbers(&name, Dtype::F32, &shape, f32::from_le_bytes)?;
            match rows.iter().all(|number| number.is_finite()) {
                true => Ok(rows),
                false => Err(RecordingError::NotFinite { path: self.path.to_owned(), tensor: name }),
            }
        };
        let (queries, keys) = (rows("queries", sizes.query_heads)?, rows("keys", sizes.kv_heads)?);
        if overflows(sizes, tokens, &queries, &keys) {
            return Err(RecordingError::Overflow { path: self.path.to_owned(), layer: number });
        }
        Ok(Layer { spec: sizes.spec(), queries, keys })
    }

    /// The numbers of a tensor of this type and shape; `of` makes one of its little-endian bytes.
    fn numbers<T>(
        &self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        of: fn([u8; BYTES]) -> T,
    ) -> Result<Vec<T>, RecordingError> {
        let (path, tensor) = (self.path.to_owned(), name.to_owned());
        let view = match self.tensors.tensor(name) {
            Ok(view) => view,
            Err(_) => return Err(RecordingError::Missing { path, tensor }),
        };
        if (view.dtype(), view.shape()) != (dtype, shape) {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            let expected = format!("{dtype:?} {shape:?}");
            return Err(RecordingError::Tensor { path, tensor, found, expected });
        }
        Ok(view.data().as_chunks().0.iter().copied().map(of).collect())
    }
}

/// Whether scores, or what policies make of keys (squares, and sums over tokens), can leave the range of f32.
fn overflows(sizes: &Sizes, tokens: usize, queries: &[f32], keys: &[f32]) -> bool {
    let largest = |rows: &[f32]| f64::from(rows.iter().fold(0f32, |most, number| most.max(number.abs())));
    let (query, key, width) = (largest(queries), largest(keys), sizes.head_dim as f64);
    let factor = sizes.scale.abs().max(1.0);
    [query * key * width * factor, key * key * width * tokens as f64]
        .iter()
        .any(|most| *most > f64::from(f32::MAX))
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::Float(_) => Dtype::F32,
            Numbers::Whole(_) => Dtype::U32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.numbers {
            Numbers::Float(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Numbers::Whole(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        BYTES * self.shape.iter().product::<usize>()
    }
}

fn name_of(layer: usize, name: &str) -> String {
    format!("layer.{layer}.{name}")
}
