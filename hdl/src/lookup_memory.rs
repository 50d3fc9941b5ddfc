//! A table that `V` lanes look up in at a time.
//!
//! ```text
//!  write_address, write_enable ─┐
//!  write_data[B] ──────────────►│ 2^A entries of B bytes ├─► entry[V]
//!  index[V] ───────────────────►└────────────────────────┘
//! ```
//! `index` in cycle t gives `entry` in cycle t+1. `V` reads and one write every cycle;
//! an entry is not written in the cycle in which it is read (see
//! [`Memory`](crate::Memory)). All entries start as zero.
//!
//! `entry`: byte 0 of the written word is the lowest of its `W = 8 * B` bits.

use rust_hdl::prelude::*;

/// A leaf: RustHDL has no concatenation.
#[derive(LogicBlock)]
pub struct LookupMemory<const V: usize, const W: usize, const B: usize, const A: usize> {
    pub clock: Signal<In, Clock>,
    pub index: [Signal<In, Bits<A>>; V],
    pub entry: [Signal<Out, Bits<W>>; V],
    pub write_address: Signal<In, Bits<A>>,
    pub write_data: [Signal<In, Bits<8>>; B],
    /// Bit i writes byte i.
    pub write_enable: Signal<In, Bits<B>>,
    _contents: Box<[u8]>,
}

impl<const V: usize, const W: usize, const B: usize, const A: usize> LookupMemory<V, W, B, A> {
    /// What the simulated memory holds: byte `b` of entry `e` at `e * B + b`.
    pub fn contents(&self) -> &[u8] {
        &self._contents
    }
}

impl<const V: usize, const W: usize, const B: usize, const A: usize> Default
    for LookupMemory<V, W, B, A>
{
    fn default() -> Self {
        const { assert!(W == 8 * B && W <= 32) }
        Self {
            clock: Default::default(),
            index: std::array::from_fn(|_| Default::default()),
            entry: std::array::from_fn(|_| Default::default()),
            write_address: Default::default(),
            write_data: std::array::from_fn(|_| Default::default()),
            write_enable: Default::default(),
            _contents: vec![0; B << A].into(),
        }
    }
}

impl<const V: usize, const W: usize, const B: usize, const A: usize> Logic
    for LookupMemory<V, W, B, A>
{
    crate::unit!("A table that the vector lanes look up in.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        for (index, entry) in self.index.iter().zip(&mut self.entry) {
            let bytes = self._contents[index.val().index() * B..][..B].iter().rev();
            entry.next = bits(bytes.fold(0u64, |value, &byte| value << 8 | byte as u64));
        }
        let enable = self.write_enable.val();
        if enable.any() {
            let place = self.write_address.val().index() * B;
            for (byte, data) in self.write_data.iter().enumerate() {
                if enable.get_bit(byte) {
                    self._contents[place + byte] = data.val().to_u32() as u8;
                }
            }
        }
    }

    fn connect(&mut self) {
        self.entry.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let msb = W - 1;
        let last = (1usize << A) - 1;
        let enable = |byte: usize| match B {
            1 => String::new(),
            _ => format!("[{byte}]"),
        };
        let writes: String = (0..B)
            .map(|byte| {
                format!(
                    "   if (write_enable{}) mem[write_address][{}:{}] <= write_data${byte};\n",
                    enable(byte),
                    8 * byte + 7,
                    8 * byte,
                )
            })
            .collect();
        let reads: String = (0..V)
            .map(|lane| format!("   entry${lane} <= mem[index${lane}];\n"))
            .collect();
        Verilog::Custom(format!(
            "\
(* no_rw_check *) reg [{msb}:0] mem [0:{last}] /*verilator public_flat_rd*/;
integer i;

initial begin
   for (i = 0; i <= {last}; i = i + 1) mem[i] = 0;
end

always @(posedge clock) begin
{writes}{reads}end
"
        ))
    }
}
