//! Results of the slow steps of a build, kept by the content of what they were made
//! from.
//!
//! ```text
//!  inputs (design, constraints, arguments, tool versions) ──SHA-256──► key
//!  folder/KEY/ : the step's files, and their SHA-256 in manifest.json
//! ```
//! The same inputs give the same files, so a step whose key is there need not run again.
//! An entry is written whole or not at all, and every file is checked when it is read:
//! a damaged entry is removed, and its step runs as if it had never been there. Processes
//! that want the same step at the same time wait for each other.

use crate::error::BuildError;
use fd_lock::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where the cache is, unless the user's cache folder will do.
pub const CACHE_VARIABLE: &str = "QUERN_CACHE";

const MANIFEST: &str = "manifest.json";

/// Entries that stay; of more, the oldest go. A placement is about 2 MB, a synthesis 20.
const ENTRIES_KEPT: usize = 32;

/// SHA-256 of everything a step depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// `step` and the names of the inputs belong to the key, so that no two steps can
    /// be taken for each other.
    pub fn new(step: &str, inputs: &[(&str, &str)]) -> Key {
        let mut hash = Sha256::new();
        for text in [step]
            .into_iter()
            .chain(inputs.iter().flat_map(|&(name, text)| [name, text]))
        {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Key(format!("{step}-{}", hex(&hash.finalize())))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a step's files came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Made,
    Cached,
}

#[derive(Debug, Clone)]
pub struct Cache {
    /// None: nothing is kept.
    folder: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    sha256: BTreeMap<String, String>,
}

impl Cache {
    pub fn none() -> Cache {
        Cache { folder: None }
    }

    pub fn at(folder: impl Into<PathBuf>) -> Cache {
        Cache {
            folder: Some(folder.into()),
        }
    }

    /// `$QUERN_CACHE`, or `quern/fpga` in the user's cache folder.
    pub fn of_user() -> Cache {
        let chosen = std::env::var_os(CACHE_VARIABLE).map(PathBuf::from);
        let folder = chosen.or_else(|| Some(dirs::cache_dir()?.join("quern").join("fpga")));
        Cache { folder }
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Sees to it that the step's `files` are in folder `into`: from the cache, or by
    /// running it.
    pub fn step(
        &self,
        key: &Key,
        files: &[&str],
        into: &Path,
        run: impl FnOnce() -> Result<(), BuildError>,
    ) -> Result<Origin, BuildError> {
        let Some(folder) = self.usable_folder() else {
            run()?;
            return Ok(Origin::Made);
        };
        let lock = folder.join(format!("{}.lock", key.0));
        // What can't be locked is made twice at worst.
        let mut lock = File::create(lock).ok().map(RwLock::new);
        let _guard = lock.as_mut().and_then(|lock| lock.write().ok());
        let entry = folder.join(&key.0);
        if fetch(&entry, files, into).is_some() {
            return Ok(Origin::Cached);
        }
        // Missing or damaged.
        let _ = fs::remove_dir_all(&entry);
        run()?;
        // A full disk must not fail a build that has succeeded.
        let _ = keep(folder, &entry, files, into);
        prune(folder);
        Ok(Origin::Made)
    }

    /// The build goes on without a cache where none can be written.
    fn usable_folder(&self) -> Option<&Path> {
        let folder = self.folder.as_deref()?;
        fs::create_dir_all(folder).ok().map(|()| folder)
    }
}

/// Copies an entry's files out, if all of them are there and undamaged.
fn fetch(entry: &Path, files: &[&str], into: &Path) -> Option<()> {
    let text = fs::read_to_string(entry.join(MANIFEST)).ok()?;
    let manifest: Manifest = serde_json::from_str(&text).ok()?;
    let contents = files.iter().map(|&file| {
        let content = fs::read(entry.join(file)).ok()?;
        (manifest.sha256.get(file)? == &digest(&content)).then_some((file, content))
    });
    // All are checked before the first one is written.
    for (file, content) in contents.collect::<Option<Vec<_>>>()? {
        fs::write(into.join(file), content).ok()?;
    }
    Some(())
}

fn keep(folder: &Path, entry: &Path, files: &[&str], from: &Path) -> std::io::Result<()> {
    let new = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(folder)?;
    let mut sha256 = BTreeMap::new();
    for &file in files {
        let content = fs::read(from.join(file))?;
        sha256.insert(file.to_owned(), digest(&content));
        fs::write(new.path().join(file), content)?;
    }
    let manifest = serde_json::to_string_pretty(&Manifest { sha256 })?;
    fs::write(new.path().join(MANIFEST), manifest)?;
    fs::rename(new.keep(), entry)
}

/// Removes the oldest entries beyond those that stay.
fn prune(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut aged: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    aged.sort();
    let surplus = aged.len().saturating_sub(ENTRIES_KEPT);
    for (_, path) in aged.drain(..surplus) {
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_file(path.with_extension("lock"));
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Trial {
        cache: Cache,
        folder: tempfile::TempDir,
        runs: Cell<usize>,
    }

    impl Trial {
        fn new() -> Trial {
            let folder = tempfile::tempdir().unwrap();
            Trial {
                cache: Cache::at(folder.path().join("cache")),
                folder,
                runs: Cell::new(0),
            }
        }

        fn step(&self, key: &Key) -> Origin {
            let into = self.folder.path();
            let _ = fs::remove_file(into.join("a"));
            let run = || {
                self.runs.set(self.runs.get() + 1);
                fs::write(into.join("a"), "made").unwrap();
                Ok(())
            };
            let origin = self.cache.step(key, &["a"], into, run).unwrap();
            assert_eq!(fs::read_to_string(into.join("a")).unwrap(), "made");
            origin
        }

        fn entry(&self, key: &Key) -> PathBuf {
            self.folder.path().join("cache").join(&key.0)
        }
    }

    #[test]
    fn a_step_runs_once_for_its_inputs() {
        let trial = Trial::new();
        let key = |text| Key::new("step", &[("design", text)]);
        assert_eq!(trial.step(&key("x")), Origin::Made);
        assert_eq!(trial.step(&key("x")), Origin::Cached);
        assert_eq!(trial.step(&key("y")), Origin::Made);
        assert_eq!(trial.runs.get(), 2);
    }

    #[test]
    fn a_damaged_entry_is_found_and_made_again() {
        let trial = Trial::new();
        let key = Key::new("step", &[]);
        trial.step(&key);
        let damages: [fn(&Path); 5] = [
            |entry| fs::write(entry.join("a"), "mads").unwrap(),
            |entry| fs::write(entry.join("a"), "").unwrap(),
            |entry| fs::remove_file(entry.join("a")).unwrap(),
            |entry| fs::remove_file(entry.join(MANIFEST)).unwrap(),
            |entry| fs::write(entry.join(MANIFEST), "{\"sha256\": {}}").unwrap(),
        ];
        for (count, damage) in damages.into_iter().enumerate() {
            damage(&trial.entry(&key));
            assert_eq!(trial.step(&key), Origin::Made);
            assert_eq!(trial.step(&key), Origin::Cached);
            assert_eq!(trial.runs.get(), count + 2);
        }
    }

    #[test]
    fn a_failed_step_leaves_nothing() {
        let trial = Trial::new();
        let key = Key::new("step", &[]);
        let failing = || Err(BuildError::NoSeed);
        let into = trial.folder.path();
        assert!(trial.cache.step(&key, &["a"], into, failing).is_err());
        assert!(!trial.entry(&key).exists());
        assert_eq!(trial.step(&key), Origin::Made);
    }

    #[test]
    fn where_nothing_can_be_kept_the_step_runs_every_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for cache in [Cache::none(), Cache::at(folder.path().join("file/inside"))] {
            for _ in 0..2 {
                let key = Key::new("step", &[]);
                let origin = cache.step(&key, &[], folder.path(), || Ok(())).unwrap();
                assert_eq!(origin, Origin::Made);
            }
        }
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let trial = Trial::new();
        let key = |i: usize| Key::new("step", &[("number", &i.to_string())]);
        for i in 0..ENTRIES_KEPT + 3 {
            trial.step(&key(i));
        }
        let left = fs::read_dir(trial.folder.path().join("cache")).unwrap();
        let left = left.flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(left.count(), ENTRIES_KEPT);
        assert!(trial.entry(&key(ENTRIES_KEPT + 2)).exists());
    }

    #[test]
    fn inputs_can_not_be_shifted_into_each_other() {
        let a = Key::new("step", &[("a", "bc")]);
        let b = Key::new("step", &[("ab", "c")]);
        assert_ne!(a, b);
    }
}
