//! A whole board under Verilator, from its pins: clock, button, serial line, LEDs, flash.
//!
//! ```text
//!  Verilog of a top module ─► verilator ─► C++ ─┐
//!                                  pins.cpp ────┴─► library ─► Pins
//!  bytes ─► serial line ─► rx, tx ─► serial line ─► bytes
//!  FlashChip ◄─ once a cycle ─ flash_* ─┘
//! ```
//! The serial line is played cycle by cycle in C++, so that a byte costs nothing but the
//! evaluation of its cycles.

#![allow(unsafe_code)]

use super::build::{self, Recipe, VerilatorError};
use crate::flash_chip::FlashChip;
use quern_isa::standalone::FLASH_BYTES;
use std::ffi::c_void;

const SHIM: &str = include_str!("pins.cpp");

type Handle = *mut c_void;

/// Cycles that the chip takes to wake: 15 microseconds at 100 MHz, more than either does.
const WAKE_CYCLES: u32 = 1500;

type Chip = unsafe extern "C" fn(*mut c_void, u8, u8, u8, u8) -> u8;

/// Steps the chip with what is at its pins, and returns the levels of data 0 and data 1.
///
/// # Safety
/// `chip` is a [`FlashChip`] that nobody else uses.
unsafe extern "C" fn chip_cycle(
    chip: *mut c_void,
    select_n: u8,
    clock: u8,
    drive: u8,
    data0: u8,
) -> u8 {
    // SAFETY: the caller's promise.
    let chip = unsafe { &mut *chip.cast::<FlashChip>() };
    let driven = (drive != 0).then_some(data0 != 0);
    let [low, high] = chip.levels(driven);
    // What the chip drives from now on arrives in the next cycle.
    chip.cycle(select_n != 0, clock != 0, driven);
    u8::from(low) | u8::from(high) << 1
}

/// The functions of `pins.cpp`, with the types they have there.
struct Functions {
    free: unsafe extern "C" fn(Handle),
    button: unsafe extern "C" fn(Handle, u8),
    leds: unsafe extern "C" fn(Handle) -> u8,
    hold: unsafe extern "C" fn(Handle, Chip, *mut c_void, u8, u64, f64, *mut u8, u64) -> u64,
    send: unsafe extern "C" fn(Handle, Chip, *mut c_void, u8, f64, f64, *mut u8, u64) -> u64,
}

/// A simulated board and the far end of its serial line.
pub struct Pins {
    /// From `quern_pins_new`, not freed, and used by nobody else.
    handle: Handle,
    functions: Functions,
    _library: libloading::Library,
    /// Clock cycles of a serial bit, as the far end has them.
    pub bit_cycles: f64,
    /// The chip at the board's flash pins.
    pub flash: FlashChip,
    cycles: u64,
    received: Vec<u8>,
}

// SAFETY: a model with a context of its own is not tied to the thread that made it,
// and `&mut self` keeps two threads from evaluating it at once.
unsafe impl Send for Pins {}

impl Drop for Pins {
    fn drop(&mut self) {
        // SAFETY: the handle is valid until here, and not used afterwards.
        unsafe { (self.functions.free)(self.handle) }
    }
}

/// Bytes that arrive in one call, at most: a call is a byte, or a pause whose bytes fit.
const CALL_BYTES: usize = 64;

impl Pins {
    /// Compiles `verilog`, if that has not been done before. Module `top` has the ports
    /// `board_clock`, `reset_n`, `rx`, `tx`, `leds`, `flash_select_n`, `flash_clock`,
    /// `flash_data0`, `flash_data0_out`, `flash_data0_drive` and `flash_data1`.
    pub fn new(
        name: &str,
        verilog: &str,
        top: &str,
        bit_cycles: f64,
    ) -> Result<Pins, VerilatorError> {
        let path = build::model(&Recipe {
            name,
            verilog,
            top,
            shim: SHIM,
            defines: &[],
            coverage: false,
            random_start: false,
        })?;
        let failed = |message: String| VerilatorError::Load {
            path: path.clone(),
            message,
        };
        let text = |error: libloading::Error| failed(error.to_string());
        // SAFETY: the library's initialisers are those of Verilator's runtime, which
        // need nothing, and each symbol is taken at the type `pins.cpp` gives it.
        unsafe {
            let library = libloading::Library::new(&path).map_err(text)?;
            let new: unsafe extern "C" fn() -> Handle =
                *library.get(b"quern_pins_new\0").map_err(text)?;
            let functions = Functions {
                free: *library.get(b"quern_pins_free\0").map_err(text)?,
                button: *library.get(b"quern_pins_button\0").map_err(text)?,
                leds: *library.get(b"quern_pins_leds\0").map_err(text)?,
                hold: *library.get(b"quern_pins_hold\0").map_err(text)?,
                send: *library.get(b"quern_pins_send\0").map_err(text)?,
            };
            let handle = new();
            if handle.is_null() {
                return Err(failed("the model could not be created".to_owned()));
            }
            Ok(Pins {
                handle,
                functions,
                _library: library,
                bit_cycles,
                flash: FlashChip::asleep(FLASH_BYTES as usize, WAKE_CYCLES),
                cycles: 0,
                received: Vec::new(),
            })
        }
    }

    /// Clock cycles so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Takes the bytes that have arrived from the board.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    pub fn leds(&self) -> u8 {
        // SAFETY: takes only the handle, which is valid.
        unsafe { (self.functions.leds)(self.handle) }
    }

    pub fn button(&mut self, pressed: bool) {
        // SAFETY: takes the handle, which is valid, and a number.
        unsafe { (self.functions.button)(self.handle, pressed.into()) }
    }

    /// Lets the line idle.
    pub fn wait(&mut self, cycles: u64) {
        self.hold(true, cycles);
    }

    /// Holds the line at a level: idle, or a break.
    pub fn hold(&mut self, level: bool, cycles: u64) {
        let longest = ((CALL_BYTES - 1) as f64 * 10.0 * self.bit_cycles) as u64;
        let mut left = cycles;
        while left > 0 {
            let now = left.min(longest.max(1));
            self.call(|functions, handle, chip, bit_cycles, received| {
                // SAFETY: the handle is valid, `chip` is what `chip_cycle` takes, the shim
                // writes at most as many bytes as `received` has.
                unsafe {
                    (functions.hold)(
                        handle,
                        chip_cycle,
                        chip,
                        level.into(),
                        now,
                        bit_cycles,
                        received.as_mut_ptr(),
                        received.len() as u64,
                    )
                }
            });
            self.cycles += now;
            left -= now;
        }
    }

    /// Sends one byte, with bits of another length than the board's if need be.
    pub fn send(&mut self, byte: u8, sender_cycles: f64) {
        self.call(|functions, handle, chip, bit_cycles, received| {
            // SAFETY: as in `hold`.
            unsafe {
                (functions.send)(
                    handle,
                    chip_cycle,
                    chip,
                    byte,
                    sender_cycles,
                    bit_cycles,
                    received.as_mut_ptr(),
                    received.len() as u64,
                )
            }
        });
        self.cycles += (10.0 * sender_cycles + 0.5) as u64;
    }

    fn call(&mut self, call: impl Fn(&Functions, Handle, *mut c_void, f64, &mut [u8]) -> u64) {
        let mut received = [0; CALL_BYTES];
        let chip: *mut c_void = (&raw mut self.flash).cast();
        let count = call(
            &self.functions,
            self.handle,
            chip,
            self.bit_cycles,
            &mut received,
        );
        self.received.extend(&received[..count as usize]);
    }
}
