//! The exported core as its user meets it: tools accept it, people can read it.

use quern_hdl::verilog::{self, ExportError, Verilog, WAIVERS};
use quern_isa::{Config, ASIC16, CONFIGS, CU, TINY};
use rust_hdl::prelude::*;
use std::path::Path;
use std::process::{Command, Output};

fn core(config: &Config) -> Verilog {
    verilog::core(config).unwrap()
}

/// The core's file and its waivers in a folder of their own.
fn folder(config: &Config) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quern.v"), core(config).text).unwrap();
    std::fs::write(folder.path().join("waivers.vlt"), WAIVERS).unwrap();
    folder
}

fn run(package: &str, folder: &Path, command: &[&str]) -> Output {
    Command::new(command[0])
        .args(&command[1..])
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{error}: install it with `apt-get install {package}`"))
}

fn lint(folder: &Path, waivers: &[&str]) -> Output {
    let mut command = vec!["verilator", "--lint-only", "-Wall", "--top-module", "quern"];
    command.extend(waivers);
    command.push("quern.v");
    run("verilator", folder, &command)
}

#[test]
fn verilator_finds_nothing_but_what_is_waived() {
    let mut remarks = String::new();
    for config in &CONFIGS {
        let folder = folder(config);
        let output = lint(folder.path(), &["waivers.vlt"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{text}", config.name);
        let unwaived = lint(folder.path(), &[]);
        remarks += &String::from_utf8_lossy(&unwaived.stderr);
    }
    // No waiver outlives its reason.
    let needless: Vec<&str> = WAIVERS
        .lines()
        .filter(|line| line.starts_with("lint_off"))
        .filter(|waiver| {
            let rule = waiver.split_whitespace().nth(2).unwrap();
            let pattern = waiver.split('"').nth(3).unwrap_or("");
            let needs = |line: &str| line.contains(rule) && matches(pattern, line);
            !remarks.lines().any(needs)
        })
        .collect();
    assert!(needless.is_empty(), "nothing needs {needless:#?}");
}

/// Whether the pieces of a pattern between its stars occur in order.
fn matches(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    pattern.split('*').all(|piece| match rest.find(piece) {
        Some(place) => {
            rest = &rest[place + piece.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn yosys_finds_no_latch_and_no_other_problem() {
    for config in &CONFIGS {
        let folder = folder(config);
        // Filling the large memories with zeros would take yosys a minute; they are
        // those of the other configurations but for their size.
        let memories = match config.name {
            "asic16" => "delete memory_*; proc",
            _ => "hierarchy -top quern -check; proc; check -assert",
        };
        if config.name == "asic16" {
            let text = without_initial_memories(&core(config).text);
            std::fs::write(folder.path().join("quern.v"), text).unwrap();
        }
        let script =
            format!("read_verilog quern.v; {memories}; select -assert-none t:$dlatch t:$adlatch");
        let output = run("yosys", folder.path(), &["yosys", "-q", "-p", &script]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{}: {text}{}",
            config.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The text without the loops that fill memories.
fn without_initial_memories(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("for (i = 0"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn icarus_compiles_it_without_a_warning() {
    for config in &CONFIGS {
        let folder = folder(config);
        let command = [
            "iverilog",
            "-g2012",
            "-Wall",
            "-Wno-timescale",
            "-o",
            "core.vvp",
        ];
        let command = [&command[..], &["-s", "quern", "quern.v"]].concat();
        let output = run("iverilog", folder.path(), &command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}", config.name);
        assert_eq!(text, "", "{}", config.name);
    }
}

/// The lane chain has a multiplier per lane and column, of seven adding rows and one
/// subtracting row; each stands in the file once.
#[test]
fn identical_modules_stand_in_the_file_once() {
    for config in &CONFIGS {
        let verilog = core(config);
        let multipliers = config.macs_per_cycle();
        for (module, instances) in [
            ("conditional_add_9", 7 * multipliers),
            ("conditional_subtract_9", multipliers),
            ("multiplier_stage_3", 2 * multipliers),
            ("multiplier_stage_2_signed", multipliers),
            ("lane", multipliers),
        ] {
            let found: Vec<_> = verilog
                .modules
                .iter()
                .filter(|m| m.name == module)
                .collect();
            assert_eq!(found.len(), 1, "{}: {module}", config.name);
            assert_eq!(found[0].instances, instances, "{}: {module}", config.name);
            let declarations = verilog.text.matches(&format!("\nmodule {module} ")).count();
            assert_eq!(declarations, 1, "{}: {module}", config.name);
        }
        let declared = verilog.text.matches("\nendmodule").count();
        assert_eq!(declared, verilog.modules.len());
        let instances: usize = verilog.modules.iter().map(|module| module.instances).sum();
        assert!(
            instances > 4 * declared,
            "{instances} of {declared} modules"
        );
    }
}

#[test]
fn every_module_says_what_it_is() {
    for config in &CONFIGS {
        for module in core(config).modules {
            assert!(!module.about.is_empty(), "{}: {}", config.name, module.name);
        }
    }
}

#[test]
fn the_header_names_configuration_ports_and_rules() {
    for config in &CONFIGS {
        let verilog = core(config);
        let header: String = verilog
            .text
            .lines()
            .take_while(|line| line.starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for port in &verilog.ports {
            assert!(header.contains(&port.name), "{} is missing", port.name);
            assert_ne!(verilog::port_about(&port.name), "", "{}", port.name);
        }
        for words in [
            format!("configuration `{}`", config.name),
            format!("{} lanes x {} columns", config.lanes, config.columns),
            format!("{:#06x}", config.fingerprint()),
            "Clock and reset".to_owned(),
            "Handshake".to_owned(),
        ] {
            assert!(header.contains(&words), "{words} is missing");
        }
        let table = verilog::ports_markdown(&verilog.ports);
        assert!(table.contains("| `input_ready` | out | 1 | the core takes the beat"));
    }
}

#[test]
fn the_same_core_gives_the_same_text() {
    for config in [&TINY, &CU, &ASIC16] {
        assert_eq!(core(config).text, core(config).text);
    }
}

#[test]
fn an_unknown_configuration_is_refused_by_name() {
    let other = Config {
        name: "huge",
        ..TINY
    };
    let error = verilog::core(&other).unwrap_err();
    assert_eq!(
        error,
        ExportError::Config {
            name: "huge".to_owned()
        }
    );
    assert!(error.to_string().contains("huge"));
}

// What the exporter refuses, each with the words that lead out.

fn refusal<B: Block + Default>() -> String {
    let mut block = B::default();
    block.connect_all();
    verilog::export(&block, "unit").unwrap_err().to_string()
}

#[derive(LogicBlock, Default)]
struct Latch {
    pub enable: Signal<In, Bit>,
    pub x: Signal<In, Bits<4>>,
    pub y: Signal<Out, Bits<4>>,
}

impl Logic for Latch {
    #[hdl_gen]
    fn update(&mut self) {
        if self.enable.val() {
            self.y.next = self.x.val();
        }
    }
}

#[test]
fn a_latch_is_refused() {
    let text = refusal::<Latch>();
    assert!(text.contains("`y`") && text.contains("latch"), "{text}");
}

#[derive(LogicBlock, Default)]
struct ReadsItsPart {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<4>>,
    pub y: Signal<Out, Bits<4>>,
    state: DFF<Bits<4>>,
}

impl Logic for ReadsItsPart {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state);
        self.y.next = self.state.d.val();
        self.state.d.next = self.x.val();
    }
}

/// RustHDL reads the final value there, Verilog's `always` would read the first one.
#[test]
fn reading_an_intermediate_input_of_a_part_is_refused() {
    let text = refusal::<ReadsItsPart>();
    assert!(text.contains("`state_d`") && text.contains("`q`"), "{text}");
}

#[derive(LogicBlock, Default)]
struct ReadsTooEarly {
    pub x: Signal<In, Bits<4>>,
    pub y: Signal<Out, Bits<4>>,
    sum: Signal<Local, Bits<4>>,
}

impl Logic for ReadsTooEarly {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.sum.val();
        self.sum.next = self.x.val() + 1;
    }
}

#[test]
fn reading_before_assignment_is_refused() {
    let text = refusal::<ReadsTooEarly>();
    assert!(text.contains("loop") && text.contains("sum"), "{text}");
}

#[derive(LogicBlock, Default)]
struct SlicesAnExpression {
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<4>>,
}

impl Logic for SlicesAnExpression {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = (self.x.val() + 1).get_bits::<4>(2);
    }
}

#[test]
fn bits_of_an_expression_are_refused() {
    let text = refusal::<SlicesAnExpression>();
    assert!(text.contains("Signal<Local, _>"), "{text}");
}

#[derive(LogicBlock, Default)]
struct UsesConstGeneric<const N: usize> {
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<4>>,
}

impl<const N: usize> Logic for UsesConstGeneric<N> {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.x.val().get_bits::<4>(N);
    }
}

#[test]
fn a_const_generic_as_a_value_is_refused() {
    let text = refusal::<UsesConstGeneric<2>>();
    assert!(
        text.contains("`N`") && text.contains("Constant<_>"),
        "{text}"
    );
}

#[derive(LogicBlock, Default)]
struct NotDriven {
    pub clock: Signal<In, Clock>,
    pub y: Signal<Out, Bits<8>>,
    state: DFF<Bits<8>>,
}

impl Logic for NotDriven {
    #[hdl_gen]
    fn update(&mut self) {
        self.state.clock.next = self.clock.val();
        self.y.next = self.state.q.val();
    }
}

#[test]
fn an_input_nobody_drives_is_refused() {
    let text = refusal::<NotDriven>();
    assert!(
        text.contains("not driven: ") && text.contains("state.d"),
        "{text}"
    );
}
