//! The memory of every buffer: one synchronous read port, one write port with an
//! enable per lane.
//!
//! ```text
//!                      ┌────────────────────────┐
//!  read_address ──────►│                        ├──► read_data[LANES]
//!                      │ 2^ADDRESS words of     │
//!  write_address ─────►│ LANES × BITS           │
//!  write_data[LANES] ─►│                        │
//!  write_enable ──────►│ (a bit per lane)       │
//!                      └────────────────────────┘
//! ```
//! `read_address` in cycle t gives `read_data` in cycle t+1; a word written in cycle
//! t can be read from cycle t+1 on. One read and one write every cycle.
//!
//! Reading and writing one address in one cycle gives the old word in simulation,
//! but hardware is free to give anything (`no_rw_check`; the logic that would decide
//! it costs hundreds of cells on iCE40), so users never do it.
//!
//! All words start as zero, in every simulator and in an FPGA's block RAM.
//! `read_data` has no defined value before the first clock edge.

use rust_hdl::prelude::*;

/// A leaf: RustHDL's own RAM keeps its words in a tree and has a single lane.
#[derive(LogicBlock)]
pub struct Memory<const LANES: usize, const BITS: usize, const ADDRESS: usize> {
    pub clock: Signal<In, Clock>,
    pub read_address: Signal<In, Bits<ADDRESS>>,
    pub read_data: [Signal<Out, Bits<BITS>>; LANES],
    pub write_address: Signal<In, Bits<ADDRESS>>,
    pub write_data: [Signal<In, Bits<BITS>>; LANES],
    /// Bit i writes lane i.
    pub write_enable: Signal<In, Bits<LANES>>,
    _contents: Box<[u32]>,
}

impl<const LANES: usize, const BITS: usize, const ADDRESS: usize> Memory<LANES, BITS, ADDRESS> {
    pub const WORDS: usize = 1 << ADDRESS;

    /// What the simulated memory holds: lane `l` of word `w` at `w * LANES + l`.
    pub fn contents(&self) -> &[u32] {
        &self._contents
    }

    /// For test benches that begin with a filled memory. Values wider than `BITS`
    /// have no meaning.
    pub fn contents_mut(&mut self) -> &mut [u32] {
        &mut self._contents
    }
}

impl<const LANES: usize, const BITS: usize, const ADDRESS: usize> Default
    for Memory<LANES, BITS, ADDRESS>
{
    fn default() -> Self {
        const { assert!(LANES <= 32 && BITS <= 32, "ports are at most 32 bits wide") }
        Self {
            clock: Default::default(),
            read_address: Default::default(),
            read_data: std::array::from_fn(|_| Default::default()),
            write_address: Default::default(),
            write_data: std::array::from_fn(|_| Default::default()),
            write_enable: Default::default(),
            _contents: vec![0; LANES << ADDRESS].into(),
        }
    }
}

impl<const LANES: usize, const BITS: usize, const ADDRESS: usize> Logic
    for Memory<LANES, BITS, ADDRESS>
{
    crate::unit!("A memory: one synchronous read port, one write port with an enable per lane.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let word = self.read_address.val().index() * LANES;
        for (lane, data) in self.read_data.iter_mut().enumerate() {
            data.next = (self._contents[word + lane] as LiteralType).into();
        }
        let enable = self.write_enable.val();
        if enable.any() {
            let word = self.write_address.val().index() * LANES;
            for (lane, data) in self.write_data.iter().enumerate() {
                if enable.get_bit(lane) {
                    self._contents[word + lane] = data.val().to_u32();
                }
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let msb = LANES * BITS - 1;
        let last = (1usize << ADDRESS) - 1;
        let lane_bits = |lane: usize| match LANES {
            1 => String::new(),
            _ => format!("[{}:{}]", (lane + 1) * BITS - 1, lane * BITS),
        };
        let enable = |lane: usize| match LANES {
            1 => String::new(),
            _ => format!("[{lane}]"),
        };
        let writes: String = (0..LANES)
            .map(|lane| {
                format!(
                    "   if (write_enable{}) mem[write_address]{} <= write_data${lane};\n",
                    enable(lane),
                    lane_bits(lane),
                )
            })
            .collect();
        let reads: String = (0..LANES)
            .map(|lane| format!("   read_data${lane} = word{};\n", lane_bits(lane)))
            .collect();
        Verilog::Custom(format!(
            "\
(* no_rw_check *) reg [{msb}:0] mem [0:{last}] /*verilator public_flat_rd*/;
reg [{msb}:0] word;
integer i;

initial begin
   for (i = 0; i <= {last}; i = i + 1) mem[i] = 0;
end

always @(posedge clock) begin
{writes}   word <= mem[read_address];
end

always @(*) begin
{reads}end
"
        ))
    }
}
