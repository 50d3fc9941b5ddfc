//! Puts actions into the order in which the units overlap.
//!
//! Instructions start in order, so what can run at the same time has to stand close
//! together. Of a step (load, matrix, activate, store) and the ones after it:
//!
//! ```text
//!  before:  load 1  matrix 1  activate 1  store 1  load 2  matrix 2  ...
//!  after:   load 1  matrix 1  load 2  activate 1  matrix 2  load 3  activate 2  store 1 ...
//! ```
//! The scheduler follows about when each unit is free. The time until the next matrix or
//! activate can start is filled with loads, as far ahead as they conflict with nothing: those
//! of the next step, then those of the next operation. A load that is longer than that time
//! is cut, if the part that fits is worth an instruction. Of matrix and activate the one comes first that
//! can start earlier, so that matrices run ahead of activates as far as there is room for
//! their sums. A store, which shares the read port with matrices, comes with the activate of
//! the next step. An action stays behind another whose result or memory it needs.

use crate::backend::action::{self, Action, Data, Footprint};
use crate::backend::cost;
use quern_isa::Config;
use std::collections::VecDeque;

/// Actions to look ahead.
const AHEAD: usize = 64;

/// A part of a load is at least so many times as long as its instruction.
const LEAST_PART: u64 = 4;

/// What suits one program and not the next: some are tried, and the cycle model chooses.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Loads are cut.
    cuts: bool,
    /// That a matrix waits for the activation unit does not count where it is chosen whether
    /// it comes before an activate, and where it is chosen how long there is time for loads.
    matrices_early: bool,
    loads_early: bool,
    /// When the units are free is followed with what each action waits for, not with what its
    /// own unit waits for alone.
    waits: bool,
}

impl Policy {
    /// The one that suits most programs first.
    pub const ALL: [Policy; 4] = {
        const fn policy(
            cuts: bool,
            matrices_early: bool,
            loads_early: bool,
            waits: bool,
        ) -> Policy {
            Policy {
                cuts,
                matrices_early,
                loads_early,
                waits,
            }
        }
        [
            policy(true, false, false, true),
            policy(true, false, true, false),
            policy(true, true, false, true),
            policy(false, true, false, true),
        ]
    };
}

pub struct Scheduler<F: FnMut(usize, Action)> {
    config: Config,
    policy: Policy,
    /// In the order of the program.
    pending: VecDeque<Pending>,
    /// About when the next instruction has been fetched, and each unit is free.
    now: u64,
    matrix_free: u64,
    activation_free: u64,
    store_free: u64,
    /// What the units may be at work on: the last matrix or vector and what stood beside
    /// it, and what has come since.
    running: Vec<Footprint>,
    since: Vec<Footprint>,
    /// What the activation unit and the store may be at work on.
    activating: Vec<Footprint>,
    storing: Vec<Footprint>,
    /// Takes the actions in their new order, each with the operation it is of.
    emit: F,
}

struct Pending {
    operation: usize,
    action: Action,
    footprint: Footprint,
    /// A store that an activate of a later step has passed.
    due: bool,
    /// A load that conflicts with what stands before it; so until the next matrix.
    blocked: bool,
}

impl<F: FnMut(usize, Action)> Scheduler<F> {
    pub fn new(config: &Config, policy: Policy, emit: F) -> Scheduler<F> {
        Scheduler {
            config: *config,
            policy,
            pending: VecDeque::new(),
            now: 0,
            matrix_free: 0,
            activation_free: 0,
            store_free: 0,
            running: Vec::new(),
            since: Vec::new(),
            activating: Vec::new(),
            storing: Vec::new(),
            emit,
        }
    }

    pub fn push(&mut self, operation: usize, action: Action) {
        let footprint = action.footprint(&self.config);
        self.pending.push_back(Pending {
            operation,
            action,
            footprint,
            due: false,
            blocked: false,
        });
        while self.pending.len() > AHEAD {
            self.issue();
        }
    }

    /// Emits everything that is left.
    pub fn finish(&mut self) {
        while !self.pending.is_empty() {
            self.issue();
        }
    }

    /// Emits what comes next: at least one action.
    fn issue(&mut self) {
        let head = self.first(|action| {
            matches!(
                action,
                Action::Matrix { .. } | Action::Vector { .. } | Action::Host(_)
            )
        });
        let activate = self
            .first(|action| matches!(action, Action::Activate { .. }))
            .filter(|index| head.is_none_or(|head| *index < head));
        let matrix = head.filter(|&head| {
            let sums = &self.pending[head].footprint;
            let free = |p: &Pending| {
                !matches!(p.action, Action::Activate { .. }) || !p.footprint.conflicts(sums)
            };
            matches!(self.pending[head].action, Action::Matrix { .. })
                && self.pending.iter().take(head).all(free)
        });
        // The last matrix is mostly what an activate waits for.
        let activate_start = activate.map(|index| {
            let free = self.activation_free.max(self.matrix_free);
            free.max(self.awaited(&self.pending[index].footprint))
        });
        let matrix_start = |early: bool| {
            let index = matrix?;
            let free = self.matrix_free.max(self.store_free);
            Some(match early {
                true => free,
                false => free.max(self.awaited(&self.pending[index].footprint)),
            })
        };
        let next_matrix = matrix_start(self.policy.loads_early);
        let matrix_start = matrix_start(self.policy.matrices_early);
        let start = activate_start.into_iter().chain(next_matrix).min();
        let start = start.unwrap_or_else(|| self.activation_free.max(self.matrix_free));
        let activation = activate.map_or(0, |index| self.cycles(&self.pending[index].action));
        let spare = start.saturating_sub(self.now);
        if let Some((load, words)) = self.spare_load(head, spare, activation) {
            self.cut(load, words);
            return self.emit(load);
        }
        match (activate, activate_start, matrix_start) {
            (Some(index), Some(activate), matrix)
                if matrix.is_none_or(|matrix| activate <= matrix.max(self.now)) =>
            {
                self.pending
                    .iter_mut()
                    .take(index)
                    .for_each(|pending| pending.due = true);
                self.emit(index)
            }
            _ => {
                // A matrix passes activates that can't start yet, and stores of their steps.
                let next = self
                    .pending
                    .iter()
                    .position(|pending| match pending.action {
                        Action::Store { .. } => matrix.is_none() || pending.due,
                        Action::Activate { .. } => matrix.is_none(),
                        _ => true,
                    });
                self.emit(next.unwrap_or(0));
            }
        }
    }

    fn first(&self, is: impl Fn(&Action) -> bool) -> Option<usize> {
        self.pending.iter().position(|pending| is(&pending.action))
    }

    /// The first load that conflicts with nothing that is under way or stands before it, and
    /// how many words of it fit into the time that is left.
    fn spare_load(
        &mut self,
        head: Option<usize>,
        spare: u64,
        activation: u64,
    ) -> Option<(usize, usize)> {
        if spare == 0 {
            return None;
        }
        for index in 0..self.pending.len() {
            let load = &self.pending[index];
            if load.blocked || !matches!(load.action, Action::Load { .. }) {
                continue;
            }
            let free = |footprint: &Footprint| !footprint.conflicts(&load.footprint);
            if self.running.iter().chain(&self.since).all(free)
                && self.pending.iter().take(index).all(|p| free(&p.footprint))
            {
                // What the next step waits for comes first where that loses less than an
                // activate that holds up the stream, or where the stream takes longer than
                // the activation unit anyway.
                let cycles = self.cycles(&load.action);
                let awaited = head.is_none_or(|head| index < head);
                let first = awaited && (cycles <= 2 * spare || activation <= cycles);
                let words = match cycles <= spare || first {
                    true => usize::MAX,
                    false => self.words_in(&load.action, spare),
                };
                return (words > 0).then_some((index, words));
            }
            self.pending[index].blocked = true;
        }
        None
    }

    /// Words of a load that take no longer than a time, if they are many enough to be a load
    /// of their own.
    fn words_in(&self, load: &Action, time: u64) -> usize {
        let (Action::Load { space, .. }, true) = (load, self.policy.cuts) else {
            return 0;
        };
        let fetch = cost::fetch(&self.config, 1);
        let beats = time.saturating_sub(fetch);
        match beats >= LEAST_PART * fetch {
            true => beats as usize / self.config.word_beats(*space),
            false => 0,
        }
    }

    /// Leaves a load its first words, and makes the rest one behind it.
    fn cut(&mut self, index: usize, words: usize) {
        let pending = &mut self.pending[index];
        let Action::Load {
            space,
            address,
            data,
        } = &mut pending.action
        else {
            return;
        };
        let bytes = words.saturating_mul(self.config.word_bytes(*space));
        if bytes >= data.iter().map(Data::bytes).sum() {
            return;
        }
        let [first, rest] = action::split(std::mem::take(data), bytes);
        *data = first;
        let action = Action::Load {
            space: *space,
            address: *address + words,
            data: rest,
        };
        pending.footprint = pending.action.footprint(&self.config);
        let rest = Pending {
            operation: pending.operation,
            footprint: action.footprint(&self.config),
            action,
            due: false,
            blocked: false,
        };
        self.pending.insert(index + 1, rest);
    }

    /// Emits an action, behind all before it that it conflicts with.
    fn emit(&mut self, mut index: usize) {
        while let Some(before) = self.conflict_before(index) {
            let count = self.pending.len();
            self.emit(before);
            index -= count - self.pending.len();
        }
        let Some(pending) = self.pending.remove(index) else {
            return;
        };
        if self.policy.waits {
            self.now = self.now.max(self.awaited(&pending.footprint));
        }
        self.follow(&pending.action);
        if self.activation_free <= self.now {
            self.activating.clear();
        }
        if self.store_free <= self.now {
            self.storing.clear();
        }
        match pending.action {
            Action::Activate { .. } | Action::Vector { .. } => {
                self.activating.push(pending.footprint.clone())
            }
            Action::Store { .. } => self.storing.push(pending.footprint.clone()),
            _ => {}
        }
        match &pending.action {
            Action::Load { .. } => {}
            Action::Activate { .. } | Action::Store { .. } => self.since.push(pending.footprint),
            Action::Matrix { .. } | Action::Vector { .. } | Action::Host(_) => {
                self.running = std::mem::take(&mut self.since);
                self.running.push(pending.footprint);
                self.pending
                    .iter_mut()
                    .for_each(|pending| pending.blocked = false);
            }
        }
        (self.emit)(pending.operation, pending.action);
    }

    /// Follows when the units are free.
    fn follow(&mut self, action: &Action) {
        let cycles = self.cycles(action);
        if !matches!(action, Action::Load { .. }) {
            self.now += cost::fetch(&self.config, 1);
        }
        match action {
            Action::Load { .. } => self.now += cycles,
            Action::Matrix { .. } => {
                self.now = self.now.max(self.matrix_free).max(self.store_free);
                self.matrix_free = self.now + cycles;
            }
            Action::Activate { .. } => {
                self.now = self.now.max(self.activation_free);
                self.activation_free = self.now + cycles;
            }
            Action::Vector { .. } => {
                let idle = self.activation_free.max(self.matrix_free);
                self.now = self.now.max(idle).max(self.store_free);
                self.activation_free = self.now + cycles;
            }
            Action::Store { .. } => {
                self.now = self.now.max(self.matrix_free).max(self.store_free);
                self.store_free = self.now + cycles;
            }
            Action::Host(_) => {
                let idle = self.activation_free.max(self.matrix_free);
                self.now = self.now.max(idle).max(self.store_free);
            }
        }
    }

    /// When what an action needs of those before it is there.
    fn awaited(&self, footprint: &Footprint) -> u64 {
        let busy = |under_way: &[Footprint], free: u64| {
            let waits = free > self.now && under_way.iter().any(|a| a.conflicts(footprint));
            if waits {
                free
            } else {
                0
            }
        };
        let activation = busy(&self.activating, self.activation_free);
        activation.max(busy(&self.storing, self.store_free))
    }

    fn conflict_before(&self, index: usize) -> Option<usize> {
        let own = &self.pending[index].footprint;
        self.pending
            .iter()
            .take(index)
            .position(|pending| pending.footprint.conflicts(own))
    }

    /// About how long it takes its unit, or the stream.
    fn cycles(&self, action: &Action) -> u64 {
        let config = &self.config;
        match action {
            Action::Load { space, data, .. } => {
                let bytes: usize = data.iter().map(Data::bytes).sum();
                let words = bytes / config.word_bytes(*space);
                cost::beats(config, *space, words) + cost::fetch(config, 1)
            }
            Action::Matrix { pattern, matrix } => {
                let tiles = matrix.inner as u64 * matrix.outer as u64;
                cost::matrix(config, tiles, pattern.positions() as u64)
            }
            Action::Activate { target, activate } => {
                let columns = activate.columns as usize;
                let outputs = target.positions() * columns;
                cost::activation(config, outputs, columns, 0) + cost::activate_ends(config)
            }
            Action::Vector { target, vector, .. } => {
                let columns = vector.columns as usize;
                let outputs = target.positions() * columns;
                let taps = vector.inner as usize * vector.outer as usize;
                cost::activation(config, outputs, columns, taps)
            }
            Action::Store { pieces, .. } => {
                let bytes: usize = pieces.iter().map(|&(_, bytes)| bytes as usize).sum();
                cost::store(config, bytes / config.lanes)
            }
            Action::Host(_) => 0,
        }
    }
}
