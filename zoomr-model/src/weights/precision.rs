//! Matrices in fewer bits, or in more: which tensor gets which format, and the work, on several threads.

use std::{fmt, num::NonZeroUsize, str::FromStr, thread};

use half::{bf16, f16};
use zoomr_core::weight::{Encoding, Made, StoredWeight, WeightFormat, encode};

use super::names::{EMBEDDING, HEAD};

/// What the matrices of a model are to be stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// Blocks of small whole numbers.
    Blocks(Encoding),
}

/// How one tensor's numbers are stored, of what can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    F32,
    F16,
    Bf16,
    Blocks(Made),
}

impl From<Form> for WeightFormat {
    fn from(form: Form) -> Self {
        match form {
            Form::F32 => Self::F32,
            Form::F16 => Self::F16,
            Form::Bf16 => Self::Bf16,
            Form::Blocks(made) => made.into(),
        }
    }
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Blocks(Encoding::Q8_0),
        Self::Blocks(Encoding::Q4_0),
        Self::Blocks(Encoding::Q4K),
        Self::Bf16,
        Self::F16,
        Self::F32,
    ];

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Blocks(Encoding::Q8_0) => "q8_0",
            Self::Blocks(Encoding::Q4_0) => "q4_0",
            Self::Blocks(Encoding::Q4K) => "q4_K",
        }
    }

    /// The form of the tensor `name` of `shape`, which has vectors in f32, and the embedding and the output head, which
    /// every token's logits depend on, in 8 bits at least. Where rows are no whole blocks, f16, as in llama.cpp.
    pub(crate) fn form(self, name: &str, shape: &[usize]) -> Form {
        let [_, columns] = *shape else { return Form::F32 };
        match self {
            Self::F32 => Form::F32,
            Self::F16 => Form::F16,
            Self::Bf16 => Form::Bf16,
            Self::Blocks(encoding) => {
                let encoding = if matches!(name, EMBEDDING | HEAD) { Encoding::Q8_0 } else { encoding };
                encoding.format(columns).map_or(Form::F16, Form::Blocks)
            }
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    /// By its name, in either case.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The numbers of `weight` in another form, row after row, on up to `threads` threads.
pub(crate) fn converted(weight: &StoredWeight, form: Form, threads: NonZeroUsize) -> Vec<u8> {
    if weight.format() == form.into() {
        return weight.bytes().to_vec();
    }
    let share = weight.rows().div_ceil(threads.get()).max(1);
    let starts: Vec<usize> = (0..weight.rows()).step_by(share).collect();
    let rows = |start: usize| start..(start + share).min(weight.rows());
    let part = |start: usize| rows(start).flat_map(|row| row_of(weight, row, form)).collect::<Vec<u8>>();
    let part = &part;
    thread::scope(|scope| {
        // Where the system allows of no more threads, this one does the work.
        let begun: Vec<_> = starts
            .iter()
            .map(|&start| (start, thread::Builder::new().spawn_scoped(scope, move || part(start))))
            .collect();
        let parts =
            begun.into_iter().flat_map(|(start, thread)| match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(bytes)) => bytes,
                _ => part(start),
            });
        parts.collect()
    })
}

fn row_of(weight: &StoredWeight, row: usize, form: Form) -> Vec<u8> {
    let numbers = weight.to_f32(row..row + 1);
    match form {
        Form::F32 => numbers.into_iter().flat_map(f32::to_le_bytes).collect(),
        Form::F16 => numbers.into_iter().flat_map(|number| f16::from_f32(number).to_le_bytes()).collect(),
        Form::Bf16 => numbers.into_iter().flat_map(|number| bf16::from_f32(number).to_le_bytes()).collect(),
        Form::Blocks(made) => {
            let mut bytes = Vec::new();
            encode(made, &numbers, &mut bytes);
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroUsize = NonZeroUsize::new(3).unwrap();

    #[test]
    fn each_tensor_has_the_form_that_suits_it() {
        let form = |precision: &str, name, shape: &[usize]| {
            WeightFormat::from(precision.parse::<Precision>().unwrap().form(name, shape)).name()
        };
        let gate = "model.layers.0.mlp.gate_proj.weight";
        assert_eq!(form("q4_k", gate, &[512, 256]), "q4_K");
        assert_eq!(form("q4_K", gate, &[512, 576]), "q5_0");
        assert_eq!(form("q4_0", gate, &[512, 576]), "q4_0");
        assert_eq!(form("q4_0", EMBEDDING, &[512, 576]), "q8_0");
        assert_eq!(form("q4_K", HEAD, &[512, 256]), "q8_0");
        assert_eq!(form("q8_0", gate, &[512, 40]), "f16");
        assert_eq!(form("bf16", "model.norm.weight", &[512]), "f32");
        assert!("q3_K".parse::<Precision>().unwrap_err().contains("q8_0, q4_0, q4_K"));
    }

    #[test]
    fn threads_change_no_byte() {
        let numbers: Vec<f32> = (0..7 * 64).map(|n| ((n * 37 % 101) as f32 - 50.0) / 16.0).collect();
        let weight = StoredWeight::from_f32(&numbers, 7, 64).unwrap();
        for form in [Form::F32, Form::F16, Form::Bf16, Form::Blocks(Made::Q8_0), Form::Blocks(Made::Q5_0)] {
            let one = converted(&weight, form, NonZeroUsize::MIN);
            assert_eq!(one, converted(&weight, form, THREE));
            assert_eq!(one.len(), 7 * WeightFormat::from(form).row_bytes(64).unwrap());
        }
    }
}
