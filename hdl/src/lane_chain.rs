//! What a [`Column`](crate::Column) is made of: R lanes, each starting from the low
//! bits of the lanes before it, and the sum of what they leave. Ports, latency and
//! throughput are the column's.

use crate::{Bytes, ColumnSum, Lane};
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct LaneChain<const R: usize, const H: usize> {
    pub clock: Signal<In, Clock>,
    pub activation_0: Signal<In, Bytes<R>>,
    pub activation_1: Signal<In, Bytes<R>>,
    pub activation_2: Signal<In, Bytes<R>>,
    pub weight: Signal<In, Bits<8>>,
    pub load_0: Signal<In, Bits<R>>,
    pub load_1: Signal<In, Bits<R>>,
    pub load_2: Signal<In, Bits<R>>,
    pub sum: Signal<Out, Bits<H>>,
    // Bits 7:3 of the weight for stage 1, bits 7:6 for stage 2.
    weight_1: DFF<Bits<5>>,
    weight_2: DFF<Bits<2>>,
    lane: [Lane; R],
    total: ColumnSum<R, H>,
    // Low bits by how many lanes ago they came from.
    low_0_from_1: Signal<Local, Bits<3>>,
    low_1_from_1: Signal<Local, Bits<3>>,
    low_1_from_2: Signal<Local, Bits<3>>,
    low_2_from_1: Signal<Local, Bits<2>>,
    low_2_from_2: Signal<Local, Bits<2>>,
    low_2_from_3: Signal<Local, Bits<2>>,
}

impl<const R: usize, const H: usize> Default for LaneChain<R, H> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            activation_0: Default::default(),
            activation_1: Default::default(),
            activation_2: Default::default(),
            weight: Default::default(),
            load_0: Default::default(),
            load_1: Default::default(),
            load_2: Default::default(),
            sum: Default::default(),
            weight_1: Default::default(),
            weight_2: Default::default(),
            lane: std::array::from_fn(|_| Default::default()),
            total: Default::default(),
            low_0_from_1: Default::default(),
            low_1_from_1: Default::default(),
            low_1_from_2: Default::default(),
            low_2_from_1: Default::default(),
            low_2_from_2: Default::default(),
            low_2_from_3: Default::default(),
        }
    }
}

impl<const R: usize, const H: usize> Logic for LaneChain<R, H> {
    crate::unit!("One output column: the dot product of R activations with R stationary weights.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, weight_1, weight_2);
        self.total.clock.next = self.clock.val();
        self.weight_1.d.next = self.weight.val().get_bits::<5>(3);
        self.weight_2.d.next = self.weight_1.q.val().get_bits::<2>(3);

        self.low_0_from_1.next = 0.into();
        self.low_1_from_1.next = 0.into();
        self.low_1_from_2.next = 0.into();
        self.low_2_from_1.next = 0.into();
        self.low_2_from_2.next = 0.into();
        self.low_2_from_3.next = 0.into();
        for i in 0..R {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].x.next = (bit_cast::<8, 2>(self.low_2_from_3.val()) << 6)
                | (bit_cast::<8, 3>(self.low_1_from_2.val()) << 3)
                | bit_cast::<8, 3>(self.low_0_from_1.val());
            self.lane[i].activation_0.next = self.activation_0.val().get_bits::<8>(i * 8);
            self.lane[i].activation_1.next = self.activation_1.val().get_bits::<8>(i * 8);
            self.lane[i].activation_2.next = self.activation_2.val().get_bits::<8>(i * 8);
            self.lane[i].weight_0.next = self.weight.val().get_bits::<3>(0);
            self.lane[i].weight_1.next = self.weight_1.q.val().get_bits::<3>(0);
            self.lane[i].weight_2.next = self.weight_2.q.val();
            self.lane[i].load_0.next = self.load_0.val().get_bit(i);
            self.lane[i].load_1.next = self.load_1.val().get_bit(i);
            self.lane[i].load_2.next = self.load_2.val().get_bit(i);
            self.total.high[i].next = self.lane[i].high.val();

            self.low_2_from_3.next = self.low_2_from_2.val();
            self.low_2_from_2.next = self.low_2_from_1.val();
            self.low_2_from_1.next = self.lane[i].low_2.val();
            self.low_1_from_2.next = self.low_1_from_1.val();
            self.low_1_from_1.next = self.lane[i].low_1.val();
            self.low_0_from_1.next = self.lane[i].low_0.val();
        }

        // What a lane R, a lane R+1 and a lane R+2 would start from.
        self.total.low_0.next = (bit_cast::<8, 2>(self.low_2_from_3.val()) << 6)
            | (bit_cast::<8, 3>(self.low_1_from_2.val()) << 3)
            | bit_cast::<8, 3>(self.low_0_from_1.val());
        self.total.low_1.next = (bit_cast::<5, 2>(self.low_2_from_2.val()) << 3)
            | bit_cast::<5, 3>(self.low_1_from_1.val());
        self.total.low_2.next = self.low_2_from_1.val();

        self.sum.next = self.total.sum.val();
    }
}
