//! Any bytes as an ONNX model: a program or an error, never a panic.
//!
//! ```sh
//! cargo install cargo-fuzz
//! cargo fuzz run --sanitizer none onnx compiler/tests/corpus -- -timeout=1 -rss_limit_mb=1024
//! ```
//! The first byte chooses the configuration, the rest is the model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quern_compiler::{compile, Options};
use quern_isa::CONFIGS;

fuzz_target!(|data: &[u8]| {
    if let Some((choice, model)) = data.split_first() {
        let config = CONFIGS[*choice as usize % CONFIGS.len()];
        if let Ok(compiled) = compile(model, &config, &Options::default()) {
            let _ = compiled.listing();
        }
    }
});
