//! The smallest block with each hazard.
//!
//! None of these is an example to follow. They are what the lint is tested with, and
//! what an exporter can be tested with that claims to close a gap.

use crate::Rule;
use rust_hdl::prelude::*;

/// What becomes of the block in RustHDL's own Verilog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It computes something else than the simulator, or something unknown.
    Differs,
    /// Tools refuse it, or RustHDL panics as it writes it.
    Rejected,
    /// The same under Icarus: synthesis makes another circuit of it (a latch), other
    /// tools refuse it (a name in a dead branch), or simulator and Verilog agree on
    /// what nobody meant (a literal that wraps).
    Agrees,
}

/// Gives a block's clock.
pub type ClockOf<H> = fn(&mut H) -> &mut Signal<In, Clock>;

/// A block with one hazard.
pub trait Hazard: Block + Default {
    /// As a programmer would write it.
    const CODE: &'static str;
    const RULE: Rule;
    const OUTCOME: Outcome;
    const CLOCK: Option<ClockOf<Self>>;

    /// Sets the inputs from random bits.
    fn drive(&mut self, bits: u64);
}

/// Is shown every hazard.
pub trait Visitor {
    fn visit<H: Hazard>(&mut self);
}

macro_rules! hazards {
    ($($block:ty: $rule:ident, $outcome:ident, $code:literal, $clock:expr,
       |$this:ident, $bits:ident| $drive:block)*) => {
        $(impl Hazard for $block {
            const CODE: &'static str = $code;
            const RULE: Rule = Rule::$rule;
            const OUTCOME: Outcome = Outcome::$outcome;
            const CLOCK: Option<ClockOf<Self>> = $clock;

            fn drive(&mut self, $bits: u64) {
                let $this = self;
                $drive
            }
        })*

        /// Shows every hazard.
        pub fn visit_all(visitor: &mut impl Visitor) {
            $(visitor.visit::<$block>();)*
        }
    };
}

/// So many bits from a place on.
fn take<const N: usize>(bits: u64, from: u32) -> Bits<N> {
    (((bits >> from) & ((1u64 << N) - 1)) as LiteralType).into()
}

hazards! {
    Precedence: Precedence, Differs, "a & 4 == b", None, |block, bits| {
        block.a.next = take(bits, 0);
        block.b.next = take::<8>(bits, 8) & 5;
    }
    Carry: ContextWidth, Differs, "(a + 1) == b", None, |block, bits| {
        block.a.next = take::<8>(bits, 0) | 0xfc;
        block.b.next = take::<8>(bits, 8) & 3;
    }
    CastOfSum: CastOfExpression, Differs, "bit_cast::<16, 8>(a + b)", None, |block, bits| {
        block.a.next = take(bits, 0);
        block.b.next = take(bits, 8);
    }
    CastOfProduct: CastOfExpression, Differs, "signed_bit_cast::<40, 32>(a * b)", None,
    |block, bits| {
        block.a.next = signed_cast(take::<16>(bits, 0) | 1);
        block.b.next = signed_cast(take::<16>(bits, 16) | 1);
    }
    SignedAgainstLiteral: SignedComparison, Differs, "s < 0.into()", None, |block, bits| {
        block.s.next = signed_cast(take(bits, 0));
    }
    Complement: ContextWidth, Differs, "!a == 0xF0", None, |block, bits| {
        block.a.next = take::<8>(bits, 0) & 3 | 12;
    }
    ShiftOfSum: ContextWidth, Differs, "(a + 3) >> 1", None, |block, bits| {
        block.a.next = take::<8>(bits, 0) | 0xf0;
    }
    CastOfShift: CastOfExpression, Differs, "bit_cast::<16, 8>(a << 4)", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
    ShiftOfProduct: ContextWidth, Differs, "bit_cast::<16, 32>((a * b) >> 16)", None,
    |block, bits| {
        block.a.next = take::<16>(bits, 0) | 0x8000;
        block.b.next = take::<16>(bits, 16) | 0x8000;
    }
    ProductOfSum: ContextWidth, Differs, "(a + b) * b on Signed<16>", None, |block, bits| {
        block.a.next = signed_cast(take::<16>(bits, 0) & 0x7fff | 0x6000);
        block.b.next = signed_cast(take::<16>(bits, 16) & 0x7fff | 0x6000);
    }
    Guard: DroppedGuard, Differs, "Phase::Run if guard =>", Some(|block| &mut block.clock),
    |block, bits| {
        block.guard.next = bits & 1 == 1;
    }
    EarlyRead: ReadBeforeOverwrite, Differs, "y.next = r.d.val() before r.d.next = ...",
    Some(|block| &mut block.clock), |block, bits| {
        block.a.next = take(bits, 0);
    }
    EarlyLocal: ReadBeforeOverwrite, Differs, "y.next = t.val() before t.next = ...", None,
    |block, bits| {
        block.a.next = take(bits, 0);
    }
    FedThrough: ClockThroughBlock, Differs, "a clock through two feed-through blocks",
    Some(|block| &mut block.clock), |block, bits| {
        block.a.next = take(bits, 0);
    }
    Uninitialised: UninitialisedMemory, Differs, "RAM::default()", Some(|block| &mut block.clock),
    |block, bits| {
        block.address.next = take(bits, 0);
    }
    Latched: Latch, Agrees, "if on { y.next = a }", None, |block, bits| {
        block.on.next = bits & 1 == 1;
        block.a.next = take(bits, 1);
    }
    OpenMatch: Latch, Agrees, "match over three variants in two bits", None, |block, bits| {
        block.phase.next = match bits % 3 {
            0 => Phase::Idle,
            1 => Phase::Run,
            _ => Phase::Done,
        };
    }
    Generic<5>: UndeclaredName, Rejected, "y.next = N.into()", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
    DeadBranch: UndeclaredNameInDeadBranch, Agrees, "if i == 0 {..} else {g[i - 1]..}", None,
    |block, bits| {
        block.a.next = take(bits, 0);
    }
    Selected<3>: UnsupportedIndex, Rejected, "g[N - 1]", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
    BitsOfSum: BitsOfExpression, Rejected, "(a + b).get_bits::<4>(4)", None, |block, bits| {
        block.a.next = take(bits, 0);
        block.b.next = take(bits, 8);
    }
    BeyondTheEnd: BitsOutOfRange, Differs, "a.get_bits::<8>(4) of 8 bits", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
    Reserved: Keyword, Rejected, "a field called `case`", None, |block, bits| {
        block.case.next = take(bits, 0);
    }
    NarrowLiteral: LiteralTooWide, Agrees, "s.next = 200.into() in Signed<8>", None,
    |block, bits| {
        block.a.next = take(bits, 0);
    }
    OneVariant: ZeroWidth, Differs, "an enumeration of one variant", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
    Leaf: ForeignText, Differs, "Verilog::Custom", None, |block, bits| {
        block.a.next = take(bits, 0);
    }
}

#[derive(LogicBlock, Default)]
pub struct Precedence {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bit>,
}

impl Logic for Precedence {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val() & 4 == self.b.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct Carry {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bit>,
}

impl Logic for Carry {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = (self.a.val() + 1) == self.b.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct CastOfSum {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<16>>,
}

impl Logic for CastOfSum {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 8>(self.a.val() + self.b.val());
    }
}

#[derive(LogicBlock, Default)]
pub struct CastOfProduct {
    pub a: Signal<In, Signed<16>>,
    pub b: Signal<In, Signed<16>>,
    pub y: Signal<Out, Signed<40>>,
}

impl Logic for CastOfProduct {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = signed_bit_cast::<40, 32>(self.a.val() * self.b.val());
    }
}

#[derive(LogicBlock, Default)]
pub struct SignedAgainstLiteral {
    pub s: Signal<In, Signed<8>>,
    pub y: Signal<Out, Bit>,
}

impl Logic for SignedAgainstLiteral {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.s.val() < 0.into();
    }
}

#[derive(LogicBlock, Default)]
pub struct Complement {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bit>,
}

impl Logic for Complement {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = !self.a.val() == 0xF0;
    }
}

#[derive(LogicBlock, Default)]
pub struct ShiftOfSum {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for ShiftOfSum {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = (self.a.val() + 3) >> 1;
    }
}

#[derive(LogicBlock, Default)]
pub struct CastOfShift {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<16>>,
}

impl Logic for CastOfShift {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 8>(self.a.val() << 4);
    }
}

#[derive(LogicBlock, Default)]
pub struct ShiftOfProduct {
    pub a: Signal<In, Bits<16>>,
    pub b: Signal<In, Bits<16>>,
    pub y: Signal<Out, Bits<16>>,
}

impl Logic for ShiftOfProduct {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 32>((self.a.val() * self.b.val()) >> 16);
    }
}

#[derive(LogicBlock, Default)]
pub struct ProductOfSum {
    pub a: Signal<In, Signed<16>>,
    pub b: Signal<In, Signed<16>>,
    pub y: Signal<Out, Signed<32>>,
}

impl Logic for ProductOfSum {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = (self.a.val() + self.b.val()) * self.b.val();
    }
}

/// Two bits for three variants.
#[derive(Debug, Clone, Copy, PartialEq, LogicState)]
pub enum Phase {
    Idle,
    Run,
    Done,
}

/// Counts while `guard` holds.
#[derive(LogicBlock, Default)]
pub struct Guard {
    pub clock: Signal<In, Clock>,
    pub guard: Signal<In, Bit>,
    pub y: Signal<Out, Bits<4>>,
    phase: Signal<Local, Phase>,
    count: DFF<Bits<4>>,
}

impl Logic for Guard {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count);
        self.y.next = self.count.q.val();
        self.phase.next = Phase::Run;
        match self.phase.val() {
            Phase::Run if self.guard.val() => {
                self.count.d.next = self.count.q.val() + 1;
            }
            _ => {}
        }
    }
}

#[derive(LogicBlock, Default)]
pub struct EarlyRead {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    r: DFF<Bits<8>>,
}

impl Logic for EarlyRead {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, r);
        self.y.next = self.r.d.val();
        self.r.d.next = self.r.q.val() + self.a.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct EarlyLocal {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    t: Signal<Local, Bits<8>>,
}

impl Logic for EarlyLocal {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.t.val();
        self.t.next = self.a.val() + 1;
    }
}

#[derive(LogicBlock, Default)]
pub struct FeedThrough {
    pub clock_in: Signal<In, Clock>,
    pub clock_out: Signal<Out, Clock>,
}

impl Logic for FeedThrough {
    #[hdl_gen]
    fn update(&mut self) {
        self.clock_out.next = self.clock_in.val();
    }
}

/// Two registers in a row, the second one's clock led through two blocks.
#[derive(LogicBlock, Default)]
pub struct FedThrough {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    second: DFF<Bits<8>>,
    near: FeedThrough,
    far: FeedThrough,
    first: DFF<Bits<8>>,
}

impl Logic for FedThrough {
    #[hdl_gen]
    fn update(&mut self) {
        self.near.clock_in.next = self.clock.val();
        self.far.clock_in.next = self.near.clock_out.val();
        self.first.clock.next = self.clock.val();
        self.first.d.next = self.a.val();
        self.second.clock.next = self.far.clock_out.val();
        self.second.d.next = self.first.q.val();
        self.y.next = self.second.q.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct Uninitialised {
    pub clock: Signal<In, Clock>,
    pub address: Signal<In, Bits<4>>,
    pub y: Signal<Out, Bits<8>>,
    ram: RAM<Bits<8>, 4>,
}

impl Logic for Uninitialised {
    #[hdl_gen]
    fn update(&mut self) {
        self.ram.read_clock.next = self.clock.val();
        self.ram.write_clock.next = self.clock.val();
        self.ram.read_address.next = self.address.val();
        self.ram.write_address.next = 0.into();
        self.ram.write_data.next = 0.into();
        self.ram.write_enable.next = false;
        self.y.next = self.ram.read_data.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct Latched {
    pub on: Signal<In, Bit>,
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for Latched {
    #[hdl_gen]
    fn update(&mut self) {
        if self.on.val() {
            self.y.next = self.a.val();
        }
    }
}

#[derive(LogicBlock, Default)]
pub struct OpenMatch {
    pub phase: Signal<In, Phase>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for OpenMatch {
    #[hdl_gen]
    fn update(&mut self) {
        match self.phase.val() {
            Phase::Idle => self.y.next = 1.into(),
            Phase::Run => self.y.next = 2.into(),
            Phase::Done => self.y.next = 3.into(),
        }
    }
}

#[derive(LogicBlock, Default)]
pub struct Generic<const N: u64> {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl<const N: u64> Logic for Generic<N> {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val() + N;
    }
}

#[derive(LogicBlock, Default)]
pub struct DeadBranch {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    g: [Signal<Local, Bits<8>>; 3],
}

impl Logic for DeadBranch {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..3 {
            if i == 0 {
                self.g[i].next = self.a.val();
            } else {
                self.g[i].next = self.g[i - 1].val();
            }
        }
        self.y.next = self.g[2].val();
    }
}

#[derive(LogicBlock, Default)]
pub struct Selected<const N: usize> {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    g: [Signal<Local, Bits<8>>; 3],
}

impl<const N: usize> Logic for Selected<N> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..3 {
            self.g[i].next = self.a.val();
        }
        self.y.next = self.g[N - 1].val();
    }
}

#[derive(LogicBlock, Default)]
pub struct BitsOfSum {
    pub a: Signal<In, Bits<8>>,
    pub b: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<4>>,
}

impl Logic for BitsOfSum {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = (self.a.val() + self.b.val()).get_bits::<4>(4);
    }
}

#[derive(LogicBlock, Default)]
pub struct BeyondTheEnd {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for BeyondTheEnd {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val().get_bits::<8>(4);
    }
}

#[derive(LogicBlock, Default)]
pub struct Reserved {
    pub case: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for Reserved {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.case.val();
    }
}

#[derive(LogicBlock, Default)]
pub struct NarrowLiteral {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Signed<8>>,
}

impl Logic for NarrowLiteral {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = 0.into();
        if self.a.val().any() {
            self.y.next = 200.into();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, LogicState)]
pub enum Only {
    One,
}

#[derive(LogicBlock, Default)]
pub struct OneVariant {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    only: Signal<Local, Only>,
}

impl Logic for OneVariant {
    #[hdl_gen]
    fn update(&mut self) {
        self.only.next = Only::One;
        self.y.next = 0.into();
        if self.only.val() == Only::One {
            self.y.next = self.a.val();
        }
    }
}

/// Simulates an increment, and brings a decrement.
#[derive(LogicBlock, Default)]
pub struct Leaf {
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
}

impl Logic for Leaf {
    fn update(&mut self) {
        self.y.next = self.a.val() + 1;
    }

    fn connect(&mut self) {
        self.y.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom("always @(*) y = a - 8'd1;".to_owned())
    }
}
