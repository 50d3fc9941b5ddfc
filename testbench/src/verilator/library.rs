//! The compiled model behind safe functions. This is the only unsafe code of the
//! project: calls into a library that was built from `shim.cpp` a moment ago, or kept
//! under a hash of it.

#![allow(unsafe_code)]

use crate::driver::Beat;
use std::ffi::{c_char, c_void, CStr};
use std::path::Path;
use std::sync::Arc;

/// `QuernCycle` in `shim.cpp`.
#[repr(C)]
#[derive(Default)]
pub struct CycleResult {
    pub accepted: u8,
    pub delivered: u8,
    pub idle: u8,
    pub error: u8,
}

/// `QuernBurst` in `shim.cpp`; `accepted` and `delivered` in bytes.
#[repr(C)]
#[derive(Default)]
pub struct BurstResult {
    pub cycles: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub idle: u8,
    pub error: u8,
}

type Handle = *mut c_void;

/// The functions of `shim.cpp`, with the types they have there.
struct Functions {
    new: unsafe extern "C" fn(i32) -> Handle,
    free: unsafe extern "C" fn(Handle),
    reset: unsafe extern "C" fn(Handle),
    cycle: unsafe extern "C" fn(Handle, *const u8, u8, *mut u8, *mut CycleResult),
    burst: unsafe extern "C" fn(Handle, *const u8, u64, *mut u8, u64, u64, *mut BurstResult),
    write_coverage: unsafe extern "C" fn(Handle, *const c_char) -> u8,
    counters: unsafe extern "C" fn(Handle, *mut u32),
    memory_count: unsafe extern "C" fn(Handle) -> u64,
    memory_path: unsafe extern "C" fn(Handle, u64) -> *const c_char,
    memory_words: unsafe extern "C" fn(Handle, u64) -> u64,
    memory_bits: unsafe extern "C" fn(Handle, u64) -> u64,
    memory_read: unsafe extern "C" fn(Handle, u64, *mut u8),
}

/// A loaded model; it stays loaded while a simulation lives.
pub struct Library {
    functions: Functions,
    _library: libloading::Library,
}

impl Library {
    pub fn open(path: &Path) -> Result<Arc<Library>, String> {
        let text = |error: libloading::Error| error.to_string();
        // SAFETY: the library's initialisers are those of Verilator's runtime, which
        // need nothing, and each symbol is taken at the type `shim.cpp` gives it.
        unsafe {
            let library = libloading::Library::new(path).map_err(text)?;
            let functions = Functions {
                new: *library.get(b"quern_new\0").map_err(text)?,
                free: *library.get(b"quern_free\0").map_err(text)?,
                reset: *library.get(b"quern_reset\0").map_err(text)?,
                cycle: *library.get(b"quern_cycle\0").map_err(text)?,
                burst: *library.get(b"quern_burst\0").map_err(text)?,
                write_coverage: *library.get(b"quern_write_coverage\0").map_err(text)?,
                counters: *library.get(b"quern_counters\0").map_err(text)?,
                memory_count: *library.get(b"quern_memory_count\0").map_err(text)?,
                memory_path: *library.get(b"quern_memory_path\0").map_err(text)?,
                memory_words: *library.get(b"quern_memory_words\0").map_err(text)?,
                memory_bits: *library.get(b"quern_memory_bits\0").map_err(text)?,
                memory_read: *library.get(b"quern_memory_read\0").map_err(text)?,
            };
            Ok(Arc::new(Library {
                functions,
                _library: library,
            }))
        }
    }

    /// A core of its own. All registers and memories are zero unless the model leaves
    /// their start open; then `seed` decides.
    pub fn simulation(self: Arc<Self>, seed: i32) -> Result<Simulation, String> {
        // SAFETY: takes any number; catches its exceptions.
        let handle = unsafe { (self.functions.new)(seed) };
        match handle.is_null() {
            true => Err("the model could not be created".to_owned()),
            false => Ok(Simulation {
                handle,
                library: self,
            }),
        }
    }
}

/// One simulated core.
pub struct Simulation {
    /// From `quern_new`, not freed, and used by nobody else.
    handle: Handle,
    library: Arc<Library>,
}

// SAFETY: a model with a context of its own is not tied to the thread that made it,
// and `&mut self` keeps two threads from evaluating it at once.
unsafe impl Send for Simulation {}

impl Drop for Simulation {
    fn drop(&mut self) {
        // SAFETY: the handle is valid until here, and not used afterwards.
        unsafe { (self.library.functions.free)(self.handle) }
    }
}

// In each of these the handle is valid, which is the invariant of `Simulation`.
impl Simulation {
    pub fn reset(&mut self) {
        // SAFETY: takes only the handle.
        unsafe { (self.library.functions.reset)(self.handle) }
    }

    pub fn cycle(&mut self, input: Option<&Beat>, ready: bool, output: &mut Beat) -> CycleResult {
        let mut result = CycleResult::default();
        let input = input.map_or(std::ptr::null(), |beat| beat.as_ptr());
        // SAFETY: a `Beat` is at least as long as any stream is wide, and `input` may
        // be null.
        unsafe {
            (self.library.functions.cycle)(
                self.handle,
                input,
                ready.into(),
                output.as_mut_ptr(),
                &mut result,
            )
        }
        result
    }

    pub fn burst(&mut self, input: &[u8], output: &mut [u8], cycles: u64) -> BurstResult {
        let mut result = BurstResult::default();
        // SAFETY: the lengths are those of the slices, which the shim stays within:
        // it reads whole beats of `input` only, and ends when `output` has no room
        // for one more; that it has room for the first is the caller's check.
        unsafe {
            (self.library.functions.burst)(
                self.handle,
                input.as_ptr(),
                input.len() as u64,
                output.as_mut_ptr(),
                output.len() as u64,
                cycles,
                &mut result,
            )
        }
        result
    }

    /// Writes how often lines ran and bits toggled; false if the model does not count,
    /// or the file can't be written.
    pub fn write_coverage(&self, path: &CStr) -> bool {
        // SAFETY: the string ends with a zero and is only read; exceptions are caught.
        unsafe { (self.library.functions.write_coverage)(self.handle, path.as_ptr()) != 0 }
    }

    pub fn counters(&self) -> [u32; 4] {
        let mut words = [0; 4];
        // SAFETY: the shim writes four words.
        unsafe { (self.library.functions.counters)(self.handle, words.as_mut_ptr()) }
        words
    }

    pub fn memory_count(&self) -> usize {
        // SAFETY: takes only the handle.
        unsafe { (self.library.functions.memory_count)(self.handle) as usize }
    }

    /// The instance that holds memory number `memory`.
    pub fn memory_path(&self, memory: usize) -> String {
        assert!(memory < self.memory_count());
        // SAFETY: the number is in range; the string ends with a zero and lives as
        // long as the simulation.
        let path = unsafe {
            CStr::from_ptr((self.library.functions.memory_path)(
                self.handle,
                memory as u64,
            ))
        };
        path.to_string_lossy().into_owned()
    }

    pub fn memory_words(&self, memory: usize) -> usize {
        assert!(memory < self.memory_count());
        // SAFETY: the number is in range.
        unsafe { (self.library.functions.memory_words)(self.handle, memory as u64) as usize }
    }

    /// Bytes of a whole memory, each word rounded up to bytes.
    pub fn memory_bytes(&self, memory: usize) -> usize {
        assert!(memory < self.memory_count());
        // SAFETY: the number is in range.
        let bits = unsafe { (self.library.functions.memory_bits)(self.handle, memory as u64) };
        self.memory_words(memory) * (bits as usize).div_ceil(8)
    }

    pub fn read_memory(&self, memory: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.memory_bytes(memory)];
        // SAFETY: the number is in range (checked above), and the shim writes as many
        // bytes as `memory_bytes` says.
        unsafe {
            (self.library.functions.memory_read)(self.handle, memory as u64, bytes.as_mut_ptr())
        }
        bytes
    }
}
