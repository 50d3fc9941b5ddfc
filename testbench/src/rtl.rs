//! The RTL machine: the core in RustHDL's simulator, driven directly.
//!
//! ```text
//!  driver ─► inputs, clock low ─► settle ─► sample ─► clock high ─► settle ─► registers
//!                                    └────────── VCD, if asked for ──────────┘
//! ```
//! The threaded simulation of RustHDL costs a context switch per event; driving the
//! block is more than ten times as fast.

use crate::driver::{Beat, Cycle, Driven, Pacing, StreamPorts, MAX_BEAT_BYTES};
use quern_hdl::{Asic16, Core, Cu, Tiny};
use quern_isa::{Config, Counters, Inspect, Machine, MachineError, Memories, Program, Run};
use rust_hdl::core::vcd_probe::{write_vcd_change, write_vcd_dump, write_vcd_header, VCDProbe};
use rust_hdl::prelude::*;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

/// The core of one configuration as a [`Machine`].
pub struct Rtl {
    driven: Driven<Box<dyn StreamPorts>>,
}

impl Rtl {
    pub fn new(config: &Config) -> Result<Rtl, MachineError> {
        Rtl::build(config, None)
    }

    /// Writes every signal of every cycle to a VCD file: some megabytes per thousand
    /// cycles.
    pub fn with_vcd(config: &Config, file: &Path) -> Result<Rtl, MachineError> {
        Rtl::build(config, Some(file))
    }

    fn build(config: &Config, vcd: Option<&Path>) -> Result<Rtl, MachineError> {
        let ports: Box<dyn StreamPorts> = match config.name {
            "tiny" => Box::new(RtlPorts::new(config, Box::new(Tiny::tiny()), vcd)?),
            "cu" => Box::new(RtlPorts::new(config, Box::new(Cu::cu()), vcd)?),
            "asic16" => Box::new(RtlPorts::new(config, Box::new(Asic16::asic16()), vcd)?),
            other => {
                return Err(MachineError::Other(format!(
                    "there is no RTL of configuration `{other}`"
                )))
            }
        };
        Ok(Rtl {
            driven: Driven::new(ports),
        })
    }

    /// Drives the streams with gaps instead of always ready.
    pub fn set_pacing(&mut self, pacing: Pacing) {
        self.driven.pacing = pacing;
    }

    /// Called with the cycles of the current run from time to time.
    pub fn set_progress(&mut self, progress: impl FnMut(u64) + 'static) {
        self.driven.progress = Some(Box::new(progress));
    }

    /// The streams, for a test bench that drives them itself.
    pub fn ports(&mut self) -> &mut dyn StreamPorts {
        &mut *self.driven.ports
    }
}

impl Machine for Rtl {
    fn config(&self) -> &Config {
        self.driven.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        self.driven.run(program, host)
    }
}

impl Inspect for Rtl {
    fn memories(&self) -> Memories {
        self.driven.memories()
    }
}

/// What the harness needs of a core, whatever its sizes.
trait SimulatedCore: Block {
    fn set_clock(&mut self, high: bool);
    fn set_reset(&mut self, reset: bool);
    fn set_input(&mut self, beat: Option<u128>);
    fn set_output_ready(&mut self, ready: bool);
    fn input_ready(&self) -> bool;
    fn output(&self) -> Option<u128>;
    fn idle(&self) -> bool;
    fn error(&self) -> u8;
    fn counters(&self) -> Counters;
    fn memories(&self) -> Memories;
}

impl<
        const R: usize,
        const C: usize,
        const V: usize,
        const W: usize,
        const WB: usize,
        const H: usize,
        const A: usize,
        const B: usize,
        const D: usize,
        const P: usize,
        const F: usize,
        const L: usize,
        const S: usize,
        const S_BITS: usize,
        const Q: usize,
        const M: usize,
    > SimulatedCore for Core<R, C, V, W, WB, H, A, B, D, P, F, L, S, S_BITS, Q, M>
{
    fn set_clock(&mut self, high: bool) {
        self.clock.next = Clock::from(high);
    }

    fn set_reset(&mut self, reset: bool) {
        self.reset.next = reset;
    }

    fn set_input(&mut self, beat: Option<u128>) {
        self.input_valid.next = beat.is_some();
        if let Some(beat) = beat {
            self.input_data.next = match S {
                1 => (beat as u8).to_bits(),
                _ => beat.to_bits(),
            };
        }
    }

    fn set_output_ready(&mut self, ready: bool) {
        self.output_ready.next = ready;
    }

    fn input_ready(&self) -> bool {
        self.input_ready.val()
    }

    fn output(&self) -> Option<u128> {
        self.output_valid
            .val()
            .then(|| self.output_data.val().to_u128())
    }

    fn idle(&self) -> bool {
        self.idle.val()
    }

    fn error(&self) -> u8 {
        self.error.val().to_u8()
    }

    fn counters(&self) -> Counters {
        Counters {
            cycles: self.cycles.val().to_u32(),
            input_stalls: self.input_stalls.val().to_u32(),
            output_stalls: self.output_stalls.val().to_u32(),
            matrix_cycles: self.matrix_cycles.val().to_u32(),
        }
    }

    fn memories(&self) -> Memories {
        Core::memories(self)
    }
}

/// Passes after which the core is taken to have a combinational loop; it settles in
/// about twenty.
const SETTLING_PASSES: usize = 1000;

struct RtlPorts<B> {
    config: Config,
    core: Box<B>,
    waveform: Option<Waveform>,
}

impl<B: SimulatedCore> RtlPorts<B> {
    /// Power-up and one cycle of reset.
    fn new(config: &Config, core: Box<B>, vcd: Option<&Path>) -> Result<Self, MachineError> {
        let waveform = vcd
            .map(|file| Waveform::create(file, &*core, config.clock_hz))
            .transpose()?;
        let mut ports = RtlPorts {
            config: *config,
            core,
            waveform,
        };
        ports.reset()?;
        Ok(ports)
    }

    fn half_cycle(&mut self, high: bool) -> Result<(), MachineError> {
        self.core.set_clock(high);
        for _ in 0..SETTLING_PASSES {
            self.core.update_all();
            if !self.core.has_changed() {
                return match &mut self.waveform {
                    Some(waveform) => waveform.half_cycle(&*self.core),
                    None => Ok(()),
                };
            }
        }
        Err(MachineError::Other(
            "the RTL does not settle: it has a combinational loop".into(),
        ))
    }
}

impl<B: SimulatedCore> StreamPorts for RtlPorts<B> {
    fn config(&self) -> &Config {
        &self.config
    }

    fn reset(&mut self) -> Result<(), MachineError> {
        self.core.set_reset(true);
        self.cycle(None, false)?;
        self.core.set_reset(false);
        Ok(())
    }

    fn cycle(&mut self, input: Option<&[u8]>, output_ready: bool) -> Result<Cycle, MachineError> {
        let beat = input.map(|bytes| {
            let mut beat: Beat = [0; MAX_BEAT_BYTES];
            beat[..bytes.len()].copy_from_slice(bytes);
            u128::from_le_bytes(beat)
        });
        self.core.set_input(beat);
        self.core.set_output_ready(output_ready);
        self.half_cycle(false)?;
        let accepted = input.is_some() && self.core.input_ready();
        let output = self
            .core
            .output()
            .filter(|_| output_ready)
            .map(u128::to_le_bytes);
        self.half_cycle(true)?;
        Ok(Cycle {
            accepted,
            output,
            idle: self.core.idle(),
            error: self.core.error(),
        })
    }

    fn counters(&self) -> Counters {
        self.core.counters()
    }

    fn memories(&self) -> Memories {
        self.core.memories()
    }
}

/// A VCD file being written.
struct Waveform {
    /// Absent only while a change is being written.
    probe: Option<VCDProbe<Sink>>,
    failure: Rc<RefCell<Option<io::Error>>>,
    half_period_ps: u64,
    time_ps: u64,
}

impl Waveform {
    fn create(file: &Path, core: &dyn Block, clock_hz: u64) -> Result<Waveform, MachineError> {
        let explain =
            |error| MachineError::Other(format!("cannot write `{}`: {error}", file.display()));
        let failure = Rc::default();
        let sink = Sink {
            file: BufWriter::new(File::create(file).map_err(explain)?),
            failure: Rc::clone(&failure),
        };
        let probe = write_vcd_dump(write_vcd_header(sink, core), core);
        Ok(Waveform {
            probe: Some(probe),
            failure,
            half_period_ps: 500_000_000_000 / clock_hz,
            time_ps: 0,
        })
    }

    fn half_cycle(&mut self, core: &dyn Block) -> Result<(), MachineError> {
        self.time_ps += self.half_period_ps;
        if let Some(mut probe) = self.probe.take() {
            // The sink reports no error; they are collected below.
            let _ = probe.timestamp(self.time_ps);
            self.probe = Some(write_vcd_change(probe, core));
        }
        match self.failure.borrow_mut().take() {
            Some(error) => Err(MachineError::Other(format!(
                "cannot write the waveform: {error}"
            ))),
            None => Ok(()),
        }
    }
}

/// Keeps the first error instead of returning it, because RustHDL's VCD writer
/// panics on one.
struct Sink {
    file: BufWriter<File>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl Sink {
    fn keep(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.borrow_mut().get_or_insert(error);
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.file.write_all(bytes);
        self.keep(result);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.flush();
        self.keep(result);
        Ok(())
    }
}
