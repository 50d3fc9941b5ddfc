//! The operands of the instruction that has been fetched, until it starts.
//!
//! ```text
//!  place[16] ─┬─► bytes 2, 3   ◄ +1 ──► field_2   (address of a load)
//!  write ─────┤─► bytes 4, 5   ◄ −1 ──► field_4   (count of a load)
//!             ├─► bytes 6, 7 ─────────► field_6
//!             ├─► …                     …
//!             └─► bytes 14, 15 ───────► field_14
//! ```
//! Latency 1 cycle from `write` to the field. Bit j of `write` says that `place[j]`
//! carries byte j of the instruction (layout: `quern_isa::Instruction::encode`).
//!
//! A unit copies its operands in the cycle it is started in; after that the next
//! instruction may come. Only a load keeps its own here, because it ends before the
//! next instruction is fetched: `step_word` goes to its next word.
//!
//! Fields are named after their first byte. Of the first four only the `F` bits are kept
//! that this configuration's memories need, so a count of 2^F reads as zero; counted
//! down to 1 it comes out right all the same.

use crate::OperandRegister;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct InstructionRegister<const F: usize> {
    pub clock: Signal<In, Clock>,
    pub place: [Signal<In, Bits<8>>; 16],
    pub write: Signal<In, Bits<16>>,
    pub step_word: Signal<In, Bit>,
    pub field_2: Signal<Out, Bits<F>>,
    pub field_4: Signal<Out, Bits<F>>,
    /// `field_4` is 1: this is the last word.
    pub last_word: Signal<Out, Bit>,
    pub field_6: Signal<Out, Bits<F>>,
    pub field_8: Signal<Out, Bits<F>>,
    pub field_10: Signal<Out, Bits<16>>,
    pub field_12: Signal<Out, Bits<16>>,
    pub field_14: Signal<Out, Bits<16>>,
    address: OperandRegister<F>,
    count: OperandRegister<F>,
    byte: [DFF<Bits<8>>; 10],
    one: Constant<Bits<F>>,
    minus_one: Constant<Bits<F>>,
}

impl<const F: usize> Default for InstructionRegister<F> {
    fn default() -> Self {
        const { assert!(F >= 8 && F <= 16) }
        Self {
            clock: Default::default(),
            place: std::array::from_fn(|_| Default::default()),
            write: Default::default(),
            step_word: Default::default(),
            field_2: Default::default(),
            field_4: Default::default(),
            last_word: Default::default(),
            field_6: Default::default(),
            field_8: Default::default(),
            field_10: Default::default(),
            field_12: Default::default(),
            field_14: Default::default(),
            address: OperandRegister::counting(),
            count: OperandRegister::counting(),
            byte: std::array::from_fn(|_| Default::default()),
            one: Constant::new(1.into()),
            minus_one: Constant::new(((1u64 << F) - 1).into()),
        }
    }
}

impl<const F: usize> Logic for InstructionRegister<F> {
    crate::unit!("The operands of the instruction that has been fetched, until it starts.");

    #[hdl_gen]
    fn update(&mut self) {
        self.address.clock.next = self.clock.val();
        self.address.low.next = self.place[2].val();
        self.address.high.next = self.place[3].val();
        self.address.write_low.next = self.write.val().get_bit(2);
        self.address.write_high.next = self.write.val().get_bit(3);
        self.address.step.next = self.step_word.val();
        self.address.stride.next = self.one.val();
        self.field_2.next = self.address.q.val();

        self.count.clock.next = self.clock.val();
        self.count.low.next = self.place[4].val();
        self.count.high.next = self.place[5].val();
        self.count.write_low.next = self.write.val().get_bit(4);
        self.count.write_high.next = self.write.val().get_bit(5);
        self.count.step.next = self.step_word.val();
        self.count.stride.next = self.minus_one.val();
        self.field_4.next = self.count.q.val();
        self.last_word.next = self.count.q.val() == self.one.val();

        for i in 0..10 {
            self.byte[i].clock.next = self.clock.val();
            self.byte[i].d.next = self.byte[i].q.val();
            if self.write.val().get_bit(i + 6) {
                self.byte[i].d.next = self.place[i + 6].val();
            }
        }
        self.field_6.next = bit_cast::<F, 16>(
            (bit_cast::<16, 8>(self.byte[1].q.val()) << 8)
                | bit_cast::<16, 8>(self.byte[0].q.val()),
        );
        self.field_8.next = bit_cast::<F, 16>(
            (bit_cast::<16, 8>(self.byte[3].q.val()) << 8)
                | bit_cast::<16, 8>(self.byte[2].q.val()),
        );
        self.field_10.next = (bit_cast::<16, 8>(self.byte[5].q.val()) << 8)
            | bit_cast::<16, 8>(self.byte[4].q.val());
        self.field_12.next = (bit_cast::<16, 8>(self.byte[7].q.val()) << 8)
            | bit_cast::<16, 8>(self.byte[6].q.val());
        self.field_14.next = (bit_cast::<16, 8>(self.byte[9].q.val()) << 8)
            | bit_cast::<16, 8>(self.byte[8].q.val());
    }
}
