//! Verilog under Icarus.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles and runs Verilog files, with options of `iverilog` among them, and returns
/// what they print.
pub fn run(folder: &Path, arguments: &[&str]) -> String {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap_or_else(|error| panic!("{program} (`apt-get install iverilog`): {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{program}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let mut all = vec!["-g2012", "-o", "test.vvp"];
    all.extend(arguments);
    run("iverilog", &all);
    run("vvp", &["-n", "test.vvp"])
}

/// [`run`] with the cells' models.
#[allow(dead_code)] // not in every test that has this module
pub fn run_cells(folder: &Path, arguments: &[&str]) -> String {
    let models = cell_models();
    let models = models.to_str().expect("a plain path");
    let mut all = vec!["-DNO_ICE40_DEFAULT_ASSIGNMENTS", models];
    all.extend(arguments);
    run(folder, &all)
}

/// The simulation models of iCE40 cells that come with Yosys.
#[allow(dead_code)]
fn cell_models() -> PathBuf {
    let path = std::env::var_os("PATH").expect("PATH is set");
    std::env::split_paths(&path)
        .map(|folder| folder.join("../share/yosys/ice40/cells_sim.v"))
        .find(|models| models.is_file())
        .expect("yosys is installed with its share folder (`apt-get install yosys`)")
}
