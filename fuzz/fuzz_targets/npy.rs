//! Any bytes as a .npy file of samples or labels: an array or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;

// Of the command line, which is no library.
#[path = "../../cli/src/files.rs"]
#[allow(dead_code)]
mod files;
#[path = "../../cli/src/npy.rs"]
#[allow(dead_code)]
mod npy;

fuzz_target!(|data: &[u8]| {
    let _ = npy::array(data, Path::new("x.npy"));
    let _ = npy::labels(data, Path::new("y.npy"));
});
