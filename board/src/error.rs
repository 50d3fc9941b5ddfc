//! What can be wrong with a board, and what to do.

use quern_isa::link::PROTOCOL_VERSION;
use quern_isa::standalone::Fault;
use std::io;
use std::time::Duration;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LinkError {
    #[error("no board found: no serial port belongs to an FT2232H (USB {usb_id}); plug the board in, or name its port with `--on board:PORT`")]
    NoBoard { usb_id: String },
    #[error("can't open {port}: {source}{hint}")]
    Open {
        port: String,
        source: serialport::Error,
        hint: &'static str,
    },
    #[error("can't list serial ports: {0}")]
    List(serialport::Error),
    #[error("the board at {port} is gone ({source}); plug it in and run again")]
    Gone { port: String, source: io::Error },
    #[error("nothing at {port} answered for {} ms; is the board's image flashed (`quern fpga build`), and does it talk at this baud rate?", waited.as_millis())]
    NoAnswer { port: String, waited: Duration },
    #[error("what answers at {port} is not Quern")]
    Stranger { port: String },
    #[error("the board at {port} started anew, by its button or its power; run again")]
    Restarted { port: String },
    #[error("the board at {port} speaks version {board} of the link's protocol, this `quern` version {PROTOCOL_VERSION}; build and flash the image of this version (`quern fpga build`)")]
    Protocol { port: String, board: u8 },
    #[error("the board at {port} has instruction set version {board}, this `quern` version {host}; build and flash the image of this version (`quern fpga build`)")]
    InstructionSet { port: String, board: u8, host: u8 },
    #[error("the board at {port} is not configuration `{config}` (its fingerprint is {board:#06x}, `{config}` has {host:#06x}); build and flash the image of this version (`quern fpga build`)")]
    Config {
        port: String,
        config: &'static str,
        board: u16,
        host: u16,
    },
    #[error("the image on the board at {port} is of another design ({board:08x}) than this `quern` describes ({host:08x}); build and flash it again (`quern fpga build`)")]
    Design { port: String, board: u32, host: u32 },
    #[error("the board at {port} has nothing to run: {fault}; `quern fpga flash --program MODEL.onnx` writes one")]
    Flash { port: String, fault: Fault },
    #[error("the image on the board at {port} has a clock of {clock_mhz:.3} MHz and talks at {board} baud, this side at {host}; say `--baud {board}`, or build and flash the image again (`quern fpga build`)")]
    Clock {
        port: String,
        clock_mhz: f64,
        board: u32,
        host: u32,
    },
}

impl LinkError {
    pub(crate) fn open(port: &str, source: serialport::Error) -> LinkError {
        use serialport::ErrorKind;
        let hint = match source.kind() {
            ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
                "; join the group that owns it (often `dialout`), or install the udev rule of \
                 docs/board.md"
            }
            ErrorKind::NoDevice | ErrorKind::Io(io::ErrorKind::NotFound) => {
                "; `quern board list` shows the ports there are"
            }
            _ => "",
        };
        LinkError::Open {
            port: port.to_owned(),
            source,
            hint,
        }
    }
}
