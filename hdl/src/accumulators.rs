//! The accumulator memory: 2^D words of C accumulators, and the adders that add the
//! matrix unit's sums to them.
//!
//! ```text
//!  cycle:  x                    x+1                       x+2
//!  address ──┬─► Memory ─read──────────► value[C]
//!            │      ▲             │
//!            │      │  sum[C] ──► + ──► first ? sum : word + sum ──► [ ]
//!            │      └──────────────────────────────────write──────────┘
//!            └────► [ ] ─────────────► [ ] ──────────────┘ (address, valid)
//! ```
//! `address`, `valid` and `first` in cycle x belong to `sum` in cycle x+1; the new
//! word is written at the end of cycle x+2. `value` is the word at `address`, in cycle
//! x+1, whether `valid` is set or not: that is how results are read. One word per
//! cycle. A word must not be read in the two cycles after its own, where its sum is
//! still under way, nor in cycle x+2 at an address written in that cycle (see
//! [`Memory`]): visiting an address again takes at least 3 cycles. With fewer than 8
//! lanes it takes 2: a pass of four slots, whose two positions stood behind two requests
//! of the activation unit, can be followed that closely by the next one. The word that
//! is being written is then taken from the register in front of the memory.
//!
//! `sum`, `value`: two's complement; words wrap at W bits.
//!
//! The valid bits need no reset: two cycles of `valid` low clear them.

use crate::{LoadableAdd, Memory};
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Accumulators<const C: usize, const W: usize, const H: usize, const D: usize> {
    pub clock: Signal<In, Clock>,
    pub address: Signal<In, Bits<D>>,
    pub valid: Signal<In, Bit>,
    /// The sum replaces the word instead of being added to it.
    pub first: Signal<In, Bit>,
    pub sum: [Signal<In, Bits<H>>; C],
    pub value: [Signal<Out, Bits<W>>; C],
    memory: Memory<C, W, D>,
    adder: [LoadableAdd<W>; C],
    total: [DFF<Bits<W>>; C],
    written: [DFF<Bits<W>>; C],
    /// The word that is read was written in the same cycle.
    rewritten: DFF<Bit>,
    address_1: DFF<Bits<D>>,
    address_2: DFF<Bits<D>>,
    valid_1: DFF<Bit>,
    valid_2: DFF<Bit>,
    first_1: DFF<Bit>,
    word: Signal<Local, Bits<W>>,
    narrow: Signal<Local, Bits<H>>,
    sign_bit: Signal<Local, Bits<H>>,
    extended: Signal<Local, Bits<W>>,
    few_lanes: Constant<Bit>,
    sign: Constant<Bits<H>>,
    sign_extension: Constant<Bits<W>>,
    all_lanes: Constant<Bits<C>>,
    no_lanes: Constant<Bits<C>>,
}

impl<const C: usize, const W: usize, const H: usize, const D: usize> Accumulators<C, W, H, D> {
    /// What the simulated memory holds: column `c` of word `w` at `w * C + c`.
    pub fn contents(&self) -> impl Iterator<Item = i32> + '_ {
        let unused = 32 - W;
        self.memory
            .contents()
            .iter()
            .map(move |&word| (word << unused) as i32 >> unused)
    }
}

impl<const C: usize, const W: usize, const H: usize, const D: usize> Default
    for Accumulators<C, W, H, D>
{
    fn default() -> Self {
        const { assert!(H < W && W <= 32) }
        Self {
            clock: Default::default(),
            address: Default::default(),
            valid: Default::default(),
            first: Default::default(),
            sum: std::array::from_fn(|_| Default::default()),
            value: std::array::from_fn(|_| Default::default()),
            memory: Default::default(),
            adder: std::array::from_fn(|_| Default::default()),
            total: std::array::from_fn(|_| Default::default()),
            written: std::array::from_fn(|_| Default::default()),
            rewritten: Default::default(),
            address_1: Default::default(),
            address_2: Default::default(),
            valid_1: Default::default(),
            valid_2: Default::default(),
            first_1: Default::default(),
            word: Default::default(),
            narrow: Default::default(),
            sign_bit: Default::default(),
            extended: Default::default(),
            // A sum of 2^k products has 16 + k bits.
            few_lanes: Constant::new(H < 16 + 3),
            sign: Constant::new(bits(1 << (H - 1))),
            sign_extension: Constant::new(bits((1 << W) - (1 << H))),
            all_lanes: Constant::new(bits((1 << C) - 1)),
            no_lanes: Constant::new(bits(0)),
        }
    }
}

impl<const C: usize, const W: usize, const H: usize, const D: usize> Logic
    for Accumulators<C, W, H, D>
{
    crate::unit!(
        "The accumulator memory and the adders that add the sums of the matrix unit to it."
    );

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, address_1, address_2, valid_1, valid_2, first_1, rewritten);
        self.address_1.d.next = self.address.val();
        self.address_2.d.next = self.address_1.q.val();
        self.valid_1.d.next = self.valid.val();
        self.valid_2.d.next = self.valid_1.q.val();
        self.first_1.d.next = self.first.val();

        self.memory.clock.next = self.clock.val();
        self.memory.read_address.next = self.address.val();
        self.memory.write_address.next = self.address_2.q.val();
        self.memory.write_enable.next = self.no_lanes.val();
        if self.valid_2.q.val() {
            self.memory.write_enable.next = self.all_lanes.val();
        }

        self.rewritten.d.next = self.few_lanes.val()
            & self.valid_2.q.val()
            & (self.address.val() == self.address_2.q.val());
        for i in 0..C {
            self.word.next = self.memory.read_data[i].val();
            if self.rewritten.q.val() {
                self.word.next = self.written[i].q.val();
            }
            self.narrow.next = self.sum[i].val();
            self.sign_bit.next = self.narrow.val() & self.sign.val();
            self.extended.next = bit_cast::<W, H>(self.narrow.val());
            if self.sign_bit.val().any() {
                self.extended.next =
                    bit_cast::<W, H>(self.narrow.val()) | self.sign_extension.val();
            }
            self.adder[i].x.next = self.word.val();
            self.adder[i].a.next = self.extended.val();
            self.adder[i].load.next = self.first_1.q.val();
            self.total[i].clock.next = self.clock.val();
            self.total[i].d.next = self.adder[i].y.val();
            self.memory.write_data[i].next = self.total[i].q.val();
            self.written[i].clock.next = self.clock.val();
            self.written[i].d.next = self.total[i].q.val();
            self.value[i].next = self.word.val();
        }
    }
}
