//! Tensors as the host has them: what goes in is what a `.npy` file holds, what
//! comes out is what ONNX Runtime would return.

/// A dense array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    F32(Vec<f32>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    /// Of outputs only: what ArgMax gives.
    I64(Vec<i64>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::I8(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::I64(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Values::F32(_) => "float32",
            Values::I8(_) => "int8",
            Values::U8(_) => "uint8",
            Values::I64(_) => "int64",
        }
    }
}

impl Array {
    /// Joins arrays of the same type along the first axis.
    ///
    /// # Panics
    /// When types or the other dimensions differ: these are parts of one output.
    pub fn append(&mut self, other: Array) {
        assert_eq!(self.shape[1..], other.shape[1..], "shapes differ");
        self.shape[0] += other.shape[0];
        match (&mut self.values, other.values) {
            (Values::F32(ours), Values::F32(theirs)) => ours.extend(theirs),
            (Values::I8(ours), Values::I8(theirs)) => ours.extend(theirs),
            (Values::U8(ours), Values::U8(theirs)) => ours.extend(theirs),
            (Values::I64(ours), Values::I64(theirs)) => ours.extend(theirs),
            (ours, theirs) => panic!("{} joined with {}", ours.type_name(), theirs.type_name()),
        }
    }
}
