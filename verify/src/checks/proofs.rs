//! The proofs; each one's properties are in `verify/proofs/NAME.sv`.

use super::exported;
use crate::check::{Check, Obstacle};
use crate::proof::{Fault, Method, Proof};
use quern_fpga::{FrameReceiver, UartReceiver};
use quern_hdl::verilog::{self, TOP};
use quern_hdl::{
    AddressGenerator, BeatRing, Counters, GridAddress, GridCounter, LoadableCounter, Loader,
    MultiplierStage2Signed, MultiplierStage3, RoundSignificand, Sequencer, Store, ValueQueue,
};
use quern_isa::TINY;
use rust_hdl::prelude::Block;

pub fn all() -> Vec<Check> {
    PROOFS.into_iter().map(Proof::check).collect()
}

const PROOFS: [Proof; 19] = [
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
            text: "zero = clear_event_q | reset",
            wrong: "zero = clear_event_q",
        }],
    },
    Proof {
        name: "cycle_count",
        claim: "the count of cycles steps by one in every running cycle, from any value",
        design: || text(Counters::<1>::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "cycle_count_q + one",
            wrong: "(cycle_count_q | 32'h200000) + one",
        }],
    },
    Proof {
        name: "loader",
        claim: "a load takes as many beats as its words have, in every cycle that it may, writes each to its lane of its memory, and ends (tiny)",
        design: || text(Loader::<4, 4, 10, 4>::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "if (step & last_word)",
            wrong: "if (step)",
        }],
    },
    Proof {
        name: "core_output",
        claim: "the core's output beat stays, unchanged, until it is taken, whatever the core does; a reset leaves none (tiny)",
        design: core,
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "if (output_ready) valid_q <= 1'b0",
            wrong: "valid_q <= 1'b0",
        }],
    },
    Proof {
        name: "uart_idle",
        claim: "a line that is high for a byte's time leaves the link's receiver idle, from any state; a byte is announced once, good or bad",
        design: || text(UartReceiver::<3>::new(6)),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "received_d = received_q + 3'd1",
            wrong: "received_d = received_q",
        }],
    },
    Proof {
        name: "link_idle",
        claim: "a flag takes the link's parser back to where no frame has begun, from any state",
        design: || text(FrameReceiver::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "progress_q <= 7'd0",
            wrong: "progress_q <= 7'd1",
        }],
    },
    Proof {
        name: "link_fresh",
        claim: "behind a flag the link's parser deals with every line as any other parser does that knows the same positions, whatever either got before: frames are accepted after any bytes",
        design: || text(FrameReceiver::default()),
        method: Method::Induction { depth: 2 },
        faults: &[Fault {
            text: "pointer_load = ~progress_q[0]",
            wrong: "pointer_load = 1'b0",
        }],
    },
];

/// The whole core, as `dut`.
fn core() -> Result<String, Obstacle> {
    let verilog = verilog::core(&TINY).map_err(|error| Obstacle::Other(error.to_string()))?;
    let header = format!("module {TOP} (");
    match verilog.text.contains(&header) {
        true => Ok(verilog.text.replacen(&header, "module dut (", 1)),
        false => Err(Obstacle::Other(format!("the core has no `{header}`"))),
    }
}

fn text(unit: impl Block) -> Result<String, Obstacle> {
    exported(unit).map(|verilog| verilog.text)
}
