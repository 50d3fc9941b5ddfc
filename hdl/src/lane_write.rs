//! Puts the bytes of the vector lanes into the lanes of a word.
//!
//! ```text
//!  byte[V] ──► data[R]
//!  lane, columns, write ──► enable
//! ```
//! Combinational. With one vector lane its byte goes to lane `lane`. With `R` of them,
//! `columns` bytes go to as many lanes from `lane` on: either 0, or `columns` is 1.

use rust_hdl::prelude::*;

/// A leaf: what goes where depends on `V`. `R` lanes, a power of two; `V` vector lanes:
/// 1 or `R`.
#[derive(LogicBlock)]
pub struct LaneWrite<const R: usize, const V: usize> {
    pub byte: [Signal<In, Bits<8>>; V],
    pub write: Signal<In, Bit>,
    pub lane: Signal<In, Bits<5>>,
    pub columns: Signal<In, Bits<5>>,
    pub data: [Signal<Out, Bits<8>>; R],
    pub enable: Signal<Out, Bits<R>>,
}

impl<const R: usize, const V: usize> Default for LaneWrite<R, V> {
    fn default() -> Self {
        const { assert!(R.is_power_of_two() && R <= 32 && (V == 1 || V == R)) }
        Self {
            byte: std::array::from_fn(|_| Default::default()),
            write: Default::default(),
            lane: Default::default(),
            columns: Default::default(),
            data: std::array::from_fn(|_| Default::default()),
            enable: Default::default(),
        }
    }
}

impl<const R: usize, const V: usize> Logic for LaneWrite<R, V> {
    crate::unit!("Puts the bytes of the vector lanes into the lanes of a word.");

    fn update(&mut self) {
        let lane = self.lane.val().index() % R;
        let columns = self.columns.val().to_u64();
        let lanes = match V {
            1 => 1,
            _ => (1u64 << columns) - 1,
        };
        let enable = if self.write.val() { lanes << lane } else { 0 };
        self.enable.next = bits(enable & ((1 << R) - 1));
        for i in 0..R {
            let own = if V == 1 || columns == 1 { 0 } else { i };
            self.data[i].next = self.byte[own].val();
        }
    }

    fn connect(&mut self) {
        self.data.iter_mut().for_each(Logic::connect);
        self.enable.connect();
    }

    fn hdl(&self) -> Verilog {
        let top = R.ilog2() - 1;
        let data: String = (0..R)
            .map(|i| match V {
                1 => format!("   data${i} = byte$0;\n"),
                _ => format!("   data${i} = columns == 1 ? byte$0 : byte${i};\n"),
            })
            .collect();
        // All of them when the one is shifted out.
        let lanes = match V {
            1 => format!("{R}'d1"),
            _ => format!("(({R}'d1 << columns) - {R}'d1)"),
        };
        Verilog::Custom(format!(
            "\
always @(*) begin
   enable = write ? {lanes} << lane[{top}:0] : {R}'d0;
{data}end
"
        ))
    }
}
