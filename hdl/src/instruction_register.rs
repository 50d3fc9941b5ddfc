//! The instruction being executed, field by field.
//!
//! ```text
//!  place[16] ─┬─► opcode ─────────────► opcode (3 bits)
//!  write ─────┤─► modifier ───────────► modifier (2 bits)
//!             ├─► address  ◄ +1 ──────► address, accumulator
//!             ├─► count    ◄ −1 ──────► count, positions
//!             ├─► position_stride ────► position_stride
//!             ├─► activation ◄ stride ► activation
//!             ├─► weight   ◄ +1 ──────► weight, parameter
//!             ├─► tiles    ◄ −1 ──────► tiles, columns
//!             └─► bytes 13 to 15 ─────► lane, low, high
//! ```
//! Latency 1 cycle from `write` to the field. Bit j of `write` says that `place[j]`
//! carries byte j of the instruction (layout: `quern_isa::Instruction::encode`).
//!
//! Of each field only the bits are kept that this configuration's memories need, so
//! a count of 2^N reads as zero in N bits; counted down to 1 it comes out right all
//! the same. The fields are the executing unit's counters as well: `step_word` goes
//! to the next word of a load or store or position of an activation, `step_row` to the next weight row,
//! `step_tile` to the next tile and its activations.
//!
//! `A`, `B`: address bits of activations and weights, the widest of their kind; `T`:
//! bits of `tiles` and `columns`.

use crate::OperandRegister;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct InstructionRegister<const A: usize, const B: usize, const T: usize> {
    pub clock: Signal<In, Clock>,
    pub place: [Signal<In, Bits<8>>; 16],
    pub write: Signal<In, Bits<16>>,
    pub step_word: Signal<In, Bit>,
    pub step_row: Signal<In, Bit>,
    pub step_tile: Signal<In, Bit>,
    pub opcode: Signal<Out, Bits<3>>,
    pub modifier: Signal<Out, Bits<2>>,
    pub address: Signal<Out, Bits<A>>,
    pub count: Signal<Out, Bits<A>>,
    /// `count` is 1: this is the last word.
    pub last_word: Signal<Out, Bit>,
    pub position_stride: Signal<Out, Bits<A>>,
    pub activation: Signal<Out, Bits<A>>,
    pub weight: Signal<Out, Bits<B>>,
    pub tiles: Signal<Out, Bits<T>>,
    pub lane: Signal<Out, Bits<5>>,
    pub low: Signal<Out, Bits<8>>,
    pub high: Signal<Out, Bits<8>>,
    opcode_field: DFF<Bits<3>>,
    modifier_field: DFF<Bits<2>>,
    address_field: OperandRegister<A>,
    count_field: OperandRegister<A>,
    stride_field: OperandRegister<A>,
    activation_field: OperandRegister<A>,
    weight_field: OperandRegister<B>,
    tiles_field: OperandRegister<T>,
    lane_field: DFF<Bits<5>>,
    tile_stride_field: OperandRegister<A>,
    low_field: DFF<Bits<8>>,
    high_field: DFF<Bits<8>>,
    one: Constant<Bits<A>>,
    minus_one: Constant<Bits<A>>,
    none: Constant<Bits<A>>,
    next_row: Constant<Bits<B>>,
    next_tile: Constant<Bits<T>>,
}

impl<const A: usize, const B: usize, const T: usize> Default for InstructionRegister<A, B, T> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            place: std::array::from_fn(|_| Default::default()),
            write: Default::default(),
            step_word: Default::default(),
            step_row: Default::default(),
            step_tile: Default::default(),
            opcode: Default::default(),
            modifier: Default::default(),
            address: Default::default(),
            count: Default::default(),
            last_word: Default::default(),
            position_stride: Default::default(),
            activation: Default::default(),
            weight: Default::default(),
            tiles: Default::default(),
            lane: Default::default(),
            low: Default::default(),
            high: Default::default(),
            opcode_field: Default::default(),
            modifier_field: Default::default(),
            address_field: OperandRegister::counting(),
            count_field: OperandRegister::counting(),
            stride_field: OperandRegister::counting(),
            activation_field: OperandRegister::adding(),
            weight_field: OperandRegister::counting(),
            tiles_field: OperandRegister::counting(),
            lane_field: Default::default(),
            tile_stride_field: OperandRegister::counting(),
            low_field: Default::default(),
            high_field: Default::default(),
            one: Constant::new(1.into()),
            minus_one: Constant::new(((1 << A) - 1).into()),
            none: Constant::new(0.into()),
            next_row: Constant::new(1.into()),
            next_tile: Constant::new(((1 << T) - 1).into()),
        }
    }
}

impl<const A: usize, const B: usize, const T: usize> Logic for InstructionRegister<A, B, T> {
    crate::unit!("The instruction being executed, field by field.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            opcode_field,
            modifier_field,
            lane_field,
            low_field,
            high_field
        );
        if self.write.val().get_bit(0) {
            self.opcode_field.d.next = self.place[0].val().get_bits::<3>(0);
        }
        if self.write.val().get_bit(1) {
            self.modifier_field.d.next = self.place[1].val().get_bits::<2>(0);
        }
        if self.write.val().get_bit(13) {
            self.lane_field.d.next = self.place[13].val().get_bits::<5>(0);
        }
        self.opcode.next = self.opcode_field.q.val();
        self.modifier.next = self.modifier_field.q.val();
        self.lane.next = self.lane_field.q.val();

        self.address_field.clock.next = self.clock.val();
        self.address_field.low.next = self.place[2].val();
        self.address_field.high.next = self.place[3].val();
        self.address_field.write_low.next = self.write.val().get_bit(2);
        self.address_field.write_high.next = self.write.val().get_bit(3);
        self.address_field.step.next = self.step_word.val();
        self.address_field.stride.next = self.one.val();
        self.address.next = self.address_field.q.val();

        self.count_field.clock.next = self.clock.val();
        self.count_field.low.next = self.place[4].val();
        self.count_field.high.next = self.place[5].val();
        self.count_field.write_low.next = self.write.val().get_bit(4);
        self.count_field.write_high.next = self.write.val().get_bit(5);
        self.count_field.step.next = self.step_word.val();
        self.count_field.stride.next = self.minus_one.val();
        self.count.next = self.count_field.q.val();
        self.last_word.next = self.count_field.q.val() == self.one.val();

        self.stride_field.clock.next = self.clock.val();
        self.stride_field.low.next = self.place[6].val();
        self.stride_field.high.next = self.place[7].val();
        self.stride_field.write_low.next = self.write.val().get_bit(6);
        self.stride_field.write_high.next = self.write.val().get_bit(7);
        self.stride_field.step.next = false;
        self.stride_field.stride.next = self.none.val();
        self.position_stride.next = self.stride_field.q.val();

        self.activation_field.clock.next = self.clock.val();
        self.activation_field.low.next = self.place[8].val();
        self.activation_field.high.next = self.place[9].val();
        self.activation_field.write_low.next = self.write.val().get_bit(8);
        self.activation_field.write_high.next = self.write.val().get_bit(9);
        self.activation_field.step.next = self.step_tile.val();
        self.activation_field.stride.next = self.tile_stride_field.q.val();
        self.activation.next = self.activation_field.q.val();

        self.weight_field.clock.next = self.clock.val();
        self.weight_field.low.next = self.place[10].val();
        self.weight_field.high.next = self.place[11].val();
        self.weight_field.write_low.next = self.write.val().get_bit(10);
        self.weight_field.write_high.next = self.write.val().get_bit(11);
        self.weight_field.step.next = self.step_row.val();
        self.weight_field.stride.next = self.next_row.val();
        self.weight.next = self.weight_field.q.val();

        self.tiles_field.clock.next = self.clock.val();
        self.tiles_field.low.next = self.place[12].val();
        // At most 8 bits are kept; byte 13 is the lane.
        self.tiles_field.high.next = self.place[13].val();
        self.tiles_field.write_low.next = self.write.val().get_bit(12);
        self.tiles_field.write_high.next = false;
        self.tiles_field.step.next = self.step_tile.val();
        self.tiles_field.stride.next = self.next_tile.val();
        self.tiles.next = self.tiles_field.q.val();

        self.tile_stride_field.clock.next = self.clock.val();
        self.tile_stride_field.low.next = self.place[14].val();
        self.tile_stride_field.high.next = self.place[15].val();
        self.tile_stride_field.write_low.next = self.write.val().get_bit(14);
        self.tile_stride_field.write_high.next = self.write.val().get_bit(15);
        self.tile_stride_field.step.next = false;
        self.tile_stride_field.stride.next = self.none.val();

        // The same bytes as the tile stride's; synthesis keeps one copy.
        if self.write.val().get_bit(14) {
            self.low_field.d.next = self.place[14].val();
        }
        if self.write.val().get_bit(15) {
            self.high_field.d.next = self.place[15].val();
        }
        self.low.next = self.low_field.q.val();
        self.high.next = self.high_field.q.val();
    }
}
