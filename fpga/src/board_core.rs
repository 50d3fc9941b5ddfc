//! All of the image that is simulated: the core and its serial link.
//!
//! ```text
//!           ┌───────────────────────────────────────────┐
//!  reset_n ─┤                ┌────── reset ─────►┌─────┐│
//!  locked ──┤► ┌──────────┐ ─┘                   │     ││
//!           │  │          │ ── input stream ────►│     ││
//!  rx ──────┤► │SerialLink│                      │ Cu  ││
//!  tx ◄─────┤─ │          │ ◄─ output stream ─── │core ││
//!  leds ◄───┤─ └──────────┘ ◄─ idle, error ───── └─────┘│
//!           └───────────────────────────────────────────┘
//! ```
//! Ports, timing and what the LEDs say: [`SerialLink`].

use crate::SerialLink;
use quern_hdl::{unit, Cu};
use quern_isa::link::Identity;
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
    link: SerialLink,
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
            link: SerialLink::new(identity),
            core: Cu::cu(),
        }
    }
}

impl Logic for BoardCore {
    unit!("Quern's `cu` core and its serial link.");

    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, link, core);

        self.link.reset_n.next = self.reset_n.val();
        self.link.locked.next = self.locked.val();
        self.link.rx.next = self.rx.val();
        self.tx.next = self.link.tx.val();
        self.leds.next = self.link.leds.val();

        self.core.reset.next = self.link.reset.val();
        self.core.input_data.next = self.link.input_data.val();
        self.core.input_valid.next = self.link.input_valid.val();
        self.link.input_ready.next = self.core.input_ready.val();
        self.link.output_data.next = self.core.output_data.val();
        self.link.output_valid.next = self.core.output_valid.val();
        self.core.output_ready.next = self.link.output_ready.val();
        self.link.idle.next = self.core.idle.val();
        self.link.error.next = self.core.error.val();
    }
}
