//! The core with its two masters: a host on the link, and the program in flash.
//!
//! ```text
//!  host ───► ┌──────────┐          ┌────┐
//!  input     │Standalone│ ─input──►│ Cu │ ─┬─► output, to the host
//!  flash ◄──►│          │          │core│  │
//!  pins      │          │◄─────────│────│──┘
//!            └──────────┘          └────┘
//!                 └─► idle, error, lights
//! ```
//! What the host sends is input for the flash's program while `host_is_input` is high, and
//! a program of its own otherwise ([`Standalone`]). Outputs go to the host either way.
//!
//! `idle`: nothing runs for anybody. `error`: the core's code, or, for a host whose bytes
//! are input, 8 and the code of what is wrong with the flash
//! ([`quern_isa::standalone::Fault`]). `lights`: the class of the last run from flash;
//! [`NO_CLASS`] while a program waits for its first input; else 0.

use crate::{Standalone, READY};
use quern_hdl::{unit, Cu};
use quern_isa::standalone::{FAULT_ERROR, NO_CLASS};
use quern_isa::CU;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct StandaloneCore {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub host_data: Signal<In, Bits<8>>,
    pub host_valid: Signal<In, Bit>,
    pub host_ready: Signal<Out, Bit>,
    pub host_is_input: Signal<In, Bit>,
    pub output_data: Signal<Out, Bits<8>>,
    pub output_valid: Signal<Out, Bit>,
    pub output_ready: Signal<In, Bit>,
    /// Changes slowly.
    pub tick: Signal<In, Bit>,
    pub idle: Signal<Out, Bit>,
    pub error: Signal<Out, Bits<4>>,
    pub lights: Signal<Out, Bits<4>>,
    pub select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_drive: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bits<2>>,
    standalone: Standalone,
    core: Cu,
    no_class: Constant<Bits<4>>,
    fault_error: Constant<Bits<4>>,
    ready_report: Constant<Bits<3>>,
    fault: Signal<Local, Bits<2>>,
}

impl Default for StandaloneCore {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            host_data: Default::default(),
            host_valid: Default::default(),
            host_ready: Default::default(),
            host_is_input: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            tick: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            lights: Default::default(),
            select_n: Default::default(),
            flash_clock: Default::default(),
            flash_out: Default::default(),
            flash_drive: Default::default(),
            flash_in: Default::default(),
            standalone: Standalone::new(&CU),
            core: Cu::cu(),
            no_class: Constant::new(u64::from(NO_CLASS).to_bits()),
            fault_error: Constant::new(u64::from(FAULT_ERROR).to_bits()),
            ready_report: Constant::new(u64::from(READY).to_bits()),
            fault: Default::default(),
        }
    }
}

impl Logic for StandaloneCore {
    unit!("The core with its two masters: a host on the link, and the program in flash.");

    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, standalone, core);

        self.standalone.reset.next = self.reset.val();
        self.standalone.host_data.next = self.host_data.val();
        self.standalone.host_valid.next = self.host_valid.val();
        self.host_ready.next = self.standalone.host_ready.val();
        self.standalone.host_is_input.next = self.host_is_input.val();
        self.standalone.core_ready.next = self.core.input_ready.val();
        self.standalone.core_idle.next = self.core.idle.val();
        self.standalone.output_data.next = self.core.output_data.val();
        self.standalone.output_taken.next = self.core.output_valid.val() & self.output_ready.val();
        self.standalone.tick.next = self.tick.val();

        self.core.reset.next = self.reset.val();
        self.core.input_data.next = self.standalone.core_data.val();
        self.core.input_valid.next = self.standalone.core_valid.val();
        self.core.output_ready.next = self.output_ready.val();
        self.output_data.next = self.core.output_data.val();
        self.output_valid.next = self.core.output_valid.val();

        self.idle.next = self.core.idle.val() & !self.standalone.busy.val();
        self.fault.next = self.standalone.fault_code.val();
        self.error.next = self.core.error.val();
        if self.host_is_input.val() & !self.core.error.val().any() & self.fault.val().any() {
            self.error.next = bit_cast::<4, 2>(self.fault.val()) | self.fault_error.val();
        }
        self.lights.next = 0.into();
        if self.standalone.class_valid.val() {
            self.lights.next = self.standalone.class.val();
        } else if self.host_is_input.val()
            & (self.standalone.report.val() == self.ready_report.val())
        {
            self.lights.next = self.no_class.val();
        }

        self.standalone.flash_in.next = self.flash_in.val();
        self.select_n.next = self.standalone.select_n.val();
        self.flash_clock.next = self.standalone.flash_clock.val();
        self.flash_out.next = self.standalone.flash_out.val();
        self.flash_drive.next = self.standalone.flash_drive.val();
    }
}
