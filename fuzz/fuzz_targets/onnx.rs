//! Any bytes as an ONNX model: a program or an error, never a panic.
//!
//! ```sh
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none onnx build/fuzz/onnx compiler/tests/corpus -- -timeout=1 -rss_limit_mb=1024
//! ```
//! The length chooses the configuration, so that the corpus is models as they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quern_compiler::{compile, Options};
use quern_isa::CONFIGS;

fuzz_target!(|data: &[u8]| {
    let config = CONFIGS[data.len() % CONFIGS.len()];
    if let Ok(compiled) = compile(data, &config, &Options::default()) {
        let _ = compiled.listing();
    }
});
