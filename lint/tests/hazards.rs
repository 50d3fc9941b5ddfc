//! Each hazard is found, and is one: RustHDL's simulation and RustHDL's own Verilog
//! under Icarus part.

use quern_lint::hazards::{self, Hazard, Outcome, Visitor};
use quern_lint::{lint, source, Rule};
use rust_hdl::prelude::*;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::process::Command;

/// One port of the block under test.
struct Port {
    name: String,
    is_input: bool,
    bits: usize,
    value: String,
}

/// Ports with their present values.
fn ports(block: &dyn Block) -> Vec<Port> {
    #[derive(Default)]
    struct Ports {
        depth: usize,
        found: Vec<Port>,
    }
    impl Probe for Ports {
        fn visit_start_scope(&mut self, _: &str, _: &dyn Block) {
            self.depth += 1;
        }
        fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {
            self.depth -= 1;
        }
        fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
            if self.depth == 1 && signal.kind().is_parameter() {
                let value = format!("{:x}", signal.verilog());
                self.found.push(Port {
                    name: name.to_owned(),
                    is_input: signal.kind() == AtomKind::InputParameter,
                    bits: signal.bits(),
                    value: value.split_once("'h").unwrap().1.to_owned(),
                });
            }
        }
    }
    let mut ports = Ports::default();
    block.accept("top", &mut ports);
    ports.found
}

fn settle(block: &mut impl Block) {
    for _ in 0..100 {
        block.update_all();
        if !block.has_changed() {
            return;
        }
    }
    panic!("the block does not settle");
}

/// The outputs of the simulator, row by row, and a test bench that prints those of the
/// Verilog.
fn simulate<H: Hazard>(block: &mut H, rows: usize) -> (Vec<String>, String) {
    let mut expected = Vec::new();
    let mut stimulus = String::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    settle(block);
    for _ in 0..rows {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        block.drive(seed);
        settle(block);
        let mut outputs = String::new();
        for port in ports(block) {
            if port.is_input {
                let Port {
                    name, bits, value, ..
                } = port;
                let _ = writeln!(stimulus, "        {name} = {bits}'h{value};");
            } else {
                let _ = write!(outputs, "{} ", port.value);
            }
        }
        expected.push(outputs.trim().to_owned());
        stimulus.push_str("        #1 print;\n");
        if let Some(clock) = H::CLOCK {
            stimulus.push_str("        clock = 1; #1 clock = 0; #1;\n");
            clock(block).next = true.into();
            settle(block);
            clock(block).next = false.into();
            settle(block);
        }
    }
    let mut declarations = String::new();
    let mut names = Vec::new();
    let mut outputs = Vec::new();
    for port in ports(block) {
        let Port { name, bits, .. } = port;
        let kind = if port.is_input { "reg" } else { "wire" };
        let _ = writeln!(declarations, "    {kind} [{}:0] {name};", bits - 1);
        if !port.is_input {
            outputs.push(name.clone());
        }
        names.push(format!(".{name}({name})"));
    }
    // All other inputs begin unknown, so that their first values are events.
    let start = match H::CLOCK {
        Some(_) => "        clock = 0;\n",
        None => "",
    };
    let formats = vec!["%h"; outputs.len()].join(" ");
    let bench = format!(
        "module bench;\n{declarations}    top dut({});\n    task print; \
         $display(\"ROW {formats}\", {}); endtask\n    initial begin\n{start}{stimulus}    end\nendmodule\n",
        names.join(", "),
        outputs.join(", "),
    );
    (expected, bench)
}

/// What Icarus prints, or `None` if it refuses the Verilog.
fn icarus(verilog: &str, bench: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("top.v"), verilog).unwrap();
    std::fs::write(folder.path().join("bench.v"), bench).unwrap();
    let run = |tool: &str, arguments: &[&str]| {
        Command::new(tool)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{tool}: {error}; install iverilog"))
    };
    let compiled = run("iverilog", &["-g2012", "-o", "top.vvp", "bench.v", "top.v"]);
    if !compiled.status.success() {
        return None;
    }
    let printed = run("vvp", &["-n", "top.vvp"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    Some(
        text.lines()
            .filter_map(|line| line.strip_prefix("ROW "))
            .map(|row| {
                let values = row
                    .split(' ')
                    .map(|value| match value.trim_start_matches('0') {
                        "" => "0",
                        digits => digits,
                    });
                values.collect::<Vec<_>>().join(" ")
            })
            .collect(),
    )
}

fn outcome<H: Hazard>() -> Outcome {
    let mut block = H::default();
    block.connect_all();
    let written = std::panic::catch_unwind(|| {
        let mut block = H::default();
        block.connect_all();
        generate_verilog_unchecked(&block)
    });
    let Ok(verilog) = written else {
        return Outcome::Rejected;
    };
    let (expected, bench) = simulate(&mut block, 64);
    match icarus(&verilog, &bench) {
        None => Outcome::Rejected,
        Some(actual) => {
            assert_eq!(actual.len(), expected.len(), "{}", H::CODE);
            match actual == expected {
                true => Outcome::Agrees,
                false => Outcome::Differs,
            }
        }
    }
}

#[derive(Default)]
struct Demonstrations {
    shown: usize,
    rules: HashSet<Rule>,
}

impl Visitor for Demonstrations {
    fn visit<H: Hazard>(&mut self) {
        assert_eq!(outcome::<H>(), H::OUTCOME, "{}", H::CODE);
        let mut block = H::default();
        block.connect_all();
        let mut findings = lint(&block, "top");
        findings.extend(in_source::<H>());
        let rules: HashSet<Rule> = findings.iter().map(|finding| finding.rule).collect();
        assert!(rules.contains(&H::RULE), "{}: {findings:?}", H::CODE);
        for finding in &findings {
            let text = finding.to_string();
            assert!(text.contains(&finding.block) && text.contains(finding.rule.idiom()));
        }
        // A memory's text is a leaf, too; nothing else has a second hazard.
        for finding in &findings {
            let leaf = finding.rule == Rule::ForeignText;
            assert!(leaf || finding.rule == H::RULE, "{}: {finding}", H::CODE);
        }
        self.shown += 1;
        self.rules.insert(H::RULE);
    }
}

/// The findings in the block's own `impl Logic`.
fn in_source<H>() -> Vec<quern_lint::Finding> {
    let name = std::any::type_name::<H>().rsplit("::").next().unwrap();
    let name = name.split('<').next().unwrap();
    let text = include_str!("../src/hazards.rs");
    let start = text.find(&format!("Logic for {name}")).unwrap();
    let text = format!("impl {}", &text[start..]);
    let end = text.find("\n}\n").unwrap() + 3;
    source::lint(&text[..end], "hazards.rs").unwrap()
}

#[test]
fn every_hazard_is_found_and_is_one() {
    let mut demonstrations = Demonstrations::default();
    hazards::visit_all(&mut demonstrations);
    assert_eq!(demonstrations.rules.len(), Rule::ALL.len());
    assert_eq!(demonstrations.shown, 26);
}

/// RustHDL's own filter has two of the hazards.
#[test]
fn the_mac_fir_of_rust_hdl_is_found_out() {
    let coefficients = [1, -2, 3, -2, 1];
    let mut filter =
        MultiplyAccumulateSymmetricFiniteImpulseResponseFilter::<3>::new(&coefficients);
    filter.connect_all();
    let rules: HashSet<Rule> = lint(&filter, "filter").iter().map(|f| f.rule).collect();
    assert!(rules.contains(&Rule::CastOfExpression), "{rules:?}");
    assert!(rules.contains(&Rule::UninitialisedMemory), "{rules:?}");
}
