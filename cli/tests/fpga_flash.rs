//! `quern fpga flash` with stand-ins for the tools that write to the board: scripts that
//! note how they are called, and say what the real ones say.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What iceprog prints of a V1 board.
const GOOD: &str = "\
echo 'init..' >&2
echo 'cdone: high' >&2
echo 'reset..' >&2
echo 'cdone: low' >&2
echo 'flash ID: 0xEF 0x40 0x16 0x00' >&2
echo 'programming..' >&2
echo 'reading..' >&2
echo 'VERIFY OK' >&2
echo 'cdone: high' >&2
echo 'Bye.' >&2";

const NO_DEVICE: &str = "\
echo 'init..' >&2
echo \"Can't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).\" >&2
echo 'ABORT.' >&2
exit 2";

const PROTECTED: &str = "\
echo 'init..' >&2
echo 'flash ID: 0xBF 0x26 0x42 0xBF 0xFF' >&2
echo 'programming..' >&2
echo 'reading..' >&2
echo 'Found difference between flash and file!' >&2
exit 3";

const DIFFERS: &str = "\
echo 'flash ID: 0xEF 0x40 0x16 0x00' >&2
echo 'Found difference between flash and file!' >&2
exit 3";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// With an image where `quern fpga build` puts it.
    fn new() -> Desk {
        let desk = Desk {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut image = vec![0xFF, 0x00, 0x00, 0xFF, 0x7E, 0xAA, 0x99, 0x7E];
        image.resize(135_100, 0);
        fs::create_dir_all(desk.path("build/fpga/cu")).unwrap();
        fs::create_dir_all(desk.path("bin")).unwrap();
        fs::write(desk.image(), image).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self) -> PathBuf {
        self.path("build/fpga/cu/quern.bin")
    }

    /// Installs a script that notes its arguments.
    fn tool(self, name: &str, says: &str) -> Desk {
        let file = self.path("bin").join(name);
        let calls = self.path("calls");
        let script = format!(
            "#!/bin/sh\necho {name} \"$@\" >>{}\n{says}\n",
            calls.display()
        );
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn flash(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_quern"))
            .args(["fpga", "flash"])
            .args(arguments)
            .current_dir(self.folder.path())
            // The scripts need nothing but the shell's own commands.
            .env("PATH", self.path("bin"))
            .output()
            .unwrap()
    }

    /// Output of a run that succeeds.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.flash(arguments);
        assert!(output.status.success(), "{}", error_text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of one that does not, without the line breaks of its frame.
    fn error(&self, arguments: &[&str]) -> String {
        let output = self.flash(arguments);
        assert!(!output.status.success(), "it succeeds");
        error_text(&output)
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }
}

fn error_text(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let words = text.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<_>>().join(" ")
}

fn digits() -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    models.join("digits-mlp.onnx").display().to_string()
}

#[test]
fn image_and_program_are_written_to_their_places() {
    let desk = Desk::new().tool("iceprog", GOOD);
    let text = desk.text(&["--program", &digits()]);
    let program = desk.path("build/fpga/program.bin");
    let calls = [
        format!("iceprog -o 0 {}", desk.image().display()),
        format!("iceprog -o 262144 {}", program.display()),
    ];
    assert_eq!(desk.calls(), calls);
    assert!(text.contains("0x000000 to 0x020fbb"), "{text}");
    assert!(text.contains("0x040000 to"), "{text}");
    assert!(text.contains("written and verified"), "{text}");
    let bytes = fs::read(program).unwrap();
    let (classes, records) = quern_isa::standalone::from_flash(&bytes, &quern_isa::CU).unwrap();
    assert_eq!(classes, 10);
    assert!(records.len() > 10);
}

#[test]
fn a_dry_run_prints_what_a_run_does_and_does_nothing() {
    let desk = Desk::new().tool("iceprog", GOOD);
    let dry = desk.text(&["--dry-run", "--program", &digits()]);
    assert_eq!(desk.calls(), Vec::<String>::new());
    desk.text(&["--program", &digits()]);
    for call in desk.calls() {
        assert!(dry.contains(&call), "{call}: {dry}");
    }
    let json = desk.text(&["--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["flashed"], false);
    assert_eq!(json["writes"][0]["bytes"], 135_100);
}

#[test]
fn only_the_program_is_written_where_the_image_stays() {
    let desk = Desk::new().tool("iceprog", GOOD);
    desk.text(&["--keep-image", "--program", &digits()]);
    assert_eq!(desk.calls().len(), 1);
    assert!(desk.calls()[0].starts_with("iceprog -o 262144 "));
}

#[test]
fn a_v2_board_is_written_with_the_tool_that_unlocks_it() {
    let desk = Desk::new().tool("iceprog", GOOD).tool("openFPGALoader", "");
    desk.text(&["--board", "cu-v2"]);
    let call = format!(
        "openFPGALoader -b ice40_generic --write-flash --verify --offset 0 {}",
        desk.image().display()
    );
    assert_eq!(desk.calls(), [call]);
}

#[test]
fn what_a_tool_reports_is_explained() {
    let desk = Desk::new().tool("iceprog", PROTECTED);
    let error = desk.error(&[]);
    assert!(
        error.contains("SST26VF032B") && error.contains("--board cu-v2"),
        "{error}"
    );

    let desk = Desk::new().tool("iceprog", DIFFERS);
    let error = desk.error(&[]);
    assert!(error.contains("does not hold what was written"), "{error}");

    let desk = Desk::new().tool("iceprog", NO_DEVICE);
    let error = desk.error(&[]);
    // Whatever is plugged in here, it is one of the three.
    let known = ["no board was found", "may not use it", "board is in use"];
    assert!(known.iter().any(|text| error.contains(text)), "{error}");
    // The image failed: the program was not tried.
    let desk = Desk::new().tool("iceprog", NO_DEVICE);
    desk.error(&["--program", &digits()]);
    assert_eq!(desk.calls().len(), 1);
}

#[test]
fn without_a_tool_or_an_image_it_says_where_to_get_one() {
    let desk = Desk::new();
    let error = desk.error(&[]);
    assert!(error.contains("apt-get install fpga-icestorm"), "{error}");
    let desk = Desk::new().tool("iceprog", GOOD);
    fs::write(desk.image(), "PNG").unwrap();
    let error = desk.error(&[]);
    assert!(error.contains("no iCE40 bitstream"), "{error}");
    fs::write(desk.image(), [0x7E, 0xAA, 0x99, 0x7E].repeat(0x1_0001)).unwrap();
    let error = desk.error(&[]);
    assert!(error.contains("262148 bytes"), "{error}");
    fs::remove_file(desk.image()).unwrap();
    let error = desk.error(&[]);
    assert!(error.contains("quern fpga build"), "{error}");
    assert_eq!(desk.calls(), Vec::<String>::new());
}
