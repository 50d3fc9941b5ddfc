//! How much of the hardware, and of the instruction set, a run of programs reaches.

use super::simulation::run_programs;
use crate::check::{Check, Evidence, Figures, Group, Mode, Obstacle, Outcome, Session};
use crate::tool::YOSYS;
use quern_hdl::verilog::TOP;
use quern_isa::{Config, CONFIGS, TINY};
use quern_testbench::driver::Pacing;
use quern_testbench::programs::coverage::Bins;
use quern_testbench::programs::{agree, malformed, Random, Recipe, Step, Trial};
use quern_testbench::verilator::coverage::{Bit, Coverage, Line};
use quern_testbench::verilator::{Model, Supply, Verilator};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub fn all() -> Vec<Check> {
    vec![
        Check::new(
            Group::Coverage,
            "coverage.verilog",
            "random and illegal programs execute every line of `tiny`'s Verilog and toggle at least 95 % of the bits that are not constant",
            verilog,
        )
        // Its model takes long to compile.
        .only_in_full(),
        Check::new(
            Group::Coverage,
            "coverage.functions",
            "random programs meet every instruction in every mode at every boundary case, on every configuration",
            functions,
        )
        .only_in_full(),
    ]
}

/// Shares that have to be reached.
const LINES: f64 = 1.0;
const TOGGLES: f64 = 0.95;

/// Lines that need not run: module, line, and why. Those that a constant of the
/// configuration switches off are found, not listed.
const WAIVED: &[(&str, &str, &str)] = &[(
    "rounding",
    "if (digit[3] != digit[3]) begin",
    "the loop over a digit's bits compares its highest bit with itself, too",
)];

/// Points that are listed on the page, at most.
const LISTED: usize = 100;

fn verilog(session: &Session) -> Result<Outcome, Obstacle> {
    let (programs, step, truncated) = match session.mode {
        Mode::Quick => (200, 9, 20),
        Mode::Full => (2000, 1, 200),
    };
    let model = Model {
        coverage: true,
        ..Model::of(&TINY).map_err(other)?
    };
    let constant = constant_bits(&model.verilog.text)?;
    let supply = Supply::of(&model).map_err(other)?;
    // One core for all programs: a core counts what it does itself.
    let mut core = supply.power(0).map_err(other)?;
    let mut few = None;
    for i in 0..programs {
        let trial = Trial::new(&TINY, (session.seed << 32) + i);
        core.set_pacing(trial.pacing);
        if let Err(disagreement) = agree(&mut core, &trial.recipe, trial.gaps) {
            let seed = trial.seed;
            return Ok(Outcome::failed(format!(
                "seed {seed:#x}, on a core that ran {i} programs before: {disagreement}"
            )));
        }
        if few.is_none() {
            few = Some(reached(&core)?);
        }
        session.progress(i as usize, programs as usize);
    }
    let faults: Vec<_> = malformed::faults(&TINY)
        .into_iter()
        .enumerate()
        .filter(|(i, fault)| fault.opens || i % step == 0)
        .map(|(_, fault)| fault)
        .collect();
    let mut random = Random(session.seed);
    core.set_pacing(Pacing::ALWAYS_READY);
    let illegal = malformed::check(&mut core, Verilator::ports, &mut random, &faults, truncated);
    let streams = match illegal {
        Err(problem) => return Ok(Outcome::failed(problem)),
        Ok(streams) => streams,
    };
    let all = Reached::of(&reached(&core)?, &model.verilog.text, &constant);
    let few = few.map(|few| Reached::of(&few, &model.verilog.text, &constant));
    let mut outcome = match all.is_enough() {
        true => Outcome::shown(Evidence::Measured),
        false => Outcome::failed(all.summary()),
    }
    .seed(session.seed)
    .figures(Figures {
        line_coverage: Some(all.line_share()),
        toggle_coverage: Some(all.toggle_share()),
        ..Figures::default()
    })
    .control(
        "one program instead of all",
        few.is_some_and(|few| few.line_share() < LINES && few.toggle_share() < TOGGLES),
    )
    .detail("programs", programs)
    .detail("illegal and truncated streams", streams)
    .detail("reached", all.summary())
    .detail("bits that synthesis finds constant", all.constant)
    .detail("lines that a constant switches off", all.switched_off);
    for (module, line, reason) in &all.waived {
        outcome = outcome.detail(format!("waived in {module}: `{line}`"), reason);
    }
    for line in all.open_lines.iter().take(LISTED) {
        outcome = outcome.detail("line that did not run", line);
    }
    for bit in all.open_bits.iter().take(LISTED) {
        outcome = outcome.detail("bit that did not toggle", bit);
    }
    Ok(outcome)
}

fn reached(core: &Verilator) -> Result<Coverage, Obstacle> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("coverage.dat");
    core.write_coverage(&file)?;
    let mut coverage = Coverage::default();
    coverage.read(&file)?;
    Ok(coverage)
}

/// What is left to reach.
#[derive(Debug, Default)]
struct Reached {
    lines: usize,
    open_lines: Vec<String>,
    waived: Vec<(String, String, &'static str)>,
    switched_off: usize,
    bits: usize,
    open_bits: Vec<String>,
    constant: usize,
}

impl Reached {
    fn of(coverage: &Coverage, verilog: &str, constant: &HashSet<String>) -> Reached {
        let text: Vec<&str> = verilog.lines().map(str::trim).collect();
        let mut reached = Reached::default();
        for (line, ran) in coverage.lines() {
            let Line { module, place, .. } = line;
            let source = text.get(line.line as usize - 1).copied().unwrap_or("");
            if !ran && is_switched_off(&text, module, source, place) {
                reached.switched_off += 1;
                continue;
            }
            let waiver = WAIVED
                .iter()
                .find(|(unit, waived, _)| module.starts_with(unit) && source == *waived);
            match (ran, waiver) {
                (false, Some((_, _, reason))) => {
                    let waived = (module.clone(), source.to_owned(), *reason);
                    reached.waived.push(waived);
                    continue;
                }
                (false, None) => {
                    let open = format!("{module}: `{source}` ({place})");
                    reached.open_lines.push(open);
                }
                (true, _) => {}
            }
            reached.lines += 1;
        }
        for (bit, toggled) in coverage.toggles() {
            let Bit { module, bit: name } = bit;
            let never = |instance: &str| constant.contains(&format!("{instance}.{name}"));
            if !toggled && coverage.instances(bit).all(never) {
                reached.constant += 1;
                continue;
            }
            reached.bits += 1;
            if !toggled {
                reached.open_bits.push(format!("{module}: {name}"));
            }
        }
        reached
    }

    fn line_share(&self) -> f64 {
        share(self.lines, self.open_lines.len())
    }

    fn toggle_share(&self) -> f64 {
        share(self.bits, self.open_bits.len())
    }

    fn is_enough(&self) -> bool {
        self.line_share() >= LINES && self.toggle_share() >= TOGGLES
    }

    fn summary(&self) -> String {
        format!(
            "{} of {} lines, {} of {} bits ({:.2} %)",
            self.lines - self.open_lines.len(),
            self.lines,
            self.bits - self.open_bits.len(),
            self.bits,
            100.0 * self.toggle_share()
        )
    }
}

/// Whether a branch depends on nothing but a constant of its module that does not take it.
fn is_switched_off(text: &[&str], module: &str, source: &str, place: &str) -> bool {
    let taken = match place.split_once(':') {
        Some(("if", _)) => "1",
        Some(("else", _)) => "0",
        _ => return false,
    };
    let Some((name, _)) = source
        .strip_prefix("if (")
        .and_then(|rest| rest.split_once(')'))
    else {
        return false;
    };
    let header = format!("module {module} (");
    let constant = format!("localparam {name} = 1'h");
    let body = text.iter().skip_while(|line| **line != header);
    let mut body = body.take_while(|line| **line != "endmodule");
    let value = body.find_map(|line| line.strip_prefix(&constant));
    value.is_some_and(|value| value.trim_end_matches(';') != taken)
}

/// Of nothing, nothing is reached.
fn share(all: usize, open: usize) -> f64 {
    match all {
        0 => 0.0,
        _ => (all - open) as f64 / all as f64,
    }
}

/// Bits of the flattened core that Yosys finds constant, as `quern.store.words[3]`: what
/// a configuration has no use for is tied to a constant where the units are joined.
fn constant_bits(verilog: &str) -> Result<HashSet<String>, Obstacle> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    fs::write(path.join("quern.v"), verilog)?;
    let script = format!(
        "read_verilog quern.v; hierarchy -top {TOP}; proc; flatten; opt -full; write_json quern.json"
    );
    YOSYS.run(&["-q", "-p", &script], path, Duration::from_secs(300))?;
    constants(&path.join("quern.json"))
}

fn constants(netlist: &Path) -> Result<HashSet<String>, Obstacle> {
    let netlist: serde_json::Value =
        serde_json::from_slice(&fs::read(netlist)?).map_err(|e| Obstacle::Other(e.to_string()))?;
    let names = netlist["modules"][TOP]["netnames"]
        .as_object()
        .ok_or_else(|| Obstacle::Other("Yosys wrote a netlist without names".to_owned()))?;
    let mut constant = HashSet::new();
    for (name, net) in names {
        let bits: Vec<&serde_json::Value> = net["bits"].as_array().into_iter().flatten().collect();
        for (i, bit) in bits.iter().enumerate() {
            // Nets have numbers, constants are texts.
            if bit.is_string() {
                constant.insert(match bits.len() {
                    1 => format!("{TOP}.{name}"),
                    _ => format!("{TOP}.{name}[{i}]"),
                });
            }
        }
    }
    Ok(constant)
}

/// Programs of one configuration at a time, until all bins are met, and at most.
const BATCH: u64 = 100;
const MOST: u64 = 3000;

fn functions(session: &Session) -> Result<Outcome, Obstacle> {
    let mut outcome = Outcome::shown(Evidence::Measured).seed(session.seed);
    let mut lowest = 1.0f64;
    let mut open = Vec::new();
    let mut all = 0;
    // Behind those of `simulation.programs` and `coverage.verilog`.
    let first = (session.seed << 32) + (1 << 24);
    for (i, config) in CONFIGS.iter().enumerate() {
        let supply = Supply::of(&Model::of(config).map_err(other)?).map_err(other)?;
        let mut bins = Bins::new(config);
        let mut programs = 0;
        while programs < MOST && !bins.open().is_empty() {
            let seeds = first + programs..first + programs + BATCH;
            match run_programs(&supply, config, seeds, &mut bins) {
                Err(ended) => return Ok(Outcome::failed(ended.to_string()).seed(session.seed)),
                Ok(done) => programs += done.programs,
            }
        }
        let (met, bins_of) = bins.figures();
        lowest = lowest.min(met as f64 / bins_of as f64);
        open.extend(
            bins.open()
                .iter()
                .map(|bin| format!("{}: {bin}", config.name)),
        );
        all += programs;
        outcome = outcome.detail(
            config.name,
            format!("{met} of {bins_of} bins in {programs} programs"),
        );
        session.progress(i + 1, CONFIGS.len());
    }
    if !open.is_empty() {
        outcome = Outcome {
            evidence: None,
            reason: format!("not met: {}", open.join(", ")),
            ..outcome
        };
    }
    Ok(outcome
        .figures(Figures {
            functional_coverage: Some(lowest),
            random_programs: Some(all),
            ..Figures::default()
        })
        .control(
            "no program stores anything",
            without_stores(&TINY, first)?
                .iter()
                .any(|bin| bin.starts_with("store.")),
        ))
}

/// Bins that stay open if programs store nothing.
fn without_stores(config: &Config, first: u64) -> Result<Vec<String>, Obstacle> {
    let supply = Supply::of(&Model::of(config).map_err(other)?).map_err(other)?;
    let mut bins = Bins::new(config);
    for seed in first..first + BATCH {
        let trial = Trial::new(config, seed);
        let stored = |step: &Step| matches!(step, Step::Store { .. } | Step::LoadStored { .. });
        let mut steps = trial.recipe.steps;
        steps.retain(|step| !stored(step));
        let recipe = Recipe {
            config: *config,
            steps,
        };
        let mut core = supply.power(0).map_err(other)?;
        core.set_pacing(trial.pacing);
        let counters = agree(&mut core, &recipe, trial.gaps)
            .map_err(|disagreement| Obstacle::Other(disagreement.to_string()))?;
        bins.record(&recipe, trial.gaps, &counters);
    }
    Ok(bins.open().into_iter().map(str::to_owned).collect())
}

fn other(error: impl std::fmt::Display) -> Obstacle {
    Obstacle::Other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_switches_its_branch_off() {
        let text = [
            "module a (",
            "localparam wide = 1'h1;",
            "endmodule",
            "module b (",
            "localparam wide = 1'h0;",
            "endmodule",
        ];
        let off = |module, source, place| is_switched_off(&text, module, source, place);
        assert!(off("b", "if (wide) x = 1;", "if:3"));
        assert!(!off("b", "if (wide) x = 1;", "else:4"));
        assert!(off("a", "if (wide) x = 1;", "else:4"));
        assert!(!off("a", "if (narrow) x = 1;", "if:3"));
    }

    #[test]
    fn what_is_tied_to_a_constant_is_found_through_units() {
        let verilog = "
            module part(input wire clock, input wire [1:0] x, output reg [1:0] y);
                always @(posedge clock) y <= x;
            endmodule
            module quern(input wire clock, input wire a, output wire [1:0] y);
                wire low = 1'b0;
                part part(.clock(clock), .x({low, a}), .y(y));
            endmodule";
        let constant = constant_bits(verilog).unwrap();
        assert!(constant.contains("quern.low"));
        assert!(constant.contains("quern.part.x[1]"));
        assert!(!constant.contains("quern.part.x[0]"));
    }
}
