//! Requantises `V` outputs side by side, in step: the next begin when the slowest is
//! through.
//!
//! ```text
//!  valid, all ready ──► take ──► Requantise[V] ──► code[V]
//!                        │
//!  tag ─────────────────► [ ] ─ … ─► [ ] ──► done, code_tag
//! ```
//! `take` answers `valid`: then the values have been read in the cycle before, and
//! their parameters are read in this one. Of the lanes only the first `columns` take
//! part. With d digits in the slowest lane's sum, 3 at least, the next `take` comes d
//! cycles later at the earliest, and `code` and `code_tag` stand, with a pulse on
//! `done`, d+7 cycles later, and one cycle more.
//!
//! Number formats: those of [`Requantise`].

use crate::Requantise;
use rust_hdl::prelude::*;

/// `V` lanes; `W`, `Q`, `M` as in [`Requantise`].
#[derive(LogicBlock)]
pub struct RequantiseGroup<const V: usize, const W: usize, const Q: usize, const M: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub valid: Signal<In, Bit>,
    pub take: Signal<Out, Bit>,
    pub columns: Signal<In, Bits<5>>,
    pub value: [Signal<In, Bits<W>>; V],
    pub bias: [Signal<In, Bits<W>>; V],
    pub multiplier: [Signal<In, Bits<M>>; V],
    pub steps: [Signal<In, Bits<4>>; V],
    pub zero_point: [Signal<In, Bits<8>>; V],
    /// Comes out beside the codes.
    pub tag: Signal<In, Bit>,
    pub even_code: Signal<In, Bit>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub code: [Signal<Out, Bits<8>>; V],
    pub code_tag: Signal<Out, Bit>,
    pub done: Signal<Out, Bit>,
    /// Outputs are on their way.
    pub active: Signal<Out, Bit>,
    lane: [Requantise<W, Q, M>; V],
    running: DFF<Bit>,
    held_tag: DFF<Bit>,
    tag_1: DFF<Bit>,
    tag_4: DFF<Bit>,
    tag_7: DFF<Bit>,
    // That many cycles after the slowest lane's last digit.
    last_1: DFF<Bit>,
    last_2: DFF<Bit>,
    last_3: DFF<Bit>,
    last_4: DFF<Bit>,
    last_5: DFF<Bit>,
    last_6: DFF<Bit>,
    last_7: DFF<Bit>,
    ready: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    index: [Constant<Bits<5>>; V],
    /// There is at least one column.
    first: [Constant<Bit>; V],
}

impl<const V: usize, const W: usize, const Q: usize, const M: usize> Default
    for RequantiseGroup<V, W, Q, M>
{
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            valid: Default::default(),
            take: Default::default(),
            columns: Default::default(),
            value: std::array::from_fn(|_| Default::default()),
            bias: std::array::from_fn(|_| Default::default()),
            multiplier: std::array::from_fn(|_| Default::default()),
            steps: std::array::from_fn(|_| Default::default()),
            zero_point: std::array::from_fn(|_| Default::default()),
            tag: Default::default(),
            even_code: Default::default(),
            low: Default::default(),
            high: Default::default(),
            code: std::array::from_fn(|_| Default::default()),
            code_tag: Default::default(),
            done: Default::default(),
            active: Default::default(),
            lane: std::array::from_fn(|_| Default::default()),
            running: Default::default(),
            held_tag: Default::default(),
            tag_1: Default::default(),
            tag_4: Default::default(),
            tag_7: Default::default(),
            last_1: Default::default(),
            last_2: Default::default(),
            last_3: Default::default(),
            last_4: Default::default(),
            last_5: Default::default(),
            last_6: Default::default(),
            last_7: Default::default(),
            ready: Default::default(),
            taken: Default::default(),
            last: Default::default(),
            first: std::array::from_fn(|i| Constant::new(i == 0)),
            index: std::array::from_fn(|i| Constant::new(bits(i as u64))),
        }
    }
}

impl<const V: usize, const W: usize, const Q: usize, const M: usize> Logic
    for RequantiseGroup<V, W, Q, M>
{
    crate::unit!("Requantises values side by side, in step.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, running, held_tag, tag_1, tag_4, tag_7, last_1, last_2, last_3, last_4,
            last_5, last_6, last_7
        );
        self.ready.next = true;
        for i in 0..V {
            self.ready.next = self.ready.val() & self.lane[i].ready.val();
        }
        self.taken.next = self.valid.val() & self.ready.val();
        self.take.next = self.taken.val();
        for i in 0..V {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].reset.next = self.reset.val();
            self.lane[i].load.next = self.taken.val()
                & (self.first[i].val() | (self.columns.val() > self.index[i].val()));
            self.lane[i].value.next = self.value[i].val();
            self.lane[i].bias.next = self.bias[i].val();
            self.lane[i].multiplier.next = self.multiplier[i].val();
            self.lane[i].steps.next = self.steps[i].val();
            self.lane[i].zero_point.next = self.zero_point[i].val();
            self.lane[i].even_code.next = self.even_code.val();
            self.lane[i].low.next = self.low.val();
            self.lane[i].high.next = self.high.val();
            self.code[i].next = self.lane[i].code.val();
        }

        self.last.next = self.running.q.val() & self.ready.val();
        if self.ready.val() {
            self.running.d.next = self.taken.val();
        }
        if self.taken.val() {
            self.held_tag.d.next = self.tag.val();
        }
        if self.last.val() {
            self.tag_1.d.next = self.held_tag.q.val();
        }
        self.last_1.d.next = self.last.val();
        self.last_2.d.next = self.last_1.q.val();
        self.last_3.d.next = self.last_2.q.val();
        self.last_4.d.next = self.last_3.q.val();
        self.last_5.d.next = self.last_4.q.val();
        self.last_6.d.next = self.last_5.q.val();
        self.last_7.d.next = self.last_6.q.val();
        // Others may be three cycles behind each other.
        if self.last_3.q.val() {
            self.tag_4.d.next = self.tag_1.q.val();
        }
        if self.last_6.q.val() {
            self.tag_7.d.next = self.tag_4.q.val();
        }
        self.code_tag.next = self.tag_7.q.val();
        self.done.next = self.last_7.q.val();
        self.active.next = self.running.q.val()
            | self.last_1.q.val()
            | self.last_2.q.val()
            | self.last_3.q.val()
            | self.last_4.q.val()
            | self.last_5.q.val()
            | self.last_6.q.val()
            | self.last_7.q.val();
        if self.reset.val() {
            self.running.d.next = false;
            self.last_1.d.next = false;
            self.last_2.d.next = false;
            self.last_3.d.next = false;
            self.last_4.d.next = false;
            self.last_5.d.next = false;
            self.last_6.d.next = false;
            self.last_7.d.next = false;
        }
    }
}
