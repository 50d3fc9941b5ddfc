//! What the command line accepts. The texts here are the command's manual.

use crate::simulation::FAST_DIVISOR;
use clap::{Args, Parser, Subcommand};
use quern_fpga::cache::Cache;
use quern_fpga::flash::Programmer;
use quern_fpga::Board;
use quern_isa::{Config, CONFIGS};
use std::path::PathBuf;

#[derive(Parser)]
#[command(
    name = "quern",
    version,
    about = "An open int8 inference accelerator: ONNX in, the same bits out of every machine",
    long_about = "An open int8 inference accelerator, described in RustHDL.\n\n\
        A quantised ONNX model becomes a program; the program runs on the reference machine, on \
        the RTL in RustHDL's simulator and on the exported Verilog under Verilator, and all of \
        them give ONNX Runtime's integers. Without a command, `quern` shows all of that on a \
        classifier of handwritten digits.",
    after_help = "Figures and tables go to standard output, progress and remarks to standard error."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Digits from ONNX file to RTL, with every machine compared (the default)
    Demo(Demo),
    /// Run a model on inputs from a .npy file
    #[command(
        after_help = "Example:\n  quern run models/digits-mlp.onnx --input models/digits-x.npy \
        --labels models/digits-y.npy --on rtl --limit 20"
    )]
    Run(Run),
    /// Compile a model to a program
    #[command(
        after_help = "Example:\n  quern compile models/digits-mlp.onnx --config tiny --listing"
    )]
    Compile(Compile),
    /// Export the accelerator as Verilog
    Verilog(Verilog),
    /// Build for the Alchitry Cu board
    #[command(subcommand)]
    Fpga(Fpga),
    /// Talk to a board, or simulate one
    #[command(subcommand)]
    Board(BoardCommand),
    /// Measure how fast the machines simulate here, or what networks cost
    Bench(Bench),
    /// Check every claim made of the hardware, and write the evidence on one page
    #[command(
        after_help = "Examples:\n  quern verify --quick\n  quern verify --only proof --json\n\n\
        Exit code 0: every claim that was checked holds. 1: a claim does not hold, or a check \
        missed a fault put in on purpose. 2: nothing failed, but a tool is missing and leaves \
        claims open."
    )]
    Verify(Verify),
}

#[derive(Args)]
pub struct Demo {
    /// Configuration to show
    #[arg(long, default_value = "cu", value_parser = config)]
    pub config: Config,
    /// Images to run on the RTL
    #[arg(long, default_value_t = 20, value_parser = positive)]
    pub limit: usize,
    /// Folder for the program, its listing and the Verilog
    #[arg(short, long, value_name = "DIR", default_value = "build/demo")]
    pub output: PathBuf,
}

impl Default for Demo {
    fn default() -> Demo {
        Demo {
            config: quern_isa::CU,
            limit: 20,
            output: "build/demo".into(),
        }
    }
}

#[derive(Args)]
pub struct Run {
    /// Quantised model
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Samples along the first axis, of the model's input type and shape
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Expected classes, one integer a sample: reports the accuracy
    #[arg(long, value_name = "Y.npy")]
    pub labels: Option<PathBuf>,
    /// Where the model's output goes, as ONNX Runtime would return it
    #[arg(long, value_name = "OUT.npy")]
    pub output: Option<PathBuf>,
    /// Machine to run on: reference, rtl (RustHDL's simulator), verilator (the exported
    /// Verilog), board[:PORT], or bitstream[:FILE] (a packed image for the board, decoded and
    /// simulated from its serial pins; by default that of this design)
    #[arg(long, value_name = "MACHINE", default_value = "reference", value_parser = target)]
    pub on: Target,
    /// Run every program on this simulator, too, and stop where outputs, a memory or the
    /// cycles differ: reference, rtl or verilator
    #[arg(long, value_name = "MACHINE", value_parser = target)]
    pub against: Option<Target>,
    /// Serial bits per second, with `--on board`
    #[arg(long, value_name = "RATE", default_value_t = BAUD)]
    pub baud: u32,
    #[command(flatten)]
    pub compilation: Compilation,
    /// Run only the first N samples
    #[arg(long, value_name = "N", value_parser = positive)]
    pub limit: Option<usize>,
    /// Write the waveforms of the first program run (with `--on rtl`)
    #[arg(long, value_name = "FILE")]
    pub vcd: Option<PathBuf>,
    /// Write every instruction and memory write (with `--on reference`)
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Compile {
    /// Quantised model
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    #[command(flatten)]
    pub compilation: Compilation,
    /// Where the program goes; nothing is written without it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the program readably
    #[arg(long, conflicts_with = "json")]
    pub listing: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Compilation {
    /// Configuration: tiny, cu or asic16
    #[arg(long, value_name = "NAME", default_value = "cu", value_parser = config)]
    pub config: Config,
    /// Samples a program takes at once; by default as many as fit on chip, up to 16
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
}

#[derive(Args)]
pub struct Verilog {
    /// Configuration: tiny, cu or asic16
    #[arg(long, value_name = "NAME", default_value = "cu", value_parser = config)]
    pub config: Config,
    /// Folder for the Verilog, the file list and the port documentation
    /// [default: build/verilog/NAME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Of the image as it is built without a wish.
const BAUD: u32 = quern_fpga::flow::BAUD;

#[derive(Subcommand)]
pub enum BoardCommand {
    /// Restart a board and show who it is, whether its image is of this design, and whether
    /// there is a program in its flash
    Info(BoardPort),
    /// End whatever runs on a board, as its button does: the program in its flash is next
    Reset(BoardPort),
    /// Run an empty program on a board, and show its counters and those of the link
    Counters(BoardPort),
    /// Send inputs to a board that runs the program in its flash, and show the classes
    #[command(
        long_about = "Send inputs to a board that runs the program in its flash, and show the \
            classes and what the LEDs say.\n\n\
            Only the input goes to the board, and only the outputs come back. They are compared \
            with the reference machine's: another model in the flash does not go unnoticed.",
        after_help = "Example:\n  quern fpga flash --program models/digits-mlp.onnx\n  \
            quern board classify models/digits-mlp.onnx --input models/digits-x.npy \
            --labels models/digits-y.npy"
    )]
    Classify(Classify),
    /// List the serial ports that may belong to boards
    List {
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Simulate the whole board under Verilator behind a pseudo-terminal
    #[command(
        after_help = "Example, in two terminals:\n  quern board simulate --port-link build/board\n  \
        quern run models/digits-mlp.onnx --input models/digits-x.npy \
        --labels models/digits-y.npy --limit 20 --on board:build/board\n\n\
        ... or with a program in its flash:\n  \
        quern board simulate --port-link build/board --program models/digits-mlp.onnx\n  \
        quern board classify models/digits-mlp.onnx --input models/digits-x.npy \
        --port build/board"
    )]
    Simulate(Simulate),
}

#[derive(Args)]
pub struct BoardPort {
    /// Serial port; by default that of the first board found
    #[arg(value_name = "PORT")]
    pub port: Option<String>,
    /// Serial bits per second
    #[arg(long, value_name = "RATE", default_value_t = BAUD)]
    pub baud: u32,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Classify {
    /// The model whose program is in the flash
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Samples along the first axis, of the model's input type and shape
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Expected classes, one integer a sample
    #[arg(long, value_name = "Y.npy")]
    pub labels: Option<PathBuf>,
    /// Only the first N samples
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    pub limit: usize,
    /// Where the model's output goes, as ONNX Runtime would return it
    #[arg(long, value_name = "OUT.npy")]
    pub output: Option<PathBuf>,
    /// Serial port; by default that of the first board found
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Serial bits per second
    #[arg(long, value_name = "RATE", default_value_t = BAUD)]
    pub baud: u32,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Simulate {
    /// A link to the pseudo-terminal, under a name of your choice
    #[arg(long, value_name = "PATH")]
    pub port_link: Option<PathBuf>,
    /// Quantised model whose program is in the board's flash, as `quern fpga flash --program`
    /// writes it
    #[arg(long, value_name = "MODEL.onnx", conflicts_with = "flash")]
    pub program: Option<PathBuf>,
    /// What is in the board's flash behind the image, byte by byte
    #[arg(long, value_name = "FILE")]
    pub flash: Option<PathBuf>,
    /// What is simulated: the Verilog of the board's top module, or what the bits of a packed
    /// image do
    #[arg(long, value_name = "WHAT", default_value = "rtl", value_parser = ["rtl", "bitstream"])]
    pub from: String,
    /// The image, with `--from bitstream`; by default that of this design, which is built
    /// unless the cache has it
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// The board that the image is for, with `--from bitstream`: cu-v1 or cu-v2
    #[arg(long, value_name = "BOARD", default_value = "cu-v1", value_parser = board)]
    pub board: Board,
    /// Clock cycles of a serial bit, with `--from rtl`: the fewer, the faster the simulation
    /// talks
    #[arg(long, value_name = "N", default_value_t = FAST_DIVISOR, value_parser = clap::value_parser!(u16).range(4..=128))]
    pub divisor: u16,
    /// Serial bits per second of the image, with `--from bitstream`
    #[arg(long, value_name = "RATE", default_value_t = BAUD, value_parser = clap::value_parser!(u32).range(1..))]
    pub baud: u32,
}

/// Where a simulated board comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The design, with so many clock cycles of a serial bit
    Rtl { divisor: u16 },
    /// A packed image; without a file that of today's design
    Bitstream {
        image: Option<PathBuf>,
        board: Board,
        baud: u32,
    },
}

impl Simulate {
    pub fn origin(&self) -> Origin {
        match &*self.from {
            "bitstream" => Origin::Bitstream {
                image: self.image.clone(),
                board: self.board,
                baud: self.baud,
            },
            _ => Origin::Rtl {
                divisor: self.divisor,
            },
        }
    }
}

#[derive(Subcommand)]
pub enum Fpga {
    /// Synthesise, place, route and pack an image
    #[command(
        long_about = "Synthesise, place, route and pack an image for the Alchitry Cu.\n\n\
            Whether a placement meets a clock is partly luck, so placements are tried from \
            different seeds until one does. The same design, clock and seeds give the same \
            image, byte for byte, with any number of jobs. Finished steps are kept by their \
            content in the user's cache folder ($QUERN_CACHE chooses another), so that the \
            same build again takes seconds.\n\n\
            Beside the image quern.bin the output folder gets report.json (cells of each unit, \
            Fmax, critical path, tool versions), floorplan.svg (every cell in its place, \
            coloured by unit), the Verilog and the tools' logs.",
        after_help = "Examples:\n  quern fpga build\n  \
            quern fpga build --clock 80 --seeds 20 --board cu-v2\n  \
            quern fpga build --json | jq '.units[:5]'"
    )]
    Build(FpgaBuild),
    /// Write an image, and a program to run without a host, into the board's flash
    #[command(
        long_about = "Write an image into the flash of the Alchitry Cu, verify it, and start it.\n\n\
            With --program a compiled model goes behind it, for the board to run by itself for \
            every input that arrives, with the class on its LEDs (docs/board.md; `quern board \
            classify` sends inputs). A model must fit on chip but for its weights; a softmax at its end is left out, which changes \
            nothing about the largest output.\n\n\
            iceprog writes to a V1 board; the flash of a V2 board is write-protected after \
            power-up, and openFPGALoader unlocks it.",
        after_help = "Examples:\n  quern fpga flash\n  \
            quern fpga flash --program models/digits-mlp.onnx\n  \
            quern fpga flash --board cu-v2 --dry-run"
    )]
    Flash(FpgaFlash),
}

#[derive(Args)]
pub struct FpgaFlash {
    /// Image to write
    #[arg(long, value_name = "FILE", default_value = "build/fpga/cu/quern.bin")]
    pub image: PathBuf,
    /// Leave the image in the flash as it is, and write only the program
    #[arg(long, requires = "program", conflicts_with = "image")]
    pub keep_image: bool,
    /// Quantised model to run without a host
    #[arg(long, value_name = "MODEL.onnx")]
    pub program: Option<PathBuf>,
    /// Board: cu-v1 or cu-v2
    #[arg(long, value_name = "BOARD", default_value = "cu-v1", value_parser = board)]
    pub board: Board,
    /// Tool that writes: iceprog or openFPGALoader [default: the one for the board]
    #[arg(long, value_name = "TOOL", value_parser = programmer)]
    pub programmer: Option<Programmer>,
    /// Print the commands and the flash layout, and write nothing to the board
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct FpgaBuild {
    /// Configuration: only cu has a board
    #[arg(long, value_name = "NAME", default_value = "cu", value_parser = config)]
    pub config: Config,
    /// Board: cu-v1 or cu-v2, whose LEDs are at other pins
    #[arg(long, value_name = "BOARD", default_value = "cu-v1", value_parser = board)]
    pub board: Board,
    /// Clock of the core in MHz: the nearest one not above that the PLL makes
    /// [default: the configuration's]
    #[arg(long, value_name = "MHZ", value_parser = megahertz)]
    pub clock: Option<u64>,
    /// Serial bits per second: the nearest rate that the clock makes; drivers then want the
    /// same `--baud`
    #[arg(long, value_name = "RATE", default_value_t = BAUD, value_parser = clap::value_parser!(u32).range(1..))]
    pub baud: u32,
    /// Placements to try, at most, until one meets the clock: seeds 1 to N
    #[arg(long, value_name = "N", default_value_t = quern_fpga::flow::SEEDS,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
    #[command(flatten)]
    pub effort: Effort,
    /// Folder for the image and the tools' reports [default: build/fpga/NAME]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Verify {
    /// What fits into the ordinary test run: minutes (the default)
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Everything: hours
    #[arg(long)]
    pub full: bool,
    /// Only this check, or all of a group (`proof`); may be repeated
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Print the checks' names and claims, run none
    #[arg(long)]
    pub list: bool,
    /// Where random choices begin
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The page
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "build/verification.html"
    )]
    pub output: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    pub what: Option<BenchWhat>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum BenchWhat {
    /// What networks cost on each configuration: cycles, utilisation, bytes streamed
    Networks(BenchNetworks),
    /// What a multiply-accumulate costs on the FPGA: logic cells, and the clock of several
    /// placements, beside the same array with inferred multipliers (needs Yosys, nextpnr)
    Fpga(BenchFpga),
}

/// What a run of the FPGA tools may take, and reuse.
#[derive(Args)]
pub struct Effort {
    /// Placements at a time [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub jobs: Option<usize>,
    /// Run every step, whatever the cache has
    #[arg(long)]
    pub no_cache: bool,
}

impl Effort {
    pub fn cache(&self) -> Cache {
        match self.no_cache {
            true => Cache::none(),
            false => Cache::of_user(),
        }
    }
}

#[derive(Args)]
pub struct BenchFpga {
    /// Placements of each design
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
    #[command(flatten)]
    pub effort: Effort,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct BenchNetworks {
    /// Folder of models NAME.onnx, each with samples in NAME-x.npy
    #[arg(long, value_name = "DIR", default_value = "build/edge")]
    pub models: PathBuf,
    /// Print every layer
    #[arg(long)]
    pub layers: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// The executable meaning of the instruction set
    Reference,
    /// The hardware description in RustHDL's simulator
    Rtl,
    /// The exported Verilog, compiled by Verilator
    Verilator,
    /// A board, at a port or wherever it is found
    Board(Option<String>),
    /// What the bits of an image for the board do: this one, or that of today's design
    Bitstream(Option<PathBuf>),
}

impl Target {
    pub fn name(&self) -> &'static str {
        match self {
            Target::Reference => "reference",
            Target::Rtl => "rtl",
            Target::Verilator => "verilator",
            Target::Board(_) => "board",
            Target::Bitstream(_) => "bitstream",
        }
    }
}

fn target(name: &str) -> Result<Target, String> {
    match name.split_once(':') {
        Some(("board", port)) if !port.is_empty() => Ok(Target::Board(Some(port.to_owned()))),
        Some(("bitstream", file)) if !file.is_empty() => Ok(Target::Bitstream(Some(file.into()))),
        None if name == "reference" => Ok(Target::Reference),
        None if name == "rtl" => Ok(Target::Rtl),
        None if name == "verilator" => Ok(Target::Verilator),
        None if name == "board" => Ok(Target::Board(None)),
        None if name == "bitstream" => Ok(Target::Bitstream(None)),
        _ => Err(
            "there are reference, rtl, verilator, board, board:PORT, bitstream and bitstream:FILE"
                .into(),
        ),
    }
}

fn config(name: &str) -> Result<Config, String> {
    Config::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = CONFIGS.iter().map(|config| config.name).collect();
        format!(
            "there is no such configuration; there are {}",
            names.join(", ")
        )
    })
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("{error}")),
    }
}

fn board(name: &str) -> Result<Board, String> {
    Board::by_name(name).ok_or_else(|| {
        let names = Board::ALL.map(Board::name);
        format!("there is no such board; there are {}", names.join(", "))
    })
}

fn programmer(name: &str) -> Result<Programmer, String> {
    Programmer::by_name(name).ok_or_else(|| {
        let names = Programmer::ALL.map(|programmer| programmer.tool().program);
        format!("there is no such tool; there are {}", names.join(", "))
    })
}

/// Hertz.
fn megahertz(text: &str) -> Result<u64, String> {
    let mhz: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match (mhz * 1e6).round() {
        hz if (1e6..1e9).contains(&hz) => Ok(hz as u64),
        _ => Err("it must be between 1 and 1000".into()),
    }
}
