//! Executes `load`: takes beats from the input stream and enables the memory lanes
//! they belong to.
//!
//! ```text
//!  start ─► loading ──► ready
//!              │
//!  valid ─────►&─► beat ─► space ─┬─► activation_enable (bit r: lane r)
//!  place ─────────────────────────┼─► weight_enable     (bit c: column c)
//!                                 ├─► parameter_enable  (bit b: byte b)
//!                                 └─► table_enable
//! ```
//! A beat per cycle, written in the cycle it is taken; busy from the cycle after
//! `start` through the last beat.
//!
//! `place`: the bytes of the word that are in this beat, one bit each. `step_word`:
//! with the last beat of a word. `space`: as `quern_isa::Space`.

use quern_isa::Space;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Loader<const R: usize, const C: usize, const L: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub space: Signal<In, Bits<2>>,
    pub valid: Signal<In, Bit>,
    pub place: Signal<In, Bits<16>>,
    /// The word being filled is the last one.
    pub last_word: Signal<In, Bit>,
    /// Ready for a beat of data; the unit is busy.
    pub ready: Signal<Out, Bit>,
    pub step_word: Signal<Out, Bit>,
    pub activation_enable: Signal<Out, Bits<R>>,
    pub weight_enable: Signal<Out, Bits<C>>,
    pub parameter_enable: Signal<Out, Bits<L>>,
    pub table_enable: Signal<Out, Bits<1>>,
    loading: DFF<Bit>,
    beat: Signal<Local, Bit>,
    last_place: Signal<Local, Bits<16>>,
    step: Signal<Local, Bit>,
    weights: Constant<Bits<2>>,
    parameters: Constant<Bits<2>>,
    table_space: Constant<Bits<2>>,
    last_activation: Constant<Bits<16>>,
    last_weight: Constant<Bits<16>>,
    last_parameter: Constant<Bits<16>>,
    last_table: Constant<Bits<16>>,
}

impl<const R: usize, const C: usize, const L: usize> Default for Loader<R, C, L> {
    fn default() -> Self {
        let last = |bytes: usize| Constant::new((1u64 << (bytes - 1)).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            space: Default::default(),
            valid: Default::default(),
            place: Default::default(),
            last_word: Default::default(),
            ready: Default::default(),
            step_word: Default::default(),
            activation_enable: Default::default(),
            weight_enable: Default::default(),
            parameter_enable: Default::default(),
            table_enable: Default::default(),
            loading: Default::default(),
            beat: Default::default(),
            last_place: Default::default(),
            step: Default::default(),
            weights: Constant::new((Space::Weights as u64).into()),
            parameters: Constant::new((Space::Parameters as u64).into()),
            table_space: Constant::new((Space::Table as u64).into()),
            last_activation: last(R),
            last_weight: last(C),
            last_parameter: last(L),
            last_table: last(1),
        }
    }
}

impl<const R: usize, const C: usize, const L: usize> Logic for Loader<R, C, L> {
    crate::unit!("Executes load: enables the memory lanes that input beats belong to.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, loading);
        self.ready.next = self.loading.q.val();
        self.beat.next = self.loading.q.val() & self.valid.val();

        self.activation_enable.next = 0.into();
        self.weight_enable.next = 0.into();
        self.parameter_enable.next = 0.into();
        self.table_enable.next = 0.into();
        self.last_place.next = self.last_activation.val();
        if self.space.val() == self.weights.val() {
            self.last_place.next = self.last_weight.val();
            if self.beat.val() {
                self.weight_enable.next = bit_cast::<C, 16>(self.place.val());
            }
        } else if self.space.val() == self.parameters.val() {
            self.last_place.next = self.last_parameter.val();
            if self.beat.val() {
                self.parameter_enable.next = bit_cast::<L, 16>(self.place.val());
            }
        } else if self.space.val() == self.table_space.val() {
            self.last_place.next = self.last_table.val();
            if self.beat.val() {
                self.table_enable.next = bit_cast::<1, 16>(self.place.val());
            }
        } else if self.beat.val() {
            self.activation_enable.next = bit_cast::<R, 16>(self.place.val());
        }

        self.last_place.next = self.last_place.val() & self.place.val();
        self.step.next = self.beat.val() & self.last_place.val().any();
        self.step_word.next = self.step.val();
        if self.start.val() {
            self.loading.d.next = true;
        }
        if self.step.val() & self.last_word.val() {
            self.loading.d.next = false;
        }
        if self.reset.val() {
            self.loading.d.next = false;
        }
    }
}
