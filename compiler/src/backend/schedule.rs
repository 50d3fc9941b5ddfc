//! Puts actions into the order in which the units overlap.
//!
//! Instructions start in order, so what can run at the same time has to stand close
//! together. Of a step (load, matrix, activate, store) and the one after it:
//!
//! ```text
//!  before:  load 1  matrix 1  activate 1  store 1  load 2  matrix 2  ...
//!  after:   load 1  matrix 1  load 2  activate 1  matrix 2  load 3  activate 2  store 1 ...
//! ```
//! Loads overlap the matrix before them, activates the matrix after them, and a store,
//! which shares the read port with matrices, the activate of the next step. An action
//! stays behind another whose result or memory it needs.

use crate::passes::action::{Action, Footprint};
use quern_isa::Config;
use std::collections::VecDeque;

pub struct Scheduler<F: FnMut(usize, Action)> {
    config: Config,
    /// Activates and stores that wait for the next matrix.
    deferred: VecDeque<Deferred>,
    /// Takes the actions in their new order, each with the operation it is of.
    emit: F,
}

struct Deferred {
    operation: usize,
    action: Action,
    footprint: Footprint,
}

impl<F: FnMut(usize, Action)> Scheduler<F> {
    pub fn new(config: &Config, emit: F) -> Scheduler<F> {
        Scheduler {
            config: *config,
            deferred: VecDeque::new(),
            emit,
        }
    }

    pub fn push(&mut self, operation: usize, action: Action) {
        match action {
            Action::Load { .. } => {
                let footprint = action.footprint(&self.config);
                let conflict = |d: &Deferred| d.footprint.conflicts(&footprint);
                if let Some(last) = self.deferred.iter().rposition(conflict) {
                    self.flush(last + 1);
                }
                (self.emit)(operation, action);
            }
            Action::Matrix { .. } => {
                self.start_activates();
                (self.emit)(operation, action);
            }
            Action::Vector { .. } => {
                self.finish();
                (self.emit)(operation, action);
            }
            Action::Activate { .. } | Action::Store { .. } => {
                let footprint = action.footprint(&self.config);
                self.deferred.push_back(Deferred {
                    operation,
                    action,
                    footprint,
                });
            }
        }
    }

    /// Emits everything that is left.
    pub fn finish(&mut self) {
        self.flush(self.deferred.len());
    }

    fn flush(&mut self, count: usize) {
        for deferred in self.deferred.drain(..count) {
            (self.emit)(deferred.operation, deferred.action);
        }
    }

    /// Emits the activates, and behind them the stores that are older.
    fn start_activates(&mut self) {
        let is_activate = |d: &Deferred| matches!(d.action, Action::Activate { .. });
        let Some(last) = self.deferred.iter().rposition(is_activate) else {
            return;
        };
        let mut stores: Vec<Deferred> = Vec::new();
        for deferred in self.deferred.drain(..=last) {
            if !is_activate(&deferred) {
                stores.push(deferred);
                continue;
            }
            let conflict = |store: &Deferred| store.footprint.conflicts(&deferred.footprint);
            let before = stores.iter().rposition(conflict).map_or(0, |last| last + 1);
            for store in stores.drain(..before) {
                (self.emit)(store.operation, store.action);
            }
            (self.emit)(deferred.operation, deferred.action);
        }
        for store in stores {
            (self.emit)(store.operation, store.action);
        }
    }
}
