//! The host's part: codes into host memory before a run, and out of it after.

use crate::array::{Array, Values};
use crate::graph::Batch;
use crate::network::{CodeType, InputEdge, InputKind, OutputEdge, OutputKind, Source};
use miette::Diagnostic;
use quern_isa::{Config, Region};
use std::ops::Range;
use std::rc::Rc;
use thiserror::Error;

/// An array that is no input of the model.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum InputError {
    #[error("the model's input `{name}` is {expected}, this array is {actual}")]
    #[diagnostic(
        code(quern::input::type_),
        help("convert it, for example with numpy's astype")
    )]
    Type {
        name: String,
        expected: &'static str,
        actual: &'static str,
    },
    #[error("the model's input `{name}` has shape {expected}, this array has {actual:?}")]
    #[diagnostic(
        code(quern::input::shape),
        help("the first axis counts samples; the others must be as the model has them")
    )]
    Shape {
        name: String,
        expected: String,
        actual: Vec<usize>,
    },
    #[error("the array's shape {shape:?} does not go with its {values} values")]
    #[diagnostic(code(quern::input::length))]
    Length { shape: Vec<usize>, values: usize },
    #[error("the array has no samples")]
    #[diagnostic(code(quern::input::empty))]
    Empty,
    #[error("`{name}` takes {batch} samples at a time, and {samples} are no multiple of it")]
    #[diagnostic(code(quern::input::batch))]
    Batch {
        name: String,
        batch: usize,
        samples: usize,
    },
}

/// A map in host memory: for each sample its pixels, each padded to whole words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub region: Region,
    pub channels: usize,
}

impl Layout {
    /// Byte offsets of some of a sample's elements.
    pub(crate) fn offsets<'a>(
        &self,
        config: &Config,
        sample: usize,
        elements: &'a [u32],
    ) -> impl Iterator<Item = usize> + 'a {
        let pixel_bytes = self.channels.div_ceil(config.lanes) * config.lanes;
        let start = self.region.offset as usize
            + sample * self.region.words_per_sample as usize * config.lanes;
        let channels = self.channels;
        elements.iter().map(move |&element| {
            let element = element as usize;
            start + element / channels * pixel_bytes + element % channels
        })
    }
}

/// Number of samples in an array that fits the model's input.
pub(crate) fn check(edge: &InputEdge, input: &Array) -> Result<usize, InputError> {
    let expected = match edge.kind {
        InputKind::Real(_) => "float32",
        InputKind::Codes(code) => code.name(),
    };
    let actual = input.values.type_name();
    if expected != actual {
        return Err(InputError::Type {
            name: edge.name.clone(),
            expected,
            actual,
        });
    }
    let samples = match input.shape.split_first() {
        Some((&samples, sample)) if sample == edge.sample => samples,
        _ => {
            return Err(InputError::Shape {
                name: edge.name.clone(),
                expected: shape_text(edge),
                actual: input.shape.clone(),
            })
        }
    };
    let elements = edge.sample.iter().product::<usize>();
    if samples.checked_mul(elements) != Some(input.values.len()) {
        return Err(InputError::Length {
            shape: input.shape.clone(),
            values: input.values.len(),
        });
    }
    match edge.batch {
        _ if samples == 0 => Err(InputError::Empty),
        Batch::Fixed(batch) if samples % batch != 0 => Err(InputError::Batch {
            name: edge.name.clone(),
            batch,
            samples,
        }),
        _ => Ok(samples),
    }
}

fn shape_text(edge: &InputEdge) -> String {
    let sample = edge.sample.iter().map(usize::to_string);
    let dims: Vec<String> = std::iter::once("samples".to_string())
        .chain(sample)
        .collect();
    format!("[{}]", dims.join(", "))
}

/// How the host arranges the input map before it goes into host memory.
#[derive(Debug, Clone)]
pub(crate) struct Arrangement {
    /// Elements of the map as the model has it.
    pub elements: usize,
    /// What each element in host memory is of it. None if nothing is moved.
    pub sources: Option<Rc<[Source]>>,
}

impl Arrangement {
    fn apply(&self, codes: Vec<u8>) -> Vec<u8> {
        let Some(sources) = &self.sources else {
            return codes;
        };
        let code = |source: &Source| match *source {
            Source::Element { element, .. } => codes[element as usize],
            Source::Code(code) => code,
        };
        sources.iter().map(code).collect()
    }
}

/// Writes samples into host memory.
pub(crate) fn write(
    edge: &InputEdge,
    layout: &Layout,
    arrangement: &Arrangement,
    config: &Config,
    input: &Array,
    samples: Range<usize>,
    host: &mut [u8],
) {
    let elements = edge.sample.iter().product::<usize>();
    let stored = |index: usize| match (&input.values, edge.kind) {
        (Values::F32(values), InputKind::Real(quantiser)) => {
            edge.code(&quantiser, index % elements, values[index])
        }
        (Values::I8(values), _) => (values[index] as i32 + CodeType::I8.offset()) as u8,
        (Values::U8(values), _) => values[index],
        _ => unreachable!("checked before"),
    };
    for (place, sample) in samples.enumerate() {
        let mut codes = vec![0; arrangement.elements];
        for (i, &element) in edge.elements.iter().enumerate() {
            codes[element as usize] = stored(sample * elements + i);
        }
        let codes = arrangement.apply(codes);
        let all: Vec<u32> = (0..codes.len() as u32).collect();
        for (code, offset) in codes.iter().zip(layout.offsets(config, place, &all)) {
            host[offset] = *code;
        }
    }
}

/// Reads the first samples out of host memory.
pub(crate) fn read(
    edge: &OutputEdge,
    layout: &Layout,
    config: &Config,
    host: &[u8],
    samples: usize,
) -> Array {
    let stored = (0..samples)
        .flat_map(|sample| layout.offsets(config, sample, &edge.elements))
        .map(|offset| host[offset]);
    let values = match &edge.kind {
        OutputKind::Real(reals) => Values::F32(stored.map(|code| reals[code as usize]).collect()),
        OutputKind::Codes(CodeType::I8) => {
            Values::I8(stored.map(|code| (code ^ 0x80) as i8).collect())
        }
        OutputKind::Codes(CodeType::U8) => Values::U8(stored.collect()),
    };
    let mut shape = vec![samples];
    shape.extend(&edge.sample);
    crate::host::apply(&edge.functions, Array { shape, values })
}
