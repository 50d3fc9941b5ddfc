//! Executes `load`: takes beats from the input stream and enables the memory lanes
//! they belong to.
//!
//! ```text
//!  start ─► loading ─┬──► ready
//!  taken_next ─► [ ] ►&│
//!  valid ────────────►&─► beat ─► space ─┬─► activation_enable (bit r: lane r)
//!  place ────────────────────────────────┼─► weight_enable     (bit c: column c)
//!                                        ├─► parameter_enable  (bit b: byte b)
//!                                        ├─► lookup_enable     (likewise)
//!                                        └─► table_enable
//! ```
//! A beat per cycle, written in the cycle it is taken; `loading` from the cycle after
//! `start` through the last beat. A load of activations is not ready in the cycle after
//! `taken_next`, in which another unit has the activation memory's write port.
//!
//! `place`: the bytes of the word that are in this beat, one bit each. `step_word`:
//! with the last beat of a word. `space`: as `quern_isa::Space`, from `start` on.

use quern_isa::Space;
use rust_hdl::prelude::*;

/// `R` lanes, `C` columns, `L` bytes of a parameter word, `WB` bytes of an accumulator.
#[derive(LogicBlock)]
pub struct Loader<const R: usize, const C: usize, const L: usize, const WB: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    /// Its memory, which stands until the load has ended.
    pub space: Signal<In, Bits<3>>,
    pub valid: Signal<In, Bit>,
    pub place: Signal<In, Bits<16>>,
    /// The activation memory is written by another unit in the next cycle.
    pub taken_next: Signal<In, Bit>,
    /// The word being filled is the last one.
    pub last_word: Signal<In, Bit>,
    pub loading: Signal<Out, Bit>,
    /// Ready for a beat of data.
    pub ready: Signal<Out, Bit>,
    pub step_word: Signal<Out, Bit>,
    pub activation_enable: Signal<Out, Bits<R>>,
    pub weight_enable: Signal<Out, Bits<C>>,
    pub parameter_enable: Signal<Out, Bits<L>>,
    pub table_enable: Signal<Out, Bits<1>>,
    pub lookup_enable: Signal<Out, Bits<WB>>,
    state: DFF<Bit>,
    stopped: DFF<Bit>,
    /// The last byte of this memory's words: a register, because whether a beat is taken is
    /// known late enough.
    last_place: DFF<Bits<16>>,
    beat: Signal<Local, Bit>,
    last_beat: Signal<Local, Bit>,
    step: Signal<Local, Bit>,
    activations: Constant<Bits<3>>,
    weights: Constant<Bits<3>>,
    parameters: Constant<Bits<3>>,
    table_space: Constant<Bits<3>>,
    lookup_space: Constant<Bits<3>>,
    last_activation: Constant<Bits<16>>,
    last_weight: Constant<Bits<16>>,
    last_parameter: Constant<Bits<16>>,
    last_table: Constant<Bits<16>>,
    last_lookup: Constant<Bits<16>>,
}

impl<const R: usize, const C: usize, const L: usize, const WB: usize> Default
    for Loader<R, C, L, WB>
{
    fn default() -> Self {
        let last = |bytes: usize| Constant::new((1u64 << (bytes - 1)).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            space: Default::default(),
            valid: Default::default(),
            place: Default::default(),
            taken_next: Default::default(),
            last_word: Default::default(),
            loading: Default::default(),
            ready: Default::default(),
            step_word: Default::default(),
            activation_enable: Default::default(),
            weight_enable: Default::default(),
            parameter_enable: Default::default(),
            table_enable: Default::default(),
            lookup_enable: Default::default(),
            state: Default::default(),
            stopped: Default::default(),
            last_place: Default::default(),
            beat: Default::default(),
            last_beat: Default::default(),
            step: Default::default(),
            activations: Constant::new((Space::Activations as u64).into()),
            weights: Constant::new((Space::Weights as u64).into()),
            parameters: Constant::new((Space::Parameters as u64).into()),
            table_space: Constant::new((Space::Table as u64).into()),
            lookup_space: Constant::new((Space::Lookup as u64).into()),
            last_activation: last(R),
            last_weight: last(C),
            last_parameter: last(L),
            last_table: last(1),
            last_lookup: last(WB),
        }
    }
}

impl<const R: usize, const C: usize, const L: usize, const WB: usize> Logic
    for Loader<R, C, L, WB>
{
    crate::unit!("Executes load: enables the memory lanes that input beats belong to.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, stopped, last_place);
        // A register, because whether a beat is taken decides much else.
        self.stopped.d.next = self.taken_next.val() & (self.space.val() == self.activations.val());
        self.loading.next = self.state.q.val();
        self.ready.next = self.state.q.val() & !self.stopped.q.val();
        self.beat.next = self.state.q.val() & !self.stopped.q.val() & self.valid.val();

        self.activation_enable.next = 0.into();
        self.weight_enable.next = 0.into();
        self.parameter_enable.next = 0.into();
        self.table_enable.next = 0.into();
        self.lookup_enable.next = 0.into();
        self.last_place.d.next = self.last_activation.val();
        if self.space.val() == self.weights.val() {
            self.last_place.d.next = self.last_weight.val();
            if self.beat.val() {
                self.weight_enable.next = bit_cast::<C, 16>(self.place.val());
            }
        } else if self.space.val() == self.parameters.val() {
            self.last_place.d.next = self.last_parameter.val();
            if self.beat.val() {
                self.parameter_enable.next = bit_cast::<L, 16>(self.place.val());
            }
        } else if self.space.val() == self.table_space.val() {
            self.last_place.d.next = self.last_table.val();
            if self.beat.val() {
                self.table_enable.next = bit_cast::<1, 16>(self.place.val());
            }
        } else if self.space.val() == self.lookup_space.val() {
            self.last_place.d.next = self.last_lookup.val();
            if self.beat.val() {
                self.lookup_enable.next = bit_cast::<WB, 16>(self.place.val());
            }
        } else if self.beat.val() {
            self.activation_enable.next = bit_cast::<R, 16>(self.place.val());
        }

        self.last_beat.next = (self.last_place.q.val() & self.place.val()).any();
        self.step.next = self.beat.val() & self.last_beat.val();
        self.step_word.next = self.step.val();
        if self.start.val() {
            self.state.d.next = true;
        }
        if self.step.val() & self.last_word.val() {
            self.state.d.next = false;
        }
        if self.reset.val() {
            self.state.d.next = false;
            self.stopped.d.next = false;
        }
    }
}
