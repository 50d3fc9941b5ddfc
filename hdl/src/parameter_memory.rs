//! The parameter memory: words are written byte by byte, and read `V` at a time, taken
//! apart into their fields.
//!
//! ```text
//!  write_address, write_enable ─┐
//!  write_data[L] ──────────────►│ 2^P words of L bytes ├─► bias[V], multiplier[V],
//!  read_address ───────────────►└──────────────────────┘   steps[V], zero_point[V]
//! ```
//! `read_address` in cycle t gives in cycle t+1 the fields of the `V` words among which
//! that word is, counted from a multiple of `V`. One read and one write every cycle; a
//! word is not written in the cycle in which it is read (see [`Memory`](crate::Memory)).
//! All words start as zero.
//!
//! A word is that of [`ChannelParameters`](quern_isa::ChannelParameters): `bias`, two's
//! complement; `multiplier`, unsigned, the low `M = 23 + Q` of 32 bits; `steps`, the low
//! four bits of a byte; `zero_point`, offset binary.

use rust_hdl::prelude::*;

/// A leaf: RustHDL has no concatenation. `V`, a power of two: words read at a time;
/// `L = W / 8 + 6` bytes a word; `P` address bits.
#[derive(LogicBlock)]
pub struct ParameterMemory<
    const V: usize,
    const L: usize,
    const W: usize,
    const M: usize,
    const P: usize,
> {
    pub clock: Signal<In, Clock>,
    pub read_address: Signal<In, Bits<P>>,
    pub bias: [Signal<Out, Bits<W>>; V],
    pub multiplier: [Signal<Out, Bits<M>>; V],
    pub steps: [Signal<Out, Bits<4>>; V],
    pub zero_point: [Signal<Out, Bits<8>>; V],
    pub write_address: Signal<In, Bits<P>>,
    pub write_data: [Signal<In, Bits<8>>; L],
    /// Bit i writes byte i.
    pub write_enable: Signal<In, Bits<L>>,
    _contents: Box<[u8]>,
}

impl<const V: usize, const L: usize, const W: usize, const M: usize, const P: usize>
    ParameterMemory<V, L, W, M, P>
{
    /// What the simulated memory holds: byte `b` of word `w` at `w * L + b`.
    pub fn contents(&self) -> &[u8] {
        &self._contents
    }
}

impl<const V: usize, const L: usize, const W: usize, const M: usize, const P: usize> Default
    for ParameterMemory<V, L, W, M, P>
{
    fn default() -> Self {
        const { assert!(V.is_power_of_two() && W % 8 == 0 && L == W / 8 + 6 && M <= 32) }
        Self {
            clock: Default::default(),
            read_address: Default::default(),
            bias: std::array::from_fn(|_| Default::default()),
            multiplier: std::array::from_fn(|_| Default::default()),
            steps: std::array::from_fn(|_| Default::default()),
            zero_point: std::array::from_fn(|_| Default::default()),
            write_address: Default::default(),
            write_data: std::array::from_fn(|_| Default::default()),
            write_enable: Default::default(),
            _contents: vec![0; L << P].into(),
        }
    }
}

impl<const V: usize, const L: usize, const W: usize, const M: usize, const P: usize> Logic
    for ParameterMemory<V, L, W, M, P>
{
    crate::unit!("The parameter memory, read as many words at a time as there are vector lanes.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let first = self.read_address.val().index() & !(V - 1);
        let words = self._contents[first * L..(first + V) * L].chunks_exact(L);
        for (i, word) in words.enumerate() {
            let little_endian = |bytes: &[u8]| {
                let bytes = bytes.iter().rev();
                bytes.fold(0u64, |value, &byte| value << 8 | byte as u64)
            };
            let multiplier = little_endian(&word[W / 8..W / 8 + 4]) & ((1 << M) - 1);
            self.bias[i].next = bits(little_endian(&word[..W / 8]));
            self.multiplier[i].next = bits(multiplier);
            self.steps[i].next = bits(word[L - 2] as u64 & 15);
            self.zero_point[i].next = bits(word[L - 1] as u64);
        }
        let enable = self.write_enable.val();
        if enable.any() {
            let word = self.write_address.val().index() * L;
            for (byte, data) in self.write_data.iter().enumerate() {
                if enable.get_bit(byte) {
                    self._contents[word + byte] = data.val().to_u32() as u8;
                }
            }
        }
    }

    fn connect(&mut self) {
        self.bias.iter_mut().for_each(Logic::connect);
        self.multiplier.iter_mut().for_each(Logic::connect);
        self.steps.iter_mut().for_each(Logic::connect);
        self.zero_point.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let bank_bits = V.ilog2() as usize;
        let last = (1usize << (P - bank_bits)) - 1;
        let msb = 8 * V * L - 1;
        let address = |name: &str| match bank_bits {
            0 => name.to_owned(),
            _ => format!("{name}[{}:{bank_bits}]", P - 1),
        };
        let writes: String = (0..V)
            .flat_map(|bank| (0..L).map(move |byte| (bank, byte)))
            .map(|(bank, byte)| {
                let selected = match bank_bits {
                    0 => String::new(),
                    _ => format!(" && write_address[{}:0] == {bank}", bank_bits - 1),
                };
                let low = 8 * (bank * L + byte);
                format!(
                    "   if (write_enable[{byte}]{selected}) mem[{}][{}:{low}] <= write_data${byte};\n",
                    address("write_address"),
                    low + 7,
                )
            })
            .collect();
        let fields: String = (0..V)
            .map(|bank| {
                let low = 8 * bank * L;
                let multiplier = low + W;
                format!(
                    "   bias${bank} = word[{}:{low}];\n   \
                     multiplier${bank} = word[{}:{multiplier}];\n   \
                     steps${bank} = word[{}:{}];\n   \
                     zero_point${bank} = word[{}:{}];\n",
                    low + W - 1,
                    multiplier + M - 1,
                    multiplier + 35,
                    multiplier + 32,
                    multiplier + 47,
                    multiplier + 40,
                )
            })
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
{writes}   word <= mem[{}];
end

always @(*) begin
{fields}end
",
            address("read_address"),
        ))
    }
}
