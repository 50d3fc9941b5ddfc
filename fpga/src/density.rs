//! What a multiply-accumulate costs: the array of `cu` alone, the same array with
//! inferred multipliers, and the whole image, all placed with the same seeds.
//!
//! ```text
//!          ┌ harness ──────────────────────────────┐
//!  rx ─────┤─► shift register ─► array ─► parities ├─► tx
//!          └───────────────────────────────────────┘
//! ```
//! Operands come from a shift register and sums go into parities, because the package has
//! fewer pins than an array has ports. The harness has one level of logic between
//! registers, and its cells are not counted as the array's.

use crate::cache::Cache;
use crate::error::BuildError;
use crate::flow::{self, Step};
use crate::image::{Recipe, Sample, Toolchain};
use crate::layout::UnitUse;
use crate::pins::{self, Board, CLOCK_HZ};
use crate::top;
use quern_hdl::verilog::{self, Direction, ExportError, Port};
use quern_hdl::MatrixUnit;
use quern_isa::CU;
use rust_hdl::prelude::*;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

const LANES: usize = CU.lanes;
const COLUMNS: usize = CU.columns;
/// Bits of a sum: a dot product of `LANES` products of unsigned and signed bytes.
const SUM_BITS: usize = 16 + LANES.ilog2() as usize;

/// The array's module, and its instance in the harness.
const ARRAY: &str = "array";
const HARNESS: &str = "harness";

/// Sums that share a parity flip-flop: the inputs of a look-up table.
const PARITY_BITS: usize = 4;

/// What is to be placed.
#[derive(Debug, Clone)]
pub struct DensityOptions {
    /// All of them are placed.
    pub seeds: Vec<u32>,
    /// Placements at a time.
    pub jobs: usize,
    pub cache: Cache,
}

/// A design and its placements.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: &'static str,
    pub macs_per_cycle: usize,
    /// Logic cells and block RAMs of the array, without harness or the rest of the image.
    pub array_lcs: usize,
    pub lcs_per_mac: f64,
    /// Of everything that was placed.
    pub lcs: u64,
    pub brams: u64,
    /// The clock that nextpnr was asked for.
    pub goal_mhz: f64,
    pub placements: Vec<Placement>,
    pub fmax_median_mhz: f64,
    pub fmax_best_mhz: f64,
    /// Multiply-accumulates a second, in thousand millions.
    pub gmacs_median: f64,
    pub gmacs_best: f64,
    /// Of the first placement, the largest unit first.
    pub units: Vec<UnitUse>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Placement {
    pub seed: u32,
    /// None if nothing was placed or routed.
    pub fmax_mhz: Option<f64>,
}

/// A design to be placed.
struct Design {
    name: &'static str,
    verilog: String,
    top: &'static str,
    clock_mhz: f64,
    /// What the names of the array's units begin with.
    array: &'static str,
}

/// Places all three designs with every seed.
pub fn measure(
    options: &DensityOptions,
    progress: &mut dyn FnMut(&str, Step),
) -> Result<Vec<Measured>, BuildError> {
    if options.seeds.is_empty() {
        return Err(BuildError::NoSeed);
    }
    let toolchain = Toolchain::find()?;
    let designs = designs()?;
    designs
        .into_iter()
        .map(|design| design.measure(options, &toolchain, progress))
        .collect()
}

fn designs() -> Result<[Design; 3], BuildError> {
    let board_mhz = CLOCK_HZ as f64 / 1e6;
    let (verilog, clock_mhz) = flow::released()?;
    Ok([
        Design {
            name: "array of inferred multipliers",
            verilog: harness(&inferred_array(), &array_ports()),
            top: HARNESS,
            clock_mhz: board_mhz,
            array: ARRAY,
        },
        Design {
            name: "array",
            verilog: harness(&array()?, &array_ports()),
            top: HARNESS,
            clock_mhz: board_mhz,
            array: ARRAY,
        },
        Design {
            name: "whole image",
            verilog,
            top: top::MODULE,
            clock_mhz,
            array: "core.matrix",
        },
    ])
}

impl Design {
    fn measure(
        &self,
        options: &DensityOptions,
        toolchain: &Toolchain,
        progress: &mut dyn FnMut(&str, Step),
    ) -> Result<Measured, BuildError> {
        let folder = tempfile::tempdir();
        let folder = folder.map_err(BuildError::io("creating", Path::new("a folder")))?;
        let clock_mhz = self.clock_mhz;
        let recipe = Recipe {
            verilog: &self.verilog,
            top: self.top,
            constraints: &pins::pcf(Board::default()),
            clock_mhz,
            seeds: &options.seeds,
            jobs: options.jobs,
        };
        progress(self.name, Step::Synthesis { clock_mhz });
        recipe.synthesise(toolchain, &options.cache, folder.path())?;
        let seeds = options.seeds.len();
        progress(self.name, Step::PlaceAndRoute { seeds, clock_mhz });
        let samples = recipe.place_all(toolchain, &options.cache, folder.path())?;
        Ok(self.figures(samples))
    }

    /// # Panics
    /// Without a sample.
    fn figures(&self, samples: Vec<(u32, Option<Sample>)>) -> Measured {
        let placements: Vec<Placement> = samples
            .iter()
            .map(|(seed, sample)| Placement {
                seed: *seed,
                fmax_mhz: sample.as_ref().map(|sample| sample.placed.fmax_mhz),
            })
            .collect();
        let mut fmax: Vec<f64> = placements.iter().filter_map(|p| p.fmax_mhz).collect();
        fmax.sort_by(f64::total_cmp);
        let (median, best) = (median(&fmax), fmax[fmax.len() - 1]);
        let first = samples.into_iter().find_map(|(_, sample)| sample);
        let Sample { placed, units } = first.expect("a seed was placed");
        let belongs = |unit: &&UnitUse| {
            let rest = unit.unit.strip_prefix(self.array);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let array_lcs = units.iter().filter(belongs).map(|unit| unit.lcs).sum();
        let macs = CU.macs_per_cycle();
        let gmacs = |fmax_mhz: f64| macs as f64 * fmax_mhz / 1e3;
        Measured {
            name: self.name,
            macs_per_cycle: macs,
            array_lcs,
            lcs_per_mac: array_lcs as f64 / macs as f64,
            lcs: placed.lcs,
            brams: placed.brams,
            goal_mhz: self.clock_mhz,
            placements,
            fmax_median_mhz: median,
            fmax_best_mhz: best,
            gmacs_median: gmacs(median),
            gmacs_best: gmacs(best),
            units,
        }
    }
}

/// Of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

fn matrix_unit() -> MatrixUnit<LANES, COLUMNS, SUM_BITS> {
    let mut unit = MatrixUnit::default();
    unit.connect_all();
    unit
}

/// The matrix unit of `cu` as module `array`.
pub fn array() -> Result<String, ExportError> {
    Ok(verilog::export(&matrix_unit(), ARRAY)?.text)
}

pub fn array_ports() -> Vec<Port> {
    verilog::ports(&matrix_unit())
}

/// The same array as one would write it without knowing the device: a `*` and an addition
/// a lane, with a register behind each. Its sums come two cycles earlier.
pub fn inferred_array() -> String {
    let mut body = String::new();
    let last = LANES - 1;
    for lane in 0..LANES {
        let load = match lane {
            0 => "load".to_owned(),
            _ => format!("loads[{}]", lane - 1),
        };
        for column in 0..COLUMNS {
            let so_far = match lane {
                0 => String::new(),
                _ => format!("total_{}_{column} + ", lane - 1),
            };
            let _ = write!(
                body,
                "
  reg signed [7:0] weight_{lane}_{column};
  reg signed [16:0] product_{lane}_{column};
  reg signed [{msb}:0] total_{lane}_{column};
  always @(posedge clock) begin
    if ({load}) weight_{lane}_{column} <= weight_row_{column};
    product_{lane}_{column} <= $signed({{1'b0, activation_{lane}}}) * weight_{lane}_{column};
    total_{lane}_{column} <= {so_far}product_{lane}_{column};
  end
",
                msb = SUM_BITS - 1,
            );
        }
    }
    for column in 0..COLUMNS {
        let _ = writeln!(body, "  assign sum_{column} = total_{last}_{column};");
    }
    let ports: Vec<String> = array_ports().iter().map(declaration).collect();
    format!(
        "module {ARRAY}(\n  {ports}\n);
  reg [{loads_msb}:0] loads;
  always @(posedge clock) loads <= {{loads, load}};
{body}endmodule
",
        ports = ports.join(",\n  "),
        loads_msb = last - 1,
    )
}

fn declaration(port: &Port) -> String {
    let direction = match port.direction {
        Direction::Input => "input",
        Direction::Output => "output",
    };
    format!("{direction} [{}:0] {}", port.bits - 1, port.name)
}

/// An array between as many flip-flops as it has ports.
fn harness(array: &str, ports: &[Port]) -> String {
    let (mut operands, mut sums) = (0, 0);
    let mut connections = Vec::new();
    for Port {
        name,
        bits,
        direction,
        ..
    } in ports
    {
        let (bus, at) = match direction {
            _ if name == "clock" => {
                connections.push(".clock(board_clock)".to_owned());
                continue;
            }
            Direction::Input => ("operands", &mut operands),
            Direction::Output => ("sums", &mut sums),
        };
        connections.push(format!(".{name}({bus}[{}:{at}])", *at + bits - 1));
        *at += bits;
    }
    let mut parities = String::new();
    let (mut source, mut bits) = ("sums".to_owned(), sums);
    while bits > 1 {
        let next = bits.div_ceil(PARITY_BITS);
        let name = format!("parities_{next}");
        let _ = writeln!(parities, "  reg [{}:0] {name};", next - 1);
        for place in 0..next {
            let low = place * PARITY_BITS;
            let high = (low + PARITY_BITS).min(bits) - 1;
            let _ = writeln!(
                parities,
                "  always @(posedge board_clock) {name}[{place}] <= ^{source}[{high}:{low}];"
            );
        }
        (source, bits) = (name, next);
    }
    format!(
        "
module {HARNESS}(input board_clock, input rx, output tx);
  reg [{operands_msb}:0] operands;
  wire [{sums_msb}:0] sums;
  always @(posedge board_clock) operands <= {{operands, rx}};
  {ARRAY} {ARRAY}({connections});
{parities}  assign tx = {source};
endmodule

{array}",
        operands_msb = operands - 1,
        sums_msb = sums - 1,
        connections = connections.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_ones() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }
}
