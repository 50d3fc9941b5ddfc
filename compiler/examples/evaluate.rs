//! What a model computes by the plain interpreter, without any machine:
//!
//! ```sh
//! cargo run --release -p quern-compiler --example evaluate -- MODEL.onnx X.npy OUT.npy
//! ```

use npyz::{NpyFile, WriterBuilder};
use quern_compiler::{network_of, Array, Values};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output] = &arguments[..] else {
        return Err("usage: evaluate MODEL.onnx X.npy OUT.npy".into());
    };
    let network = network_of(&std::fs::read(model)?)?;
    for note in &network.notes {
        eprintln!("note: {note}");
    }
    for operation in &network.operations {
        let shape = network.maps[operation.output.0].shape;
        eprintln!(
            "{:<16} {:>4} x {:>3} x {:>4}  {}",
            operation.kind.name(),
            shape.height,
            shape.width,
            shape.channels,
            operation.name
        );
    }
    let array = read(&std::fs::read(input)?)?;
    write(output, &network.run(&array))
}

fn read(bytes: &[u8]) -> Result<Array, Box<dyn Error>> {
    let file = NpyFile::new(bytes)?;
    let shape = file.shape().iter().map(|&n| n as usize).collect();
    let values = match file.dtype().descr().as_str() {
        "'<f4'" => Values::F32(file.into_vec()?),
        "'|i1'" => Values::I8(file.into_vec()?),
        "'|u1'" => Values::U8(file.into_vec()?),
        other => return Err(format!("samples are float32, int8 or uint8, not {other}").into()),
    };
    Ok(Array { shape, values })
}

fn write(path: &str, array: &Array) -> Result<(), Box<dyn Error>> {
    fn encode<T: npyz::Serialize + npyz::AutoSerialize + Copy>(
        path: &str,
        shape: &[usize],
        values: &[T],
    ) -> Result<(), Box<dyn Error>> {
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(std::fs::File::create(path)?)
            .begin_nd()?;
        writer.extend(values.iter().copied())?;
        Ok(writer.finish()?)
    }
    match &array.values {
        Values::F32(values) => encode(path, &array.shape, values),
        Values::I8(values) => encode(path, &array.shape, values),
        Values::U8(values) => encode(path, &array.shape, values),
        Values::I64(values) => encode(path, &array.shape, values),
    }
}
