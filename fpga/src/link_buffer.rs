//! The link's memory: bytes for the core, and bytes of the core that the host has not
//! acknowledged, in the two halves of one block RAM.
//!
//! ```text
//!                     ┌──────────────────────┐
//!  frame receiver ───►│ 256 bytes for the    │ ──► input_data, valid ──► core
//!  write, address     │ core                 │ ◄── ready
//!                     ├──────────────────────┤
//!  frame sender ◄─────│ 256 bytes for the    │ ◄── output_data, valid ── core
//!  read_address       │ host                 │ ◄── identity, after reset
//!                     └──────────────────────┘
//! ```
//! Both ports of the memory serve the link in one cycle, with `link_turn`, and the core
//! in the next. A byte `received` in cycle t is valid in t+2 or t+3; the core's bytes
//! pass at most every other cycle, a hundred times as fast as the line.
//!
//! `input_valid` does not stay up between two offers of one byte. `read_data` in a cycle
//! with `link_turn` are those of `read_address` a cycle before. 255 bytes wait for the
//! host; then `output_ready` stays low.

use crate::IdentityRom;
use quern_hdl::{unit, Memory};
use quern_isa::link::IDENTITY_BYTES;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct LinkBuffer {
    pub clock: Signal<In, Clock>,
    /// Empties both halves; the host's then begins with the identity.
    pub reset: Signal<In, Bit>,
    pub link_turn: Signal<Out, Bit>,
    pub write: Signal<In, Bit>,
    pub write_address: Signal<In, Bits<8>>,
    pub write_data: Signal<In, Bits<8>>,
    pub read_address: Signal<In, Bits<8>>,
    pub read_data: Signal<Out, Bits<8>>,
    /// Bytes for the core that count, modulo 256.
    pub received: Signal<In, Bits<8>>,
    /// Bytes the core has taken, modulo 256.
    pub taken: Signal<Out, Bits<8>>,
    /// Bytes for the host, modulo 256.
    pub stored: Signal<Out, Bits<8>>,
    /// The last of them that need not be kept.
    pub base: Signal<In, Bits<8>>,
    pub input_data: Signal<Out, Bits<8>>,
    pub input_valid: Signal<Out, Bit>,
    pub input_ready: Signal<In, Bit>,
    pub output_data: Signal<In, Bits<8>>,
    pub output_valid: Signal<In, Bit>,
    pub output_ready: Signal<Out, Bit>,
    memory: Memory<1, 8, 9>,
    identity: IdentityRom,
    core_turn: DFF<Bit>,
    introducing: DFF<Bit>,
    take_count: DFF<Bits<8>>,
    store_count: DFF<Bits<8>>,
    offered: DFF<Bit>,
    room: DFF<Bit>,
    take: Signal<Local, Bit>,
    store: Signal<Local, Bit>,
    take_step: Signal<Local, Bits<8>>,
    store_step: Signal<Local, Bits<8>>,
    identity_place: Signal<Local, Bits<4>>,
    bytes_for_host: Signal<Local, Bits<8>>,
    upper_half: Signal<Local, Bits<9>>,
    half: Constant<Bits<9>>,
}

impl LinkBuffer {
    pub fn new(identity: [u8; IDENTITY_BYTES]) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            link_turn: Default::default(),
            write: Default::default(),
            write_address: Default::default(),
            write_data: Default::default(),
            read_address: Default::default(),
            read_data: Default::default(),
            received: Default::default(),
            taken: Default::default(),
            stored: Default::default(),
            base: Default::default(),
            input_data: Default::default(),
            input_valid: Default::default(),
            input_ready: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            memory: Default::default(),
            identity: IdentityRom::new(identity),
            core_turn: Default::default(),
            introducing: Default::default(),
            take_count: Default::default(),
            store_count: Default::default(),
            offered: Default::default(),
            room: Default::default(),
            take: Default::default(),
            store: Default::default(),
            take_step: Default::default(),
            store_step: Default::default(),
            identity_place: Default::default(),
            bytes_for_host: Default::default(),
            upper_half: Default::default(),
            half: Constant::new(256u64.to_bits()),
        }
    }
}

impl Logic for LinkBuffer {
    unit!("The link's memory: bytes for the core, and bytes the host has not acknowledged.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            core_turn,
            introducing,
            take_count,
            store_count,
            offered,
            room
        );
        self.memory.clock.next = self.clock.val();
        self.core_turn.d.next = !self.core_turn.q.val();
        self.link_turn.next = !self.core_turn.q.val();

        // What the core sees in its turn was read and compared in the link's.
        self.offered.d.next =
            !self.core_turn.q.val() & (self.take_count.q.val() != self.received.val());
        self.room.d.next = !self.core_turn.q.val()
            & !self.introducing.q.val()
            & (self.store_count.q.val() != self.base.val());
        self.input_valid.next = self.offered.q.val();
        self.output_ready.next = self.room.q.val();
        self.take.next = self.offered.q.val() & self.input_ready.val();
        self.store.next = (self.room.q.val() & self.output_valid.val())
            | (self.core_turn.q.val() & self.introducing.q.val());
        // A carry that enters at the bottom needs no clock enable.
        self.take_step.next = bit_cast::<8, 1>(self.take.val().into());
        self.take_count.d.next = self.take_count.q.val() + self.take_step.val();
        self.store_step.next = bit_cast::<8, 1>(self.store.val().into());
        self.store_count.d.next = self.store_count.q.val() + self.store_step.val();
        self.identity_place.next = self.store_count.q.val().get_bits::<4>(0);
        self.identity.address.next = self.identity_place.val();
        if self.core_turn.q.val() & self.identity_place.val().all() {
            self.introducing.d.next = false;
        }

        self.bytes_for_host.next = self.output_data.val();
        if self.introducing.q.val() {
            self.bytes_for_host.next = self.identity.data.val();
        }
        self.memory.write_enable.next = (self.write.val() | self.store.val()).into();
        self.upper_half.next = bit_cast::<9, 8>(self.read_address.val()) | self.half.val();
        self.memory.read_address.next = bit_cast::<9, 8>(self.take_count.q.val());
        self.memory.write_address.next = bit_cast::<9, 8>(self.write_address.val());
        self.memory.write_data[0].next = self.write_data.val();
        if self.core_turn.q.val() {
            self.memory.read_address.next = self.upper_half.val();
            self.memory.write_address.next =
                bit_cast::<9, 8>(self.store_count.q.val()) | self.half.val();
            self.memory.write_data[0].next = self.bytes_for_host.val();
        }
        self.read_data.next = self.memory.read_data[0].val();
        self.input_data.next = self.memory.read_data[0].val();
        self.taken.next = self.take_count.q.val();
        self.stored.next = self.store_count.q.val();

        if self.reset.val() {
            self.introducing.d.next = true;
            self.take_count.d.next = 0.into();
            self.store_count.d.next = 0.into();
            self.offered.d.next = false;
            self.room.d.next = false;
        }
    }
}
