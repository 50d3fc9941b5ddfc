//! Progress on standard error, only where a terminal shows it and only for what
//! takes longer than two seconds.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(2);

/// A bar that stays hidden until the work has lasted two seconds.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    total: u64,
    started: Instant,
}

impl Progress {
    pub fn new(what: impl Into<String>, total: usize) -> Progress {
        Progress {
            bar: None,
            what: what.into(),
            total: total as u64,
            started: Instant::now(),
        }
    }

    pub fn set(&mut self, done: usize) {
        if self.bar.is_none() && self.started.elapsed() >= PATIENCE {
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}, {eta} to go")
                .expect("the template is valid")
                .progress_chars("=> ");
            let bar = ProgressBar::new(self.total).with_style(style);
            bar.set_message(self.what.clone());
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A spinner for work whose length is unknown; clears itself when dropped.
pub struct Spinner(ProgressBar);

impl Spinner {
    pub fn new(what: impl Into<String>) -> Spinner {
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
            .expect("the template is valid");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.set_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(200));
        Spinner(bar)
    }

    pub fn message(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
