//! What the board's eight LEDs say.
//!
//! ```text
//!  LED 0       heartbeat: blinks at clock / 2^HEARTBEAT as long as the clock runs
//!  LED 1       busy: a program is running, or the one in flash is checked
//!  LED 2       a frame from the host came damaged, since reset
//!  LED 3       error: the core has stopped, or the program in flash is faulty
//!  LED 4 to 7  its code, or without an error `lights`; LED 4 is the lowest bit
//! ```
//! Combinational but for the heartbeat and LED 2.

use quern_hdl::unit;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct StatusLeds<const HEARTBEAT: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub idle: Signal<In, Bit>,
    pub error: Signal<In, Bits<4>>,
    /// 0 beside an error.
    pub lights: Signal<In, Bits<4>>,
    /// High for a cycle or longer.
    pub damaged: Signal<In, Bit>,
    /// High is on.
    pub leds: Signal<Out, Bits<8>>,
    /// LED 0: changes every `2^(HEARTBEAT - 1)` cycles.
    pub heartbeat: Signal<Out, Bit>,
    count: DFF<Bits<HEARTBEAT>>,
    seen: DFF<Bit>,
    half: Constant<Bits<HEARTBEAT>>,
    beats: Signal<Local, Bit>,
    heartbeat_light: Signal<Local, Bits<8>>,
    busy_light: Signal<Local, Bits<8>>,
    damaged_light: Signal<Local, Bits<8>>,
    stopped_light: Signal<Local, Bits<8>>,
    code_lights: Signal<Local, Bits<8>>,
}

impl<const HEARTBEAT: usize> Default for StatusLeds<HEARTBEAT> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            lights: Default::default(),
            damaged: Default::default(),
            leds: Default::default(),
            heartbeat: Default::default(),
            count: Default::default(),
            seen: Default::default(),
            half: Constant::new((1u64 << (HEARTBEAT - 1)).to_bits()),
            beats: Default::default(),
            heartbeat_light: Default::default(),
            busy_light: Default::default(),
            damaged_light: Default::default(),
            stopped_light: Default::default(),
            code_lights: Default::default(),
        }
    }
}

impl<const HEARTBEAT: usize> Logic for StatusLeds<HEARTBEAT> {
    unit!("What the board's eight LEDs say.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count, seen);

        self.count.d.next = self.count.q.val() + 1;
        self.seen.d.next = self.seen.q.val() | self.damaged.val();
        if self.reset.val() {
            self.seen.d.next = false;
        }

        self.beats.next = (self.count.q.val() & self.half.val()).any();
        self.heartbeat.next = self.beats.val();
        self.heartbeat_light.next = 0.into();
        if self.beats.val() {
            self.heartbeat_light.next = 0x01.into();
        }
        self.busy_light.next = 0x02.into();
        if self.idle.val() {
            self.busy_light.next = 0.into();
        }
        self.damaged_light.next = 0.into();
        if self.seen.q.val() {
            self.damaged_light.next = 0x04.into();
        }
        self.stopped_light.next = 0.into();
        if self.error.val().any() {
            self.stopped_light.next = 0x08.into();
        }
        self.code_lights.next = bit_cast::<8, 4>(self.error.val() | self.lights.val()) << 4;
        self.leds.next = self.heartbeat_light.val()
            | self.busy_light.val()
            | self.damaged_light.val()
            | self.stopped_light.val()
            | self.code_lights.val();
    }
}
