//! The exporter against RustHDL's own simulation, on the constructs where RustHDL's
//! Verilog is known to differ from it, and on everything else a kernel may say.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quern_hdl::verilog;
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

/// Random words, the same in every run.
fn words(count: usize) -> impl Iterator<Item = u64> {
    use proptest::strategy::{Strategy, ValueTree};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).filter_map(move |_| {
        let tree = proptest::num::u64::ANY.new_tree(&mut runner).ok()?;
        Some(tree.current())
    })
}

/// Verilog computes each of these at another width, with another precedence or
/// another sign than Rust does, unless the exporter sees to it.
#[derive(LogicBlock, Default)]
struct Widths {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<8>>,
    pub wide: Signal<In, Bits<16>>,
    pub s: Signal<In, Signed<8>>,
    pub t: Signal<In, Signed<8>>,
    pub masked_equal: Signal<Out, Bit>,
    pub carry_equal: Signal<Out, Bit>,
    pub inverted_equal: Signal<Out, Bit>,
    pub wrapped_sum: Signal<Out, Bits<16>>,
    pub halved_sum: Signal<Out, Bits<8>>,
    pub shifted: Signal<Out, Bits<16>>,
    pub sum_in_compare: Signal<Out, Bit>,
    pub cut_sum: Signal<Out, Bits<4>>,
    pub cut_difference: Signal<Out, Bits<8>>,
    pub negative: Signal<Out, Bit>,
    pub less: Signal<Out, Bit>,
    pub not_less: Signal<Out, Bit>,
    pub product: Signal<Out, Bits<32>>,
    pub mixed: Signal<Out, Bits<8>>,
    pub chosen: Signal<Out, Bit>,
    pub sum_parity: Signal<Out, Bit>,
    pub joined: Signal<Out, Bits<16>>,
    pub rotated: Signal<Out, Bits<8>>,
    pub moved: Signal<Out, Bits<8>>,
    pub picked: Signal<Out, Bit>,
    pub replaced: Signal<Out, Bits<8>>,
    pub negated: Signal<Out, Signed<8>>,
    pub extended: Signal<Out, Signed<12>>,
    pub reinterpreted: Signal<Out, Bits<8>>,
}

impl Logic for Widths {
    #[hdl_gen]
    fn update(&mut self) {
        self.masked_equal.next = self.a.val() & 4 == self.b.val();
        self.carry_equal.next = (self.a.val() + 1) == self.b.val();
        self.inverted_equal.next = !self.a.val() == 0xF0;
        self.wrapped_sum.next = bit_cast::<16, 8>(self.a.val() + self.b.val());
        self.halved_sum.next = (self.a.val() + 3) >> 1;
        self.shifted.next = bit_cast::<16, 8>(self.a.val() << 4);
        self.sum_in_compare.next = self.a.val() + self.b.val() > self.a.val();
        self.cut_sum.next = bit_cast::<4, 8>(self.a.val() + self.b.val());
        self.cut_difference.next = bit_cast::<8, 16>(self.wide.val() - 1);
        self.negative.next = self.s.val() < 0.into();
        self.less.next = self.s.val() < self.t.val();
        self.not_less.next = (self.s.val() >= self.t.val()) && !self.masked_equal.val();
        self.product.next = self.wide.val() * self.wide.val();
        self.mixed.next = self.a.val() ^ self.b.val() & 0x3C | !self.a.val() & self.b.val();
        self.chosen.next = self.a.val() == 3 || self.b.val() != 0 && self.a.val() <= self.b.val();
        self.sum_parity.next = (self.a.val() + self.b.val()).xor()
            ^ (self.a.val() & self.b.val()).all()
            ^ (self.a.val() - self.b.val()).any();
        self.joined.next = (bit_cast::<16, 8>(self.a.val()) << 8) | bit_cast::<16, 8>(self.b.val());
        self.rotated.next = (self.a.val() << 3) | (self.a.val() >> 5);
        self.moved.next = (self.a.val() << self.b.val().get_bits::<3>(1))
            + (self.b.val() >> self.a.val().get_bits::<3>(0));
        self.picked.next = self.a.val().get_bit(self.b.val().get_bits::<3>(2).index());
        self.replaced.next = self.a.val().replace_bit(
            self.b.val().get_bits::<3>(5).index(),
            self.a.val().get_bit(0),
        );
        self.negated.next = self.s.val() - self.t.val();
        self.extended.next = signed_bit_cast::<12, 8>(self.s.val());
        self.reinterpreted.next = unsigned_cast(self.s.val() + self.t.val());
    }
}

#[test]
fn expressions_keep_the_widths_and_signs_of_their_types() {
    let mut unit = Recorder::combinational(Widths::default());
    for word in words(20_000) {
        // The most negative value overflows RustHDL's signed cast.
        let signed = |byte: u64| Signed::<8>::from((byte % 255) as i64 - 127);
        unit.a.next = (word & 0xff).to_bits();
        unit.b.next = match word >> 60 {
            0 => (((word & 0xff) + 1) & 0xff).to_bits(),
            1 => (word & 4).to_bits(),
            _ => (word >> 8 & 0xff).to_bits(),
        };
        unit.wide.next = (word >> 16 & 0xffff).to_bits();
        unit.s.next = signed(word >> 32 & 0xff);
        unit.t.next = signed(word >> 40 & 0xff);
        unit.cycle();
    }
    unit.replay().unwrap();
}

#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum Phase {
    Wait,
    Count,
    Finish,
}

#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct Request {
    amount: Bits<5>,
    urgent: Bit,
    tag: Bits<3>,
}

/// A state machine that leaves its default arm out, a struct, nested conditions,
/// a register array, a chain through a loop.
#[derive(LogicBlock)]
struct Machine {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub request: Signal<In, Request>,
    pub values: [Signal<In, Bits<4>>; 5],
    pub busy: Signal<Out, Bit>,
    pub phase_now: Signal<Out, Bits<2>>,
    pub answer: Signal<Out, Request>,
    pub largest: Signal<Out, Bits<4>>,
    pub delayed: [Signal<Out, Bits<4>>; 3],
    pub code: Signal<Out, Bits<3>>,
    phase: DFF<Phase>,
    left: DFF<Bits<5>>,
    stage: [DFF<Bits<4>>; 3],
    start_value: DFFWithInit<Bits<3>>,
    running: [Signal<Local, Bits<4>>; 5],
    step: Constant<Bits<5>>,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            request: Default::default(),
            values: Default::default(),
            busy: Default::default(),
            phase_now: Default::default(),
            answer: Default::default(),
            largest: Default::default(),
            delayed: Default::default(),
            code: Default::default(),
            phase: Default::default(),
            left: Default::default(),
            stage: Default::default(),
            start_value: DFFWithInit::new(5.into()),
            running: Default::default(),
            step: Constant::new(1.into()),
        }
    }
}

impl Logic for Machine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, phase, left, start_value);
        for i in 0..3 {
            self.stage[i].clock.next = self.clock.val();
        }
        self.stage[0].d.next = self.values[4].val();
        for i in 1..3 {
            self.stage[i].d.next = self.stage[i - 1].q.val();
        }
        for i in 0..3 {
            self.delayed[i].next = self.stage[2 - i].q.val();
        }

        self.busy.next = false;
        match self.phase.q.val() {
            Phase::Wait => {
                if self.start.val() {
                    self.left.d.next = self.request.val().amount;
                    if self.request.val().urgent {
                        self.phase.d.next = Phase::Finish;
                    } else if self.request.val().amount.any() {
                        self.phase.d.next = Phase::Count;
                    }
                }
            }
            Phase::Count => {
                self.busy.next = true;
                self.left.d.next = self.left.q.val() - self.step.val();
                if self.left.q.val() == 1 {
                    self.phase.d.next = Phase::Finish;
                }
            }
            Phase::Finish => {
                self.start_value.d.next = self.start_value.q.val() + 3;
                self.phase.d.next = Phase::Wait;
            }
        }
        if self.reset.val() {
            self.phase.d.next = Phase::Wait;
        }

        self.phase_now.next = 0.into();
        if self.phase.q.val() == Phase::Count {
            self.phase_now.next = 1.into();
        }
        if self.phase.q.val() == Phase::Finish {
            self.phase_now.next = 2.into();
        }
        self.code.next = self.start_value.q.val();

        self.answer.next = self.request.val();
        self.answer.next.tag = self.request.val().tag + 1;
        if self.start.val() {
            self.answer.next.amount = self.left.q.val();
        }

        self.running[0].next = self.values[0].val();
        for i in 1..5 {
            self.running[i].next = self.running[i - 1].val();
            if self.values[i].val() > self.running[i - 1].val() {
                self.running[i].next = self.values[i].val();
            }
        }
        self.largest.next = self.running[4].val();
    }
}

#[test]
fn statements_structs_and_state_machines_do_in_verilog_what_they_do_in_rust() {
    let mut unit = Recorder::clocked(Machine::default(), |unit| &mut unit.clock);
    for word in words(5_000) {
        unit.reset.next = word >> 60 == 0;
        unit.start.next = word & 1 == 1;
        unit.request.next = Request {
            amount: (word >> 1 & 0x1f).to_bits(),
            urgent: word >> 6 & 3 == 0,
            tag: (word >> 8 & 7).to_bits(),
        };
        for i in 0..5 {
            unit.values[i].next = (word >> (12 + 4 * i) & 0xf).to_bits();
        }
        unit.cycle();
    }
    unit.replay().unwrap();
}

#[derive(Clone, Debug, Default, LogicInterface)]
#[join = "StreamIn"]
struct StreamOut {
    pub data: Signal<Out, Bits<6>>,
    pub valid: Signal<Out, Bit>,
    pub ready: Signal<In, Bit>,
}

#[derive(Clone, Debug, Default, LogicInterface)]
#[join = "StreamOut"]
struct StreamIn {
    pub data: Signal<In, Bits<6>>,
    pub valid: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
}

#[derive(LogicBlock, Default)]
struct Increment {
    pub from: StreamIn,
    pub to: StreamOut,
}

impl Logic for Increment {
    #[hdl_gen]
    fn update(&mut self) {
        self.to.data.next = self.from.data.val() + 1;
        self.to.valid.next = self.from.valid.val();
        self.from.ready.next = self.to.ready.val();
    }
}

/// Interfaces linked to the outside and joined inside.
#[derive(LogicBlock, Default)]
struct Pipeline {
    pub from: StreamIn,
    pub to: StreamOut,
    first: Increment,
    second: Increment,
}

impl Logic for Pipeline {
    #[hdl_gen]
    fn update(&mut self) {
        StreamIn::link(&mut self.from, &mut self.first.from);
        StreamOut::join(&mut self.first.to, &mut self.second.from);
        StreamOut::link(&mut self.to, &mut self.second.to);
    }
}

#[test]
fn interfaces_are_wired_as_they_are_in_simulation() {
    let mut unit = Recorder::combinational(Pipeline::default());
    for word in 0..256u64 {
        unit.from.data.next = (word & 63).to_bits();
        unit.from.valid.next = word & 64 != 0;
        unit.to.ready.next = word & 128 != 0;
        unit.cycle();
        assert_eq!(unit.to.data.val(), ((word + 2) & 63).to_bits::<6>());
    }
    unit.replay().unwrap();
    let modules = verilog::export(&*unit, "pipeline").unwrap().modules;
    let names: Vec<_> = modules
        .iter()
        .map(|m| (m.name.as_str(), m.instances))
        .collect();
    assert_eq!(names, [("pipeline", 1), ("first", 2)]);
}

fn export(mut block: impl Block, top: &str) -> Result<verilog::Verilog, verilog::ExportError> {
    block.connect_all();
    verilog::export(&block, top)
}

#[derive(LogicBlock, Default)]
struct Counter<const N: usize> {
    pub clock: Signal<In, Clock>,
    pub enable: Signal<In, Bit>,
    pub table: Signal<In, Bits<N>>,
    pub count: Signal<Out, Bits<N>>,
    pub equal: Signal<Out, Bit>,
    state: DFF<Bits<N>>,
}

impl<const N: usize> Logic for Counter<N> {
    quern_hdl::unit!("Counts while enabled.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state);
        if self.enable.val() {
            self.state.d.next = self.state.q.val() + 1;
        }
        self.count.next = self.state.q.val();
        self.equal.next = self.state.q.val() == self.table.val();
    }
}

/// What a reader gets.
#[test]
fn a_module_reads_as_if_written_by_hand() {
    let expected = "\
// top: Counts while enabled.
module top (
    input  wire       clock,
    input  wire       enable,
    input  wire [7:0] table_,
    output wire [7:0] count,
    output wire       equal
);
    reg [7:0] state_q;

    assign count = state_q;
    assign equal = state_q == table_;

    always @(posedge clock) begin
        if (enable) state_q <= state_q + 8'd1;
    end

    initial begin
        state_q = 8'h0;
    end
endmodule
";
    assert_eq!(
        export(Counter::<8>::default(), "top").unwrap().text,
        expected
    );
}

#[derive(LogicBlock)]
struct AddConstant {
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    amount: Constant<Bits<8>>,
}

impl AddConstant {
    fn new(amount: LiteralType) -> AddConstant {
        AddConstant {
            x: Default::default(),
            y: Default::default(),
            amount: Constant::new(bits(amount)),
        }
    }
}

impl Logic for AddConstant {
    quern_hdl::unit!("Adds a constant.");

    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.x.val() + self.amount.val();
    }
}

#[derive(LogicBlock)]
struct Adders {
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    by_one: [AddConstant; 2],
    by_three: AddConstant,
}

impl Logic for Adders {
    #[hdl_gen]
    fn update(&mut self) {
        self.by_one[0].x.next = self.x.val();
        self.by_one[1].x.next = self.by_one[0].y.val();
        self.by_three.x.next = self.by_one[1].y.val();
        self.y.next = self.by_three.y.val();
    }
}

#[test]
fn modules_that_differ_by_a_constant_are_told_apart_by_their_field() {
    let block = Adders {
        x: Default::default(),
        y: Default::default(),
        by_one: [1, 1].map(AddConstant::new),
        by_three: AddConstant::new(3),
    };
    let verilog = export(block, "adders").unwrap();
    let names: Vec<_> = verilog
        .modules
        .iter()
        .map(|module| (module.name.as_str(), module.instances))
        .collect();
    assert_eq!(
        names,
        [
            ("adders", 1),
            ("add_constant_by_one", 2),
            ("add_constant_by_three", 1)
        ]
    );
}

#[derive(LogicBlock, Default)]
struct Colliding {
    pub x: [Signal<In, Bit>; 2],
    pub x_0: Signal<In, Bit>,
    pub y: Signal<Out, Bit>,
}

impl Logic for Colliding {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.x[0].val() & self.x[1].val() & self.x_0.val();
    }
}

#[test]
fn two_signals_of_one_name_are_refused() {
    let error = export(Colliding::default(), "top").unwrap_err().to_string();
    assert!(error.contains("`x_0`"), "{error}");
}

/// Brings a module as text.
#[derive(LogicBlock)]
struct Vendor {
    pub x: Signal<In, Bit>,
    pub y: Signal<Out, Bit>,
    _core: &'static str,
}

impl Vendor {
    fn new(core: &'static str) -> Vendor {
        Vendor {
            x: Default::default(),
            y: Default::default(),
            _core: core,
        }
    }
}

impl Logic for Vendor {
    fn update(&mut self) {
        self.y.next = !self.x.val();
    }
    fn connect(&mut self) {
        self.y.connect();
    }
    fn hdl(&self) -> Verilog {
        Verilog::Wrapper(Wrapper {
            code: "cell_not inverter (.a(x), .b(y));".into(),
            cores: self._core.into(),
        })
    }
}

#[derive(LogicBlock)]
struct Vendors {
    pub x: Signal<In, Bit>,
    pub y: Signal<Out, Bit>,
    first: Vendor,
    second: Vendor,
}

impl Logic for Vendors {
    #[hdl_gen]
    fn update(&mut self) {
        self.first.x.next = self.x.val();
        self.second.x.next = self.first.y.val();
        self.y.next = self.second.y.val();
    }
}

const NOT: &str =
    "// An inverter.\nmodule cell_not (input a, output b);\n    assign b = ~a;\nendmodule\n";
const BUFFER: &str = "module cell_not (input a, output b);\n    assign b = a;\nendmodule\n";

fn vendors(first: &'static str, second: &'static str) -> Vendors {
    Vendors {
        x: Default::default(),
        y: Default::default(),
        first: Vendor::new(first),
        second: Vendor::new(second),
    }
}

#[test]
fn modules_brought_as_text_stand_in_the_file_once_and_work() {
    let text = export(vendors(NOT, NOT), "top").unwrap().text;
    assert_eq!(text.matches("module cell_not ").count(), 1, "{text}");
    assert_eq!(text.matches("// An inverter.").count(), 1, "{text}");
    let mut unit = Recorder::combinational(vendors(NOT, NOT));
    for x in [false, true, false] {
        unit.x.next = x;
        unit.cycle();
    }
    unit.replay().unwrap();
}

#[test]
fn different_modules_of_one_name_are_refused() {
    assert_eq!(
        export(vendors(NOT, BUFFER), "top").unwrap_err(),
        verilog::ExportError::Conflict {
            module: "cell_not".to_owned()
        }
    );
}
