//! What a build measured.

use crate::layout::{Stretch, UnitUse};
use crate::tool::ToolVersion;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// The figures of a build, all measured: counts and Fmax by nextpnr after routing.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    pub config: &'static str,
    pub board: &'static str,
    /// Logic cells used, of those there are.
    pub lcs: u64,
    pub lcs_total: u64,
    /// Block RAMs of 4 kbit used, of those there are.
    pub brams: u64,
    pub brams_total: u64,
    /// The fastest clock at which nextpnr's timing analysis (worst-case process,
    /// voltage and temperature) is met.
    pub fmax_mhz: f64,
    /// The core's clock in this image.
    pub clock_mhz: f64,
    /// Whether the core's clock comes from the PLL (else it is the board's).
    pub pll: bool,
    /// Serial bits per second, as the divider makes them.
    pub baud: f64,
    pub macs_per_cycle: usize,
    /// `macs_per_cycle * clock_mhz / 1000`.
    pub peak_gmacs: f64,
    /// Look-up tables of one 8 × 8 multiplier of the array, mapped by itself.
    pub lut4_per_multiplier: usize,
    /// The placement that was taken.
    pub seed: u32,
    /// Every placement that was tried.
    pub attempts: Vec<Attempt>,
    /// What each unit takes, the largest first.
    pub units: Vec<UnitUse>,
    /// The path that limits `fmax_mhz`, cut where it enters another unit.
    pub critical_path: Vec<Stretch>,
    pub tools: Vec<ToolVersion>,
    /// Seconds this build took for it: next to none where the cache had it.
    pub synthesis_s: f64,
    pub place_and_route_s: f64,
    pub bitstream: PathBuf,
    pub bitstream_bytes: u64,
    pub bitstream_sha256: String,
    /// The placed cells as a picture, coloured by unit.
    pub floorplan: PathBuf,
}

/// One run of place and route.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Attempt {
    pub seed: u32,
    pub clock_mhz: f64,
    /// None if nothing was placed or routed.
    pub fmax_mhz: Option<f64>,
}

/// What nextpnr says of a routed design.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    pub lcs: u64,
    pub lcs_total: u64,
    pub brams: u64,
    pub brams_total: u64,
    pub fmax_mhz: f64,
}

impl Placed {
    /// Reads nextpnr's `--report` file; none if it has another form. The design has
    /// one clock, whatever nextpnr calls it.
    pub fn parse(json: &str) -> Option<Placed> {
        let report: Value = serde_json::from_str(json).ok()?;
        let number = |cell: &str, field: &str| {
            report
                .get("utilization")?
                .get(cell)?
                .get(field)
                .and_then(Value::as_u64)
        };
        let clocks = report.get("fmax")?.as_object()?;
        let fmax_mhz = clocks
            .values()
            .map(|clock| clock.get("achieved").and_then(Value::as_f64))
            .collect::<Option<Vec<f64>>>()?
            .into_iter()
            .min_by(f64::total_cmp)?;
        Some(Placed {
            lcs: number("ICESTORM_LC", "used")?,
            lcs_total: number("ICESTORM_LC", "available")?,
            brams: number("ICESTORM_RAM", "used")?,
            brams_total: number("ICESTORM_RAM", "available")?,
            fmax_mhz,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_clock_and_the_used_cells_are_read() {
        let json = r#"{
            "fmax": {"a": {"achieved": 104.5, "constraint": 100}, "b": {"achieved": 98.25, "constraint": 100}},
            "utilization": {"ICESTORM_LC": {"available": 7680, "used": 42},
                            "ICESTORM_RAM": {"available": 32, "used": 7}}}"#;
        let placed = Placed {
            lcs: 42,
            lcs_total: 7680,
            brams: 7,
            brams_total: 32,
            fmax_mhz: 98.25,
        };
        assert_eq!(Placed::parse(json), Some(placed));
    }

    #[test]
    fn a_report_of_another_form_is_refused() {
        assert_eq!(Placed::parse(r#"{"fmax": {}, "utilization": {}}"#), None);
        assert_eq!(Placed::parse("not json"), None);
    }
}
