//! Networks on a simulated board, by way of its serial pins, a pseudo-terminal and the
//! ordinary driver; what comes back must be ONNX Runtime's output, bit for bit.
#![cfg(unix)]

use quern_isa::standalone::{Fault, FAULT_ERROR};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const MODELS: [&str; 2] = ["digits-mlp", "digits-cnn"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn quern() -> Command {
    let mut quern = Command::new(env!("CARGO_BIN_EXE_quern"));
    quern.current_dir(root());
    quern
}

/// One simulation at a time: the first one compiles the model that the others use.
static TURN: Mutex<()> = Mutex::new(());

/// Longer than a simulated board takes for anything, its model's compilation left out.
const PATIENCE: Duration = Duration::from_secs(300);

/// `quern board simulate`, as long as it is needed.
struct Simulated {
    process: Child,
    port: String,
    /// Lines on standard error: those of the LEDs, and others.
    messages: Receiver<String>,
}

impl Simulated {
    fn start(arguments: &[&str]) -> Simulated {
        let mut process = quern()
            .args(["board", "simulate"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, messages) = mpsc::channel();
        let errors = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || {
            let lines = errors.lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let mut port = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let port = port.trim().to_owned();
        assert!(!port.is_empty(), "the simulated board names its port");
        Simulated {
            process,
            port,
            messages,
        }
    }

    /// Waits until the LEDs show this, LED 7 first, LED 0 left out; returns what is said of
    /// their meaning.
    fn wait_for_leds(&self, picture: &str) -> String {
        loop {
            let line = self.messages.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the LEDs are never {picture}"));
            let Some(leds) = line.strip_prefix("LEDs 7 to 0  ") else {
                continue;
            };
            if leds.starts_with(picture) {
                let (_, meaning) = leds.split_once(": ").expect("the LEDs' meaning");
                return meaning.to_owned();
            }
        }
    }

    fn press_the_button(&mut self) {
        let input = self.process.stdin.as_mut().expect("it is a pipe");
        input.write_all(b"\n").unwrap();
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

/// LEDs 7 to 1 with this on LEDs 4 to 7, and LED 3 or not.
fn leds(code: u8, error: bool) -> String {
    let lights = (0..4).rev().map(|bit| code >> bit & 1 == 1);
    let lights = lights.chain([error, false, false]);
    lights.map(|on| if on { '●' } else { '○' }).collect()
}

/// Waiting for input.
const NO_CLASS: u8 = 15;

/// Sends images to the program in flash, and returns their classes. Outputs and classes are
/// those of ONNX Runtime.
fn classify(model: &str, images: usize, port: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.npy");
    let output = quern()
        .args(["board", "classify"])
        .arg(format!("models/{model}.onnx"))
        .args(["--input", "models/digits-x.npy", "--port", port])
        .args(["--json", "--limit", &images.to_string(), "--output"])
        .arg(&path)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{model}: {message}");
    let answers: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), images);
    let classes = answers.iter().map(|answer| answer["class"].as_u64());
    let classes: Vec<u8> = classes.map(|class| class.unwrap() as u8).collect();

    let ours = elements(&path);
    assert_eq!(ours.len(), images * 10 * 4);
    let scores = ours.chunks_exact(4);
    let scores = scores.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let scores: Vec<f32> = scores.collect();
    for (scores, class) in scores.chunks_exact(10).zip(&classes) {
        let largest = scores.iter().copied().fold(f32::MIN, f32::max);
        let first = scores.iter().position(|score| *score == largest);
        assert_eq!(first, Some(usize::from(*class)), "{model}");
    }
    if let Some(theirs) = onnxruntime(model, images, folder.path()) {
        assert!(
            ours == theirs,
            "{model} from flash differs from ONNX Runtime"
        );
    }
    classes
}

/// The board runs the model from its flash, with the classes on its LEDs. Then a host has
/// it, and after the button it is on its own again.
fn runs_from_flash(model: &str, images: usize, arguments: &[&str]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = format!("models/{model}.onnx");
    let arguments = [arguments, &["--program", &file]].concat();
    let mut board = Simulated::start(&arguments);
    assert_eq!(
        board.wait_for_leds(&leds(NO_CLASS, false)),
        "the program in flash waits for input"
    );
    let classes = classify(model, images, &board.port);
    for class in &classes {
        board.wait_for_leds(&leds(*class, false));
    }
    agrees_with_onnxruntime(model, 2, &board.target());
    board.press_the_button();
    board.wait_for_leds(&leds(NO_CLASS, false));
    assert_eq!(classify(model, 1, &board.port), classes[..1]);
}

#[test]
fn digits_from_flash_are_onnxruntimes() {
    for model in MODELS {
        runs_from_flash(model, 8, &[]);
    }
}

#[test]
fn a_board_without_a_good_program_says_why_and_serves_the_host() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let model = root().join("models/digits-mlp.onnx");
    let output = quern()
        .current_dir(folder.path())
        .args(["fpga", "flash", "--keep-image", "--dry-run", "--program"])
        .arg(&model)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut contents = fs::read(folder.path().join("build/fpga/program.bin")).unwrap();
    *contents.last_mut().unwrap() ^= 1;
    let damaged = folder.path().join("damaged.bin");
    fs::write(&damaged, contents).unwrap();
    let damaged = damaged.to_str().unwrap();
    for (arguments, fault) in [
        (&[][..], Fault::Missing),
        (&["--flash", damaged], Fault::Damaged),
    ] {
        let mut board = Simulated::start(arguments);
        let picture = leds(FAULT_ERROR | fault.code(), true);
        assert_eq!(board.wait_for_leds(&picture), fault.to_string());
        let info = quern()
            .args(["board", "info", &board.port, "--json"])
            .output()
            .unwrap();
        let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
        assert_eq!(info["program"], fault.to_string());
        let refused = quern()
            .args(["board", "classify", "models/digits-mlp.onnx"])
            .args(["--input", "models/digits-x.npy", "--port", &board.port])
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success());
        // Lines are broken where the terminal ends.
        let words = |text: &str| {
            text.replace('│', " ")
                .split_whitespace()
                .collect::<String>()
        };
        let (message, expected) = (words(&message), words(&fault.to_string()));
        assert!(message.contains(&expected), "{message}");
        agrees_with_onnxruntime("digits-mlp", 2, &board.target());
        board.press_the_button();
        board.wait_for_leds(&picture);
    }
}

/// `QUERN_IMAGES=100` is what `docs/board.md` reports.
#[test]
fn digits_through_the_pseudo_terminal_are_onnxruntimes() {
    let wanted = std::env::var("QUERN_IMAGES").ok();
    let images = wanted.map_or(16, |count| count.parse().expect("a number"));
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let board = Simulated::start(&[]);
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
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        agrees_with_onnxruntime(model, 5, "bitstream");
        drop(turn);
        runs_from_flash(model, 5, &["--from", "bitstream"]);
    }
}
