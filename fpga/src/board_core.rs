//! All of the image but PLL and pads: the core, its serial link, and what runs the program
//! in flash.
//!
//! ```text
//!           ┌───────────────────────────────────────────────────────────┐
//!  reset_n ─┤                ┌────────────── reset ────────────►┌─────┐ │
//!  locked ──┤► ┌──────────┐ ─┘          ┌──────────┐            │     │ │
//!           │  │          │ ── input ──►│Standalone│── input ──►│     │ │
//!  rx ──────┤► │SerialLink│             │          │            │ Cu  │ │
//!  tx ◄─────┤─ │          │ ◄─ idle, ── │          │◄─ idle, ── │core │ │
//!  leds ◄───┤─ │          │    error,   └───▲──────┘   error    │     │ │
//!           │  │          │    lights       │ flash             │     │ │
//!  flash ◄──┤──│──────────│─────────────────┘                   │     │ │
//!           │  └──────────┘ ◄───────────── output ───────────── └─────┘ │
//!           └───────────────────────────────────────────────────────────┘
//! ```
//! Ports, timing and what the LEDs say: [`SerialLink`]; the flash: [`Standalone`]. Whose
//! bytes come from the link is the host's choice (`attached`).

use crate::{SerialLink, Standalone};
use quern_hdl::{unit, Cu};
use quern_isa::link::Identity;
use quern_isa::CU;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct BoardCore {
    pub clock: Signal<In, Clock>,
    /// Asynchronous, low while the button is pressed.
    pub reset_n: Signal<In, Bit>,
    /// Asynchronous, high when the clock is stable.
    pub locked: Signal<In, Bit>,
    pub rx: Signal<In, Bit>,
    pub tx: Signal<Out, Bit>,
    pub leds: Signal<Out, Bits<8>>,
    pub flash_select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    /// To the chip's data pin 0, while `flash_drive` is high.
    pub flash_out: Signal<Out, Bit>,
    pub flash_drive: Signal<Out, Bit>,
    /// From the chip's data pins.
    pub flash_in: Signal<In, Bits<2>>,
    link: SerialLink,
    standalone: Standalone,
    core: Cu,
}

impl BoardCore {
    pub fn new(identity: &Identity) -> Self {
        Self {
            clock: Default::default(),
            reset_n: Default::default(),
            locked: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            leds: Default::default(),
            flash_select_n: Default::default(),
            flash_clock: Default::default(),
            flash_out: Default::default(),
            flash_drive: Default::default(),
            flash_in: Default::default(),
            link: SerialLink::new(identity),
            standalone: Standalone::new(&CU),
            core: Cu::cu(),
        }
    }
}

impl Logic for BoardCore {
    unit!("Quern's `cu` core, its serial link, and what runs the program in flash.");

    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, link, standalone, core);

        self.link.reset_n.next = self.reset_n.val();
        self.link.locked.next = self.locked.val();
        self.link.rx.next = self.rx.val();
        self.tx.next = self.link.tx.val();
        self.leds.next = self.link.leds.val();

        self.standalone.reset.next = self.link.reset.val();
        self.standalone.host_is_input.next = !self.link.attached.val();
        self.standalone.host_data.next = self.link.input_data.val();
        self.standalone.host_valid.next = self.link.input_valid.val();
        self.link.input_ready.next = self.standalone.host_ready.val();
        self.standalone.tick.next = self.link.heartbeat.val();
        self.link.idle.next = self.standalone.idle.val();
        self.link.error.next = self.standalone.error.val();
        self.link.lights.next = self.standalone.lights.val();

        self.core.reset.next = self.link.reset.val();
        self.core.input_data.next = self.standalone.core_data.val();
        self.core.input_valid.next = self.standalone.core_valid.val();
        self.standalone.core_ready.next = self.core.input_ready.val();
        self.standalone.core_idle.next = self.core.idle.val();
        self.standalone.core_error.next = self.core.error.val();
        self.standalone.output_data.next = self.core.output_data.val();
        self.standalone.output_taken.next =
            self.core.output_valid.val() & self.link.output_ready.val();
        self.link.output_data.next = self.core.output_data.val();
        self.link.output_valid.next = self.core.output_valid.val();
        self.core.output_ready.next = self.link.output_ready.val();

        self.flash_select_n.next = self.standalone.select_n.val();
        self.flash_clock.next = self.standalone.flash_clock.val();
        self.flash_out.next = self.standalone.flash_out.val();
        self.flash_drive.next = self.standalone.flash_drive.val();
        self.standalone.flash_in.next = self.flash_in.val();
    }
}
