//! Bytes side by side in one signal.
//!
//! RustHDL can't index an array of blocks that have arrays of ports (`column[i].a[j]`),
//! and its `Bits` of more than 32 bits is an array of bools, too slow for the array's
//! inputs. [`Bytes`] is a packed vector that simulates at the speed of a copy;
//! [`PackBytes`] makes one from separate signals.

use rust_hdl::prelude::*;

/// `8 * N` bits, byte 0 lowest. N is 4, 8 or 16: the widths Verilog literals can be
/// made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Bytes<N> {
    /// Bits `index` to `index + M - 1`, which lie in one byte: `get_bits::<8>(i * 8)`
    /// is byte i, in a kernel as in its Verilog.
    pub fn get_bits<const M: usize>(&self, index: usize) -> Bits<M> {
        assert!(index % 8 + M <= 8, "the bits lie in more than one byte");
        bits((self.0[index / 8] >> (index % 8)) as LiteralType & ((1 << M) - 1))
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Bytes([0; N])
    }
}

impl<const N: usize> Synth for Bytes<N> {
    const BITS: usize = {
        assert!(N == 4 || N == 8 || N == 16);
        8 * N
    };

    fn descriptor() -> TypeDescriptor {
        TypeDescriptor {
            name: format!("Bytes::<{N}>"),
            kind: TypeKind::Bits(Self::BITS),
        }
    }

    fn vcd(self) -> VCDValue {
        let digits =
            self.0
                .iter()
                .rev()
                .flat_map(|&byte| match bits::<8>(byte as LiteralType).vcd() {
                    VCDValue::Vector(digits) => digits,
                    other => unreachable!("eight bits are a vector, not {other:?}"),
                });
        VCDValue::Vector(digits.collect())
    }

    fn verilog(self) -> VerilogLiteral {
        let value = self
            .0
            .iter()
            .rev()
            .fold(0u128, |value, &byte| value << 8 | byte as u128);
        match N {
            4 => (value as u32).into(),
            8 => (value as u64).into(),
            _ => value.into(),
        }
    }
}

/// Wiring: byte i of `word` is `bytes[i]`. Combinational; no logic in hardware.
#[derive(LogicBlock)]
pub struct PackBytes<const N: usize> {
    pub bytes: [Signal<In, Bits<8>>; N],
    pub word: Signal<Out, Bytes<N>>,
}

impl<const N: usize> Default for PackBytes<N> {
    fn default() -> Self {
        Self {
            bytes: std::array::from_fn(|_| Default::default()),
            word: Default::default(),
        }
    }
}

impl<const N: usize> Logic for PackBytes<N> {
    crate::unit!("Wiring: byte i of `word` is `bytes[i]`.");

    fn update(&mut self) {
        self.word.next = Bytes(std::array::from_fn(|i| self.bytes[i].val().to_u32() as u8));
    }

    fn connect(&mut self) {
        self.word.connect();
    }

    fn hdl(&self) -> Verilog {
        let bytes: Vec<String> = (0..N).rev().map(|i| format!("bytes${i}")).collect();
        Verilog::Custom(format!(
            "always @(*) begin\n   word = {{{}}};\nend\n",
            bytes.join(", ")
        ))
    }
}
