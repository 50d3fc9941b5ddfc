//! The co-simulation must pass what agrees and catch what does not.

use quern_testbench::cosim::{CosimError, Recorder};
use rust_hdl::prelude::*;

/// Registered and combinational outputs, an array, a signed port, a wide port.
#[derive(LogicBlock, Default)]
struct Mixture {
    pub clock: Signal<In, Clock>,
    pub enable: Signal<In, Bit>,
    pub x: [Signal<In, Bits<5>>; 3],
    pub offset: Signal<In, Signed<7>>,
    pub wide: Signal<In, Bits<40>>,
    pub total: Signal<Out, Bits<5>>,
    pub echo: [Signal<Out, Bits<5>>; 3],
    pub shifted: Signal<Out, Signed<7>>,
    pub wide_out: Signal<Out, Bits<40>>,
    state: DFF<Bits<5>>,
    wide_state: DFF<Bits<40>>,
}

impl Logic for Mixture {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, wide_state);
        if self.enable.val() {
            self.state.d.next = self.state.q.val() + self.x[0].val() + self.x[2].val();
            self.wide_state.d.next = self.wide.val();
        }
        for i in 0..3 {
            self.echo[i].next = self.x[i].val();
        }
        self.total.next = self.state.q.val();
        self.shifted.next = self.offset.val() + self.offset.val();
        self.wide_out.next = self.wide_state.q.val();
    }
}

/// A leaf whose Verilog is wrong for one operand, or unknown before its first edge.
#[derive(LogicBlock)]
struct Leaf {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    _verilog: &'static str,
}

impl Leaf {
    fn new(verilog: &'static str) -> Leaf {
        Leaf {
            clock: Default::default(),
            x: Default::default(),
            y: Default::default(),
            _verilog: verilog,
        }
    }
}

impl Logic for Leaf {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.y.next = self.x.val();
        }
    }
    fn connect(&mut self) {
        self.y.connect();
    }
    fn hdl(&self) -> Verilog {
        Verilog::Custom(self._verilog.to_owned())
    }
}

/// Never settles.
#[derive(LogicBlock, Default)]
struct Oscillator {
    pub y: Signal<Out, Bits<8>>,
    pub x: Signal<In, Bits<8>>,
}

impl Logic for Oscillator {
    fn update(&mut self) {
        self.y.next = self.y.val() + 1;
    }
}

fn five_bits(value: u64) -> Bits<5> {
    (value % 32).to_bits()
}

fn run_leaf(verilog: &'static str, warm_up: usize) -> Result<(), CosimError> {
    let mut unit = Recorder::clocked(Leaf::new(verilog), |unit| &mut unit.clock).warm_up(warm_up);
    for x in 0..256u64 {
        unit.x.next = x.to_bits();
        unit.cycle();
    }
    unit.replay().map(|_| ())
}

#[test]
fn every_kind_of_port_is_driven_and_compared() {
    let mut unit = Recorder::clocked(Mixture::default(), |unit| &mut unit.clock);
    let mut total = 0u64;
    for cycle in 0..500u64 {
        let enable = cycle % 3 != 0;
        unit.enable.next = enable;
        for i in 0..3 {
            unit.x[i].next = five_bits(cycle * 7 + i as u64 * 11);
        }
        unit.offset.next = Signed::from(cycle as i64 % 32 - 16);
        unit.wide.next = (cycle * 0x1_2345_6789).to_bits();
        unit.settle();
        assert_eq!(unit.echo[1].val(), five_bits(cycle * 7 + 11));
        unit.cycle();
        total += (u64::from(enable)) * (cycle * 14 + 22);
        assert_eq!(unit.total.val(), five_bits(total));
    }
    let replay = unit.replay().unwrap();
    assert_eq!((replay.rows, replay.outputs), (501, 6));
}

#[test]
fn a_wrong_bit_is_found_with_its_cycle_port_and_inputs() {
    let wrong = "initial y = 0;\nalways @(posedge clock) y <= x == 8'd200 ? 8'd201 : x;";
    let Err(CosimError::Mismatch(mismatch)) = run_leaf(wrong, 0) else {
        panic!("the difference was not found");
    };
    assert_eq!(mismatch.cycle, 201);
    assert_eq!(mismatch.port, "y");
    assert_eq!(
        (mismatch.actual.as_str(), mismatch.expected.as_str()),
        ("c9", "c8")
    );
    assert_eq!(mismatch.inputs, "x=c9");
    std::fs::remove_dir_all(mismatch.directory).unwrap();
}

#[test]
fn an_unknown_bit_differs_unless_it_is_declared_warm_up() {
    let unknown = "always @(posedge clock) y <= x;";
    let Err(CosimError::Mismatch(mismatch)) = run_leaf(unknown, 0) else {
        panic!("the unknown start was not found");
    };
    assert_eq!((mismatch.cycle, mismatch.actual.as_str()), (0, "xx"));
    std::fs::remove_dir_all(mismatch.directory).unwrap();
    run_leaf(unknown, 1).unwrap();
}

#[test]
fn a_known_wrong_bit_is_found_during_warm_up() {
    let wrong = "initial y = 1;\nalways @(posedge clock) y <= x;";
    let Err(CosimError::Mismatch(mismatch)) = run_leaf(wrong, 5) else {
        panic!("the difference was not found");
    };
    assert_eq!(mismatch.cycle, 0);
    std::fs::remove_dir_all(mismatch.directory).unwrap();
}

#[test]
fn broken_verilog_is_reported_with_the_tools_message() {
    let Err(CosimError::Tool {
        tool,
        message,
        directory,
        ..
    }) = run_leaf("always @(posedge clock) y <= undeclared;", 0)
    else {
        panic!("broken Verilog was accepted");
    };
    assert_eq!(tool, "iverilog");
    assert!(message.contains("undeclared"), "{message}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_block_that_never_settles_is_an_error() {
    let mut unit = Recorder::combinational(Oscillator::default());
    unit.cycle();
    assert!(matches!(
        unit.replay(),
        Err(CosimError::Unsettled { cycle: 0 })
    ));
}

#[test]
fn nothing_recorded_is_an_error() {
    let mut unit = Recorder::clocked(Mixture::default(), |unit| &mut unit.clock);
    assert!(matches!(unit.replay(), Err(CosimError::Empty)));
}
