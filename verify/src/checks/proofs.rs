//! The proofs; each one's properties are in `verify/proofs/NAME.sv`.

use super::exported;
use crate::check::{Check, Obstacle};
use crate::proof::{Fault, Method, Proof};
use quern_hdl::{
    AddressGenerator, BeatRing, Counters, GridAddress, GridCounter, LoadableCounter,
    MultiplierStage2Signed, MultiplierStage3, RoundSignificand, Sequencer, Store, ValueQueue,
};
use rust_hdl::prelude::Block;

pub fn all() -> Vec<Check> {
    PROOFS.into_iter().map(Proof::check).collect()
}

const PROOFS: [Proof; 13] = [
    Proof {
        name: "multiplier_stage",
        claim: "three rows of the multiplier give 4*y + low = x + a*w for all operands",
        design: || text(MultiplierStage3::default()),
        method: Method::Combinational,
        faults: &[Fault {
            text: "sum = x + a",
            wrong: "sum = x | a",
        }],
    },
    Proof {
        name: "multiplier_stage_signed",
        claim: "the last two rows of the multiplier give 2*y + low = x + a*w, w signed, for all operands",
        design: || text(MultiplierStage2Signed::default()),
        method: Method::Combinational,
        faults: &[Fault {
            text: "difference = x - a",
            wrong: "difference = x + a",
        }],
    },
    Proof {
        name: "round_significand",
        claim: "32-bit sums are rounded to 24 significant bits, half to even",
        design: || text(RoundSignificand::<32>::default()),
        method: Method::Combinational,
        faults: &[Fault {
            text: "odd = value[3]",
            wrong: "odd = value[2]",
        }],
    },
    Proof {
        name: "loadable_counter",
        claim: "a loadable counter loads, steps down by one, or stands",
        design: || text(LoadableCounter::<9>::down()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "step ^ down",
            wrong: "step & down",
        }],
    },
    Proof {
        name: "beat_ring",
        claim: "the beat ring is one-hot, and moves only with `advance`",
        design: || text(BeatRing::<16>::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "if (last)",
            wrong: "if (!last)",
        }],
    },
    Proof {
        name: "grid_counter",
        claim: "a grid counter visits rows of x_count and grids of y_count places (8-bit counts)",
        design: || text(GridCounter::<8, 8>::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "(step & last_x_q)",
            wrong: "step",
        }],
    },
    Proof {
        name: "grid_address",
        claim: "a grid address is first + y*y_stride + x*x_stride (4-bit addresses)",
        design: || text(GridAddress::<4>::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "stride = y_stride",
            wrong: "stride = x_stride",
        }],
    },
    Proof {
        name: "address_generator",
        claim: "the address generator takes every tap and position once, in the order asked for (2-bit counts)",
        design: || text(AddressGenerator::<2>::default()),
        method: Method::Bounded { cycles: 10 },
        faults: &[Fault {
            text: "advance & (taps_inside_q",
            wrong: "advance & (~taps_inside_q",
        }],
    },
    Proof {
        name: "value_queue",
        claim: "the value queue is `ready` only with a value, within 3 cycles of having one, and never forgets how many it holds",
        design: || text(ValueQueue::<1, 2>::default()),
        method: Method::Induction { depth: 4 },
        faults: &[Fault {
            text: "head_q + 5'd1",
            wrong: "head_q + 5'd2",
        }],
    },
    Proof {
        name: "value_queue_order",
        claim: "values leave the queue once each, unchanged and in order",
        design: || text(ValueQueue::<1, 2>::default()),
        method: Method::Bounded { cycles: 12 },
        faults: &[Fault {
            text: ".read_address(tail_q)",
            wrong: ".read_address(head_q)",
        }],
    },
    Proof {
        name: "sequencer",
        claim: "a fetched instruction starts one unit that is free, or is refused, in the cycle after the units it waits for are idle; an error stands until reset (asic16)",
        design: || text(Sequencer::new(&quern_isa::ASIC16)),
        method: Method::Induction { depth: 3 },
        faults: &[Fault {
            text: "waits_q[2] | is_store_q | waits_for_all",
            wrong: "waits_q[2] | waits_for_all",
        }],
    },
    Proof {
        name: "store",
        claim: "the output stream's beat stays, unchanged, until it is taken; a store sends its words' beats and ends",
        design: || text(Store::<4, 4, 24, 1, 3>::default()),
        method: Method::Bounded { cycles: 14 },
        faults: &[Fault {
            text: "(output_ready | ~valid_q)",
            wrong: "1'b1",
        }],
    },
    Proof {
        name: "counters",
        claim: "counters are zero after a reset, count their events, and are back in place after they have been rotated out",
        design: || text(Counters::<1>::default()),
        method: Method::Bounded { cycles: 24 },
        faults: &[Fault {
            text: "head_word_q >> 8",
            wrong: "head_word_q >> 4",
        }, Fault {
            text: "zero = clear | reset",
            wrong: "zero = clear",
        }],
    },
];

fn text(unit: impl Block) -> Result<String, Obstacle> {
    exported(unit).map(|verilog| verilog.text)
}
