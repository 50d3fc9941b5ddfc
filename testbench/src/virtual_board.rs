//! A simulated board behind a pseudo-terminal: what opens it can't tell it from a serial
//! port but for its speed.
//!
//! ```text
//!  driver ─► /dev/pts/N ─► bytes ─► Pins (Verilator) ─► rx │ board's top module
//!         ◄─            ◄─ bytes ◄─                  ◄─ tx │
//! ```
//! While nothing is on its way and no program runs, the simulation stands still.

use crate::verilator::pins::Pins;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};
use rustix::io::Errno;
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcgetattr, tcsetattr, OptionalActions};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A program runs, in the status LEDs.
const BUSY_LED: u8 = 0x02;

/// Longer than the board's reset after power-up and after the button.
const RESET_CYCLES: u64 = 1 << 11;

/// Byte times without a byte after which the line is taken to be quiet: longer than the
/// board needs to begin an answer.
const QUIET_BYTES: u32 = 16;

/// How long a quiet board waits for bytes before it looks whether it is to stop.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// What somebody beside the board does to it.
#[derive(Debug, Default)]
pub struct Controls {
    stop: AtomicBool,
    button: AtomicBool,
}

impl Controls {
    /// Ends the simulation.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Presses the button, shortly.
    pub fn press(&self) {
        self.button.store(true, Ordering::Relaxed);
    }
}

pub struct VirtualBoard {
    pins: Pins,
    host: OwnedFd,
    /// Open as long as the board lives, so that drivers can come and go.
    _port: OwnedFd,
    name: PathBuf,
    /// Byte times since a byte went over the line.
    quiet: u32,
}

impl VirtualBoard {
    pub fn new(mut pins: Pins) -> io::Result<VirtualBoard> {
        pins.wait(RESET_CYCLES);
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&host)?;
        unlockpt(&host)?;
        let name = ptsname(&host, Vec::new())?;
        let name = PathBuf::from(name.to_string_lossy().into_owned());
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let port = rustix::fs::open(&name, flags, rustix::fs::Mode::empty())?;
        let mut settings = tcgetattr(&port)?;
        settings.make_raw();
        tcsetattr(&port, OptionalActions::Now, &settings)?;
        fcntl_setfl(&host, fcntl_getfl(&host)? | OFlags::NONBLOCK)?;
        Ok(VirtualBoard {
            pins,
            host,
            _port: port,
            name,
            quiet: 0,
        })
    }

    /// The pseudo-terminal, to be opened like a serial port.
    pub fn port(&self) -> &Path {
        &self.name
    }

    /// Simulates until it is stopped. `observe` is told the LEDs and the clock cycles, often.
    pub fn run(&mut self, controls: &Controls, mut observe: impl FnMut(u8, u64)) -> io::Result<()> {
        let mut waiting = VecDeque::new();
        while !controls.stop.load(Ordering::Relaxed) {
            if controls.button.swap(false, Ordering::Relaxed) {
                self.pins.button(true);
                self.pins.wait(RESET_CYCLES);
                self.pins.button(false);
                self.pins.wait(RESET_CYCLES);
                self.quiet = 0;
            }
            self.read(&mut waiting)?;
            match waiting.pop_front() {
                Some(byte) => {
                    self.pins.send(byte, self.pins.bit_cycles);
                    self.quiet = 0;
                }
                None => {
                    self.pins.wait((10.0 * self.pins.bit_cycles) as u64);
                    self.quiet = self.quiet.saturating_add(1);
                }
            }
            let received = self.pins.take_received();
            if !received.is_empty() {
                self.quiet = 0;
                self.write(&received)?;
            }
            observe(self.pins.leds(), self.pins.cycles());
        }
        Ok(())
    }

    /// Takes what the driver has sent; waits for it when there is nothing else to do.
    fn read(&mut self, waiting: &mut VecDeque<u8>) -> io::Result<()> {
        if !waiting.is_empty() {
            return Ok(());
        }
        let is_quiet = self.quiet >= QUIET_BYTES && self.pins.leds() & BUSY_LED == 0;
        let patience = match is_quiet {
            true => PATIENCE,
            false => Timespec::default(),
        };
        let mut events = [PollFd::new(&self.host, PollFlags::IN)];
        match poll(&mut events, Some(&patience)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 4096];
        match rustix::io::read(&self.host, &mut bytes) {
            Ok(count) => waiting.extend(&bytes[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What nobody reads is lost, as in a USB chip.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match rustix::io::write(&self.host, bytes) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A board in a thread of its own, until it is unplugged.
pub struct Running {
    port: String,
    controls: Arc<Controls>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub fn start(pins: Pins) -> io::Result<Running> {
        let mut board = VirtualBoard::new(pins)?;
        let port = board.port().display().to_string();
        let controls = Arc::new(Controls::default());
        let theirs = controls.clone();
        let thread = Some(thread::spawn(move || board.run(&theirs, |_, _| {})));
        Ok(Running {
            port,
            controls,
            thread,
        })
    }

    /// The pseudo-terminal, to be opened like a serial port.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// Ends the simulation. What went wrong in it the driver has noticed, too.
    pub fn unplug(&mut self) -> io::Result<()> {
        self.controls.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |ended| {
            ended.unwrap_or_else(|_| Err(io::Error::other("the simulation panicked")))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.unplug();
    }
}
