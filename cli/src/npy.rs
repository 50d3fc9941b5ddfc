//! Arrays in numpy's `.npy` files.

use crate::files;
use miette::{miette, IntoDiagnostic, Result, WrapErr};
use npyz::{DType, NpyFile, TypeChar, WriterBuilder};
use quern_compiler::{Array, Values};
use std::path::Path;

/// Reads samples: float32, int8 or uint8, in C order.
pub fn read_array(path: &Path) -> Result<Array> {
    array(&files::read(path)?, path)
}

/// Reads class labels: one integer a sample.
pub fn read_labels(path: &Path) -> Result<Vec<i64>> {
    labels(&files::read(path)?, path)
}

/// The samples in a file's bytes; `path` is what errors call it.
pub fn array(bytes: &[u8], path: &Path) -> Result<Array> {
    let file = open(bytes, path)?;
    let shape: Vec<usize> = file.shape().iter().map(|&size| size as usize).collect();
    let values = match kind(&file) {
        Some((TypeChar::Float, 4)) => Values::F32(values(file, path)?),
        Some((TypeChar::Int, 1)) => Values::I8(values(file, path)?),
        Some((TypeChar::Uint, 1)) => Values::U8(values(file, path)?),
        _ => {
            let found = file.dtype().descr();
            return Err(miette!(
                help = "convert it, for example: np.save(path, x.astype(np.float32))",
                "{} holds {found}; samples are float32, int8 or uint8",
                path.display()
            ));
        }
    };
    Ok(Array { shape, values })
}

/// The labels in a file's bytes.
pub fn labels(bytes: &[u8], path: &Path) -> Result<Vec<i64>> {
    let file = open(bytes, path)?;
    if file.shape().len() != 1 {
        return Err(miette!(
            "{} has shape {:?}; labels are one integer a sample",
            path.display(),
            file.shape()
        ));
    }
    fn widen<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
        values.into_iter().map(Into::into).collect()
    }
    Ok(match kind(&file) {
        Some((TypeChar::Int, 8)) => values(file, path)?,
        Some((TypeChar::Int, 4)) => widen::<i32>(values(file, path)?),
        Some((TypeChar::Int, 2)) => widen::<i16>(values(file, path)?),
        Some((TypeChar::Int, 1)) => widen::<i8>(values(file, path)?),
        Some((TypeChar::Uint, 4)) => widen::<u32>(values(file, path)?),
        Some((TypeChar::Uint, 2)) => widen::<u16>(values(file, path)?),
        Some((TypeChar::Uint, 1)) => widen::<u8>(values(file, path)?),
        _ => {
            let found = file.dtype().descr();
            return Err(miette!(
                "{} holds {found}; labels are integers",
                path.display()
            ));
        }
    })
}

/// Writes an array as numpy would save it.
pub fn write_array(path: &Path, array: &Array) -> Result<()> {
    fn encode<T: npyz::Serialize + npyz::AutoSerialize + Copy>(
        shape: &[u64],
        values: &[T],
    ) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .writer(&mut bytes)
            .begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(bytes)
    }
    let shape: Vec<u64> = array.shape.iter().map(|&size| size as u64).collect();
    let bytes = match &array.values {
        Values::F32(values) => encode(&shape, values),
        Values::I8(values) => encode(&shape, values),
        Values::U8(values) => encode(&shape, values),
        Values::I64(values) => encode(&shape, values),
    };
    files::write(path, &bytes.into_diagnostic()?)
}

/// Opens the file and checks that it is as long as its header says, before
/// anything of that size is allocated.
fn open<'a>(bytes: &'a [u8], path: &Path) -> Result<NpyFile<&'a [u8]>> {
    let damaged = || format!("{} is not a readable .npy file", path.display());
    let header = npyz::NpyHeader::from_reader(bytes)
        .into_diagnostic()
        .wrap_err_with(damaged)?;
    if header.order() != npyz::Order::C {
        return Err(miette!(
            help = "save it with np.save(path, np.ascontiguousarray(x))",
            "{} is in Fortran order",
            path.display()
        ));
    }
    let elements = header
        .shape()
        .iter()
        .try_fold(1u64, |product, &size| product.checked_mul(size));
    let element_bytes = header.dtype().num_bytes().unwrap_or(1) as u64;
    let expected = elements.and_then(|count| count.checked_mul(element_bytes));
    if expected.is_none_or(|expected| expected > bytes.len() as u64) {
        return Err(miette!(
            "{} is cut short: its header promises shape {:?}",
            path.display(),
            header.shape()
        ));
    }
    NpyFile::new(bytes).into_diagnostic().wrap_err_with(damaged)
}

fn kind(file: &NpyFile<&[u8]>) -> Option<(TypeChar, u64)> {
    match file.dtype() {
        DType::Plain(kind) => Some((kind.type_char(), kind.size_field())),
        _ => None,
    }
}

fn values<T: npyz::Deserialize>(file: NpyFile<&[u8]>, path: &Path) -> Result<Vec<T>> {
    file.into_vec()
        .into_diagnostic()
        .wrap_err_with(|| format!("can't read the values of {}", path.display()))
}
