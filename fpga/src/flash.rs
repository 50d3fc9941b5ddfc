//! Writes images and programs into the board's flash, with the tools made for it, and
//! says what to do when that fails.
//!
//! ```text
//!  0x000000  image (what the FPGA configures itself with)
//!  0x040000  program for the board alone (quern_isa::standalone)
//! ```
//! The tools say little: iceprog, for one, has the same message for a board that is not
//! there and for one that may not be opened. So the USB bus is looked at as well.

use crate::pins::Board;
use crate::tool::{Tool, ToolError};
use quern_isa::standalone::{FLASH_BYTES, PROGRAM_OFFSET};
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{absolute, Path, PathBuf};
use thiserror::Error;

pub const ICEPROG: Tool = Tool {
    program: "iceprog",
    package: "fpga-icestorm",
    version_argument: None,
};
pub const OPENFPGALOADER: Tool = Tool {
    program: "openFPGALoader",
    package: "openfpgaloader",
    version_argument: Some("--Version"),
};

/// USB vendor and product of the board's FT2232H.
pub const USB_ID: (&str, &str) = ("0403", "6010");

/// For a file in /etc/udev/rules.d.
pub const UDEV_RULE: &str = "SUBSYSTEM==\"usb\", ATTR{idVendor}==\"0403\", \
    ATTR{idProduct}==\"6010\", MODE=\"0660\", GROUP=\"plugdev\", TAG+=\"uaccess\"";
pub const UDEV_FILE: &str = "/etc/udev/rules.d/70-alchitry-cu.rules";

/// How an iCE40 bitstream begins, behind its comment.
const SYNCHRONISATION: [u8; 4] = [0x7E, 0xAA, 0x99, 0x7E];
/// icepack's comment is shorter.
const LONGEST_COMMENT: usize = 1024;

/// What the V2 board's flash, an SST26VF032B, answers when asked who it is.
const WRITE_PROTECTED_CHIP: &str = "0xBF 0x26 0x42";

/// iceprog's exit code when the flash differs from the file.
const ICEPROG_DIFFERS: i32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Programmer {
    Iceprog,
    OpenFpgaLoader,
}

impl Programmer {
    pub const ALL: [Programmer; 2] = [Programmer::Iceprog, Programmer::OpenFpgaLoader];

    pub fn tool(self) -> Tool {
        match self {
            Programmer::Iceprog => ICEPROG,
            Programmer::OpenFpgaLoader => OPENFPGALOADER,
        }
    }

    pub fn by_name(name: &str) -> Option<Programmer> {
        let named = |programmer: &Programmer| programmer.tool().program.eq_ignore_ascii_case(name);
        Programmer::ALL.into_iter().find(named)
    }

    /// The one for this board that is installed. The flash of V2 has to be unlocked, which
    /// iceprog can't.
    pub fn choose(board: Board) -> Result<Programmer, FlashError> {
        let preferred = match board {
            Board::CuV1 => Programmer::ALL,
            Board::CuV2 => [Programmer::OpenFpgaLoader, Programmer::Iceprog],
        };
        let mut installed = preferred
            .into_iter()
            .filter(|one| one.tool().is_installed());
        installed.next().ok_or(FlashError::NoProgrammer)
    }

    /// Erases, writes and verifies.
    fn arguments(self, write: &Write) -> Vec<String> {
        let offset = write.offset.to_string();
        let file = write.file.display().to_string();
        match self {
            Programmer::Iceprog => vec!["-o".into(), offset, file],
            Programmer::OpenFpgaLoader => {
                let fixed = [
                    "-b",
                    "ice40_generic",
                    "--write-flash",
                    "--verify",
                    "--offset",
                ];
                let mut arguments = fixed.map(String::from).to_vec();
                arguments.extend([offset, file]);
                arguments
            }
        }
    }

    /// The command as one would type it.
    pub fn command(self, write: &Write) -> String {
        let mut words = vec![self.tool().program.to_owned()];
        words.extend(self.arguments(write));
        let quoted = words
            .iter()
            .map(|word| match word.contains([' ', '\'', '"', '$', '\\']) {
                true => format!("'{}'", word.replace('\'', "'\\''")),
                false => word.clone(),
            });
        quoted.collect::<Vec<_>>().join(" ")
    }
}

/// A file and its place in the flash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    pub what: &'static str,
    pub file: PathBuf,
    pub offset: u32,
    pub bytes: u32,
}

impl Write {
    /// An image, which ends before a program begins.
    pub fn image(file: &Path) -> Result<Write, FlashError> {
        let path = || file.to_owned();
        let content = fs::read(file).map_err(|source| FlashError::Image {
            path: path(),
            source,
        })?;
        let begin = &content[..content.len().min(LONGEST_COMMENT)];
        if !begin.windows(4).any(|word| word == SYNCHRONISATION) {
            return Err(FlashError::NoBitstream { path: path() });
        }
        Write::new("image", file, 0, PROGRAM_OFFSET, content.len())
    }

    /// A program for the board alone, as [`quern_isa::standalone`] writes it.
    pub fn program(file: &Path) -> Result<Write, FlashError> {
        let metadata = fs::metadata(file).map_err(|source| FlashError::Image {
            path: file.to_owned(),
            source,
        })?;
        let bytes = metadata.len() as usize;
        Write::new("program", file, PROGRAM_OFFSET, FLASH_BYTES, bytes)
    }

    fn new(
        what: &'static str,
        file: &Path,
        offset: u32,
        end: u32,
        bytes: usize,
    ) -> Result<Write, FlashError> {
        let room = (end - offset) as usize;
        if bytes > room {
            return Err(FlashError::TooLarge { what, bytes, room });
        }
        let file = absolute(file).map_err(|source| FlashError::Image {
            path: file.to_owned(),
            source,
        })?;
        Ok(Write {
            what,
            file,
            offset,
            bytes: bytes as u32,
        })
    }

    /// Address of the first byte and of the last.
    pub fn range(&self) -> (u32, u32) {
        (self.offset, self.offset + self.bytes.saturating_sub(1))
    }
}

#[derive(Debug, Error)]
pub enum FlashError {
    #[error(
        "neither `iceprog` nor `openFPGALoader` is installed; `apt-get install fpga-icestorm` \
         brings the one, `apt-get install openfpgaloader` the other (a V2 board needs that)"
    )]
    NoProgrammer,
    #[error("there is no image: reading {}: {source}; `quern fpga build` makes one", path.display())]
    Image { path: PathBuf, source: io::Error },
    #[error(
        "{} is no iCE40 bitstream: the word 7E AA 99 7E, with which one begins, is missing",
        path.display()
    )]
    NoBitstream { path: PathBuf },
    #[error("the {what} has {bytes} bytes, and its place in the flash {room}")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        room: usize,
    },
    #[error(
        "no board was found: nothing on USB answers to {}:{}; plug the board in, and try \
         another cable if it is (some carry power only)",
        USB_ID.0,
        USB_ID.1
    )]
    NoDevice,
    #[error(
        "the board is there ({}), but you may not use it; allow it for good with\n\n  \
         echo '{UDEV_RULE}' | sudo tee {UDEV_FILE}\n  \
         sudo udevadm control --reload && sudo udevadm trigger\n\n\
         then plug the board in again",
        node.display()
    )]
    NoPermission { node: PathBuf },
    #[error(
        "the flash refuses to be written: it is an SST26VF032B (a V2 board), which is \
         write-protected after power-up and which `{programmer}` does not unlock; \
         openFPGALoader does: `apt-get install openfpgaloader`, then \
         `quern fpga flash --board cu-v2`"
    )]
    WriteProtected { programmer: &'static str },
    #[error(
        "the flash does not hold what was written (`{programmer}` compared the {what}); try \
         again, with another cable or port if it stays so. Its last messages:\n{tail}"
    )]
    Differs {
        programmer: &'static str,
        what: &'static str,
        tail: String,
    },
    #[error(
        "the board is in use, or its USB chip does not answer: close what has its serial port \
         open, plug the board in again. The last messages of `{programmer}`:\n{tail}"
    )]
    Busy {
        programmer: &'static str,
        tail: String,
    },
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("a folder for the tool's messages: {0}")]
    Folder(#[source] io::Error),
}

/// Writes and verifies one file after the other; `before` is told each.
pub fn flash(
    writes: &[Write],
    programmer: Programmer,
    usb: &Usb,
    before: &mut dyn FnMut(&Write),
) -> Result<(), FlashError> {
    let tool = programmer.tool();
    if !tool.is_installed() {
        let program = tool.program;
        return Err(ToolError::Missing { program }.into());
    }
    let folder = tempfile::tempdir().map_err(FlashError::Folder)?;
    for write in writes {
        before(write);
        let arguments = programmer.arguments(write);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let step = format!("writing the {}", write.what);
        let log = "messages.log";
        let outcome = tool.run(&arguments, folder.path(), log, &step);
        let messages = fs::read(folder.path().join(log)).unwrap_or_default();
        outcome.map_err(|error| {
            let messages = String::from_utf8_lossy(&messages);
            explain(error, programmer, write, &messages, || usb.find())
        })?;
    }
    Ok(())
}

/// What a tool's failure means.
fn explain(
    error: ToolError,
    programmer: Programmer,
    write: &Write,
    messages: &str,
    find: impl FnOnce() -> Device,
) -> FlashError {
    let ToolError::Failed {
        program,
        status,
        tail,
        ..
    } = &error
    else {
        return error.into();
    };
    let (programmer_name, tail) = (*program, tail.clone());
    let says = |text: &str| messages.contains(text);
    let not_opened = match programmer {
        Programmer::Iceprog => says("Can't find iCE FTDI USB device"),
        Programmer::OpenFpgaLoader => says("unable to open ftdi device"),
    };
    let differs = match programmer {
        Programmer::Iceprog => {
            status.code() == Some(ICEPROG_DIFFERS)
                || says("Found difference between flash and file")
        }
        Programmer::OpenFpgaLoader => says("Verification failed"),
    };
    if not_opened {
        return match find() {
            Device::Absent => FlashError::NoDevice,
            Device::Forbidden(node) => FlashError::NoPermission { node },
            Device::Usable => FlashError::Busy {
                programmer: programmer_name,
                tail,
            },
        };
    }
    if differs && programmer == Programmer::Iceprog && says(WRITE_PROTECTED_CHIP) {
        return FlashError::WriteProtected {
            programmer: programmer_name,
        };
    }
    if differs {
        return FlashError::Differs {
            programmer: programmer_name,
            what: write.what,
            tail,
        };
    }
    error.into()
}

/// Where Linux shows what is plugged in.
#[derive(Debug, Clone)]
pub struct Usb {
    /// A folder of folders with `idVendor`, `idProduct`, `busnum`, `devnum`.
    pub devices: PathBuf,
    /// The nodes to open, `001/004`.
    pub nodes: PathBuf,
}

impl Default for Usb {
    fn default() -> Self {
        Usb {
            devices: "/sys/bus/usb/devices".into(),
            nodes: "/dev/bus/usb".into(),
        }
    }
}

/// The board's USB chip, as this user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    Absent,
    Forbidden(PathBuf),
    Usable,
}

impl Usb {
    pub fn find(&self) -> Device {
        let entries = fs::read_dir(&self.devices).into_iter().flatten().flatten();
        let Some(node) = entries.filter_map(|entry| self.node(&entry.path())).next() else {
            return Device::Absent;
        };
        match OpenOptions::new().read(true).write(true).open(&node) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Device::Forbidden(node)
            }
            _ => Device::Usable,
        }
    }

    /// The node of a device, if it is a board's.
    fn node(&self, device: &Path) -> Option<PathBuf> {
        let text = |name: &str| {
            let text = fs::read_to_string(device.join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        if (text("idVendor")?.as_str(), text("idProduct")?.as_str()) != USB_ID {
            return None;
        }
        let number = |name: &str| text(name)?.parse::<u16>().ok();
        let (bus, device) = (number("busnum")?, number("devnum")?);
        Some(self.nodes.join(format!("{bus:03}/{device:03}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn explained(programmer: Programmer, code: i32, messages: &str, device: Device) -> FlashError {
        let error = ToolError::Failed {
            program: programmer.tool().program,
            step: "writing the image".into(),
            status: ExitStatus::from_raw(code << 8),
            tail: "the last line".into(),
        };
        let write = Write {
            what: "image",
            file: "/x/quern.bin".into(),
            offset: 0,
            bytes: 135_100,
        };
        explain(error, programmer, &write, messages, || device)
    }

    const NOT_FOUND: [(Programmer, &str); 2] = [
        (
            Programmer::Iceprog,
            "init..\nCan't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).\nABORT.\n",
        ),
        (
            Programmer::OpenFpgaLoader,
            "unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device\n",
        ),
    ];

    #[test]
    fn a_board_that_can_not_be_opened_is_told_apart_by_the_bus() {
        for (programmer, messages) in NOT_FOUND {
            let with = |device| explained(programmer, 2, messages, device);
            assert!(matches!(with(Device::Absent), FlashError::NoDevice));
            assert!(matches!(with(Device::Usable), FlashError::Busy { .. }));
            let node = PathBuf::from("/dev/bus/usb/001/004");
            let text = with(Device::Forbidden(node)).to_string();
            for part in ["/dev/bus/usb/001/004", UDEV_RULE, UDEV_FILE, "udevadm"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }

    #[test]
    fn an_unknown_failure_keeps_the_tools_words() {
        let error = explained(Programmer::Iceprog, 1, "Read error.\n", Device::Usable);
        assert!(error.to_string().contains("the last line"), "{error}");
    }

    #[test]
    fn the_bus_is_searched_for_the_board() {
        let folder = tempfile::tempdir().unwrap();
        let usb = Usb {
            devices: folder.path().join("devices"),
            nodes: folder.path().join("nodes"),
        };
        assert_eq!(usb.find(), Device::Absent);
        for (name, product) in [("1-1", "6001"), ("1-2", "6010")] {
            let device = usb.devices.join(name);
            fs::create_dir_all(&device).unwrap();
            assert_eq!(usb.find(), Device::Absent);
            for (file, text) in [
                ("idVendor", "0403\n"),
                ("busnum", "1\n"),
                ("devnum", "12\n"),
            ] {
                fs::write(device.join(file), text).unwrap();
            }
            fs::write(device.join("idProduct"), product).unwrap();
        }
        assert_eq!(usb.find(), Device::Usable);
        assert_eq!(
            usb.node(&usb.devices.join("1-2")),
            Some(usb.nodes.join("001/012"))
        );
    }

    #[test]
    fn a_command_can_be_pasted() {
        let write = Write {
            what: "program",
            file: "/my files/program.bin".into(),
            offset: PROGRAM_OFFSET,
            bytes: 3,
        };
        assert_eq!(
            Programmer::Iceprog.command(&write),
            "iceprog -o 262144 '/my files/program.bin'"
        );
        assert_eq!(
            Programmer::OpenFpgaLoader.command(&write),
            "openFPGALoader -b ice40_generic --write-flash --verify --offset 262144 \
             '/my files/program.bin'"
        );
        assert_eq!(write.range(), (0x4_0000, 0x4_0002));
    }
}
