//! The clock generator in front of the core, for clocks other than the board's.
//!
//! ```text
//!  100 MHz ─► ÷ (DIVR+1) ─► phase ─► VCO ─┬─► ÷ 2^DIVQ ─► core clock
//!                           detector      │
//!                             ▲           │
//!                             └─ ÷ (DIVF+1)
//! ```
//! Ranges are those of the iCE40 sysCLOCK PLL guide (Lattice FPGA-TN-02052): detector
//! 10 to 133 MHz, VCO 533 to 1066 MHz, output 16 to 275 MHz.

use std::fmt;

/// The settings of an `SB_PLL40_CORE` with simple feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pll {
    pub divr: u64,
    pub divf: u64,
    pub divq: u64,
    /// Hertz at the reference input.
    input_hz: u64,
}

impl Pll {
    pub fn new(input_hz: u64, divr: u64, divf: u64, divq: u64) -> Pll {
        Pll {
            divr,
            divf,
            divq,
            input_hz,
        }
    }

    /// The fastest clock not above `limit_hz`, or none if the limit is out of the
    /// PLL's range.
    pub fn at_most(input_hz: u64, limit_hz: u64) -> Option<Pll> {
        let dividers = (0..16).flat_map(|divr| {
            (0..128).flat_map(move |divf| (1..7).map(move |divq| (divr, divf, divq)))
        });
        dividers
            .map(|(divr, divf, divq)| Pll {
                divr,
                divf,
                divq,
                input_hz,
            })
            .filter(|pll| pll.is_in_range() && pll.output_hz() <= limit_hz)
            // Of equal clocks the one with the fastest phase detector: least jitter.
            .max_by_key(|pll| (pll.output_hz(), pll.detector_hz()))
    }

    /// Hertz, rounded down.
    pub fn output_hz(&self) -> u64 {
        self.vco_hz() >> self.divq
    }

    fn detector_hz(&self) -> u64 {
        self.input_hz / (self.divr + 1)
    }

    fn vco_hz(&self) -> u64 {
        self.input_hz * (self.divf + 1) / (self.divr + 1)
    }

    fn is_in_range(&self) -> bool {
        (10_000_000..=133_000_000).contains(&self.detector_hz())
            && (533_000_000..=1_066_000_000).contains(&self.vco_hz())
            && (16_000_000..=275_000_000).contains(&self.output_hz())
    }

    /// The loop filter goes by the phase detector's frequency.
    fn filter_range(&self) -> u64 {
        match self.detector_hz() / 1_000_000 {
            ..17 => 1,
            17..26 => 2,
            26..44 => 3,
            44..66 => 4,
            66..101 => 5,
            _ => 6,
        }
    }
}

/// The instance in Verilog: `board_clock` in, `clock` and `locked` out.
impl fmt::Display for Pll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\
  SB_PLL40_CORE #(
    .FEEDBACK_PATH(\"SIMPLE\"),
    .DIVR(4'd{divr}),
    .DIVF(7'd{divf}),
    .DIVQ(3'd{divq}),
    .FILTER_RANGE(3'd{filter})
  ) pll (
    .REFERENCECLK(board_clock),
    .PLLOUTGLOBAL(clock),
    .LOCK(locked),
    .RESETB(1'b1),
    .BYPASS(1'b0)
  );
",
            divr = self.divr,
            divf = self.divf,
            divq = self.divq,
            filter = self.filter_range(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_clock_is_close_below_its_limit(limit_hz in 20_000_000u64..270_000_000) {
            let pll = Pll::at_most(100_000_000, limit_hz).unwrap();
            prop_assert!(pll.is_in_range());
            prop_assert!(pll.output_hz() <= limit_hz);
            // The coarsest steps are those of the fastest clocks: 10 MHz / 4.
            prop_assert!(limit_hz - pll.output_hz() <= 2_500_000, "{pll:?}");
        }
    }

    #[test]
    fn settings_agree_with_icepll() {
        // `icepll -i 100 -o 96` and `-o 120`
        let divisors = |mhz: u64| {
            let pll = Pll::at_most(100_000_000, mhz * 1_000_000).unwrap();
            (pll.output_hz(), pll.filter_range())
        };
        assert_eq!(divisors(120).0, 120_000_000);
        assert_eq!(divisors(75).0, 75_000_000);
    }

    #[test]
    fn a_limit_below_the_range_has_no_clock() {
        assert_eq!(Pll::at_most(100_000_000, 15_000_000), None);
    }
}
