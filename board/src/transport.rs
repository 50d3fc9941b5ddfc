//! Carries bytes to a board and back.

use crate::LinkError;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// How long to wait for a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Before something is sent again.
    pub retry: Duration,
    /// Before the board is given up.
    pub give_up: Duration,
}

impl Pace {
    /// A USB chip holds a few bytes back for up to 16 ms.
    pub const HARDWARE: Pace = Pace {
        retry: Duration::from_millis(60),
        give_up: Duration::from_secs(3),
    };
    /// A simulated board answers when the simulation has come so far.
    pub const SIMULATION: Pace = Pace {
        retry: Duration::from_secs(4),
        give_up: Duration::from_secs(180),
    };
}

/// A line to a board that may lose, change or invent bytes, but keeps their order.
pub trait Transport {
    /// Sends bytes, or at least leaves them to something that will.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Appends bytes that have arrived, after waiting for the first of them for a while.
    fn receive(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> io::Result<()>;

    /// Time since some moment; it passes while waiting.
    fn now(&self) -> Duration;

    fn pace(&self) -> Pace;

    /// Whose line it is, for messages.
    fn name(&self) -> &str;
}

/// A serial port.
pub struct SerialTransport {
    port: Box<dyn serialport::SerialPort>,
    name: String,
    pace: Pace,
    opened: Instant,
}

impl SerialTransport {
    pub fn open(name: &str, baud: u32) -> Result<SerialTransport, LinkError> {
        let pace = match is_simulated(name) {
            true => Pace::SIMULATION,
            false => Pace::HARDWARE,
        };
        let failed = |source| LinkError::open(name, source);
        let port = serialport::new(name, baud).timeout(pace.retry).open();
        let port = port.map_err(failed)?;
        // What an earlier owner of the port did not read.
        port.clear(serialport::ClearBuffer::Input).map_err(failed)?;
        Ok(SerialTransport {
            port,
            name: name.to_owned(),
            pace,
            opened: Instant::now(),
        })
    }
}

impl SerialTransport {
    /// Whether a simulation is on the other side, which has no bits per second.
    pub fn is_simulated(&self) -> bool {
        self.pace == Pace::SIMULATION
    }
}

/// Behind a pseudo-terminal is a simulation.
fn is_simulated(name: &str) -> bool {
    std::fs::canonicalize(name).is_ok_and(|path| path.starts_with("/dev/pts"))
}

impl Transport for SerialTransport {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_timeout(self.pace.give_up)?;
        self.port.write_all(bytes)
    }

    fn receive(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> io::Result<()> {
        // A timeout of zero would wait for ever on some systems.
        self.port
            .set_timeout(patience.max(Duration::from_millis(1)))?;
        let mut buffer = [0; 1024];
        match self.port.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(count) => {
                bytes.extend(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn name(&self) -> &str {
        &self.name
    }
}
