//! Networks on a simulated board, by way of its serial pins, a pseudo-terminal and the
//! ordinary driver; what comes back must be ONNX Runtime's output, bit for bit.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const MODELS: [&str; 2] = ["digits-mlp", "digits-cnn"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn quern() -> Command {
    let mut quern = Command::new(env!("CARGO_BIN_EXE_quern"));
    quern.current_dir(root());
    quern
}

/// `quern board simulate`, as long as it is needed.
struct Simulated {
    process: Child,
    port: String,
}

impl Simulated {
    fn start() -> Simulated {
        let mut process = quern()
            .args(["board", "simulate"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let port = port.trim().to_owned();
        assert!(!port.is_empty(), "the simulated board names its port");
        Simulated { process, port }
    }

    fn target(&self) -> String {
        format!("board:{}", self.port)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The elements of a .npy file of floats, behind its header.
fn elements(path: &Path) -> Vec<u8> {
    let file = fs::read(path).unwrap();
    assert_eq!(&file[..6], b"\x93NUMPY");
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let text = String::from_utf8_lossy(&file[10..header]).into_owned();
    assert!(text.contains("'<f4'") && text.contains("False"), "{text}");
    file[header..].to_vec()
}

/// What ONNX Runtime makes of the first images; none if it is not installed.
fn onnxruntime(model: &str, images: usize, folder: &Path) -> Option<Vec<u8>> {
    let python = root().join("build/venv/bin/python");
    if !python.exists() {
        eprintln!("NOT COMPARED with ONNX Runtime, which scripts/setup installs");
        return None;
    }
    let path = folder.join("onnxruntime.npy");
    let script = format!(
        "import numpy, onnxruntime\n\
         session = onnxruntime.InferenceSession('models/{model}.onnx')\n\
         x = numpy.load('models/digits-x.npy')[:{images}]\n\
         y = session.run(None, {{session.get_inputs()[0].name: x}})[0]\n\
         numpy.save({:?}, y)",
        path.to_str().unwrap()
    );
    let output = Command::new(python)
        .current_dir(root())
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(elements(&path))
}

fn agrees_with_onnxruntime(model: &str, images: usize, on: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.npy");
    let output = quern()
        .arg("run")
        .arg(format!("models/{model}.onnx"))
        .args(["--input", "models/digits-x.npy", "--on", on])
        .args(["--limit", &images.to_string()])
        .args(["--batch", &images.min(16).to_string()])
        .arg("--output")
        .arg(&path)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{model} on {on}: {message}");
    let ours = elements(&path);
    assert_eq!(ours.len(), images * 10 * 4);
    if let Some(theirs) = onnxruntime(model, images, folder.path()) {
        assert!(ours == theirs, "{model} on {on} differs from ONNX Runtime");
    }
}

/// `QUERN_IMAGES=100` is what `docs/board.md` reports.
#[test]
fn digits_through_the_pseudo_terminal_are_onnxruntimes() {
    let wanted = std::env::var("QUERN_IMAGES").ok();
    let images = wanted.map_or(16, |count| count.parse().expect("a number"));
    let board = Simulated::start();
    for model in MODELS {
        agrees_with_onnxruntime(model, images, &board.target());
    }
    let show = |what: &str| {
        let output = quern()
            .args(["board", what, &board.port, "--json"])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{what}: {output:?}");
        let text: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        text
    };
    let info = show("info");
    assert_eq!(
        (&info["current"], &info["clock_hz"]),
        (&true.into(), &100_000_000.into())
    );
    let counters = show("counters");
    assert_eq!(
        (&counters["timeouts"], &counters["frames_damaged"]),
        (&0.into(), &0.into())
    );
    assert!(counters["cycles"].as_u64() > Some(0));
}

/// What the bits of the image do, at the clock and with the serial rate it will have. Takes
/// some minutes, and longer where the image has to be built first.
#[test]
fn digits_on_the_bitstream_are_onnxruntimes() {
    if std::env::var_os("QUERN_BITSTREAM").is_none() {
        eprintln!("SKIPPED: networks on the packed image; set QUERN_BITSTREAM=1");
        return;
    }
    for model in MODELS {
        agrees_with_onnxruntime(model, 5, "bitstream");
    }
}
