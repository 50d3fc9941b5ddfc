//! CRC-32 of a stream that comes in two bits at a time, highest bits first.
//!
//! ```text
//!          ┌─────────────────────────────────────────┐
//!          ▼                                         │
//!  [32 bits] ─► shift by 2, subtract the polynomial ─┘  ─► all zero? ─► [ ] ─► intact
//!                          ▲
//!  bits, enable ───────────┘
//! ```
//! Polynomial and start are those of CRC-32/MPEG-2, so that `intact` is high when the
//! bytes so far end with their own CRC ([`quern_isa::standalone`]). Two bits a cycle;
//! `intact` counts bits in the second cycle after they were taken.
//!
//! Two steps of one bit at once cost no more cells than one: each of them adds at most
//! one bit to a bit of the register, and both fit one look-up table.

use quern_hdl::unit;
use quern_isa::standalone::CRC;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct FlashCrc {
    pub clock: Signal<In, Clock>,
    /// Begins anew.
    pub clear: Signal<In, Bit>,
    /// The higher bit came first.
    pub bits: Signal<In, Bits<2>>,
    pub enable: Signal<In, Bit>,
    pub intact: Signal<Out, Bit>,
    remainder: DFF<Bits<32>>,
    is_zero: DFF<Bit>,
    initial: Constant<Bits<32>>,
    polynomial: Constant<Bits<32>>,
    /// The polynomial, one bit higher.
    doubled: Constant<Bits<32>>,
    shifted: Signal<Local, Bits<32>>,
    first: Signal<Local, Bits<32>>,
    second: Signal<Local, Bits<32>>,
    newer: Signal<Local, Bits<2>>,
}

impl Default for FlashCrc {
    fn default() -> Self {
        let algorithm = CRC.algorithm;
        // The second step looks at a bit that the first one must not change.
        assert!(algorithm.poly >> 31 == 0 && !algorithm.refin && algorithm.xorout == 0);
        let constant = |value: u32| Constant::new(u64::from(value).to_bits::<32>());
        Self {
            clock: Default::default(),
            clear: Default::default(),
            bits: Default::default(),
            enable: Default::default(),
            intact: Default::default(),
            remainder: Default::default(),
            is_zero: Default::default(),
            initial: constant(algorithm.init),
            polynomial: constant(algorithm.poly),
            doubled: constant(algorithm.poly << 1),
            shifted: Default::default(),
            first: Default::default(),
            second: Default::default(),
            newer: Default::default(),
        }
    }
}

impl Logic for FlashCrc {
    unit!("CRC-32 of a stream that comes in two bits at a time.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, remainder, is_zero);

        self.newer.next = self.remainder.q.val().get_bits::<2>(30) ^ self.bits.val();
        self.shifted.next = self.remainder.q.val() << 2;
        self.first.next = 0.into();
        if self.newer.val().get_bit(1) {
            self.first.next = self.doubled.val();
        }
        self.second.next = 0.into();
        if self.newer.val().get_bit(0) {
            self.second.next = self.polynomial.val();
        }
        if self.enable.val() {
            self.remainder.d.next = self.shifted.val() ^ self.first.val() ^ self.second.val();
        }
        if self.clear.val() {
            self.remainder.d.next = self.initial.val();
        }
        self.is_zero.d.next = !self.remainder.q.val().any();
        self.intact.next = self.is_zero.q.val();
    }
}
