//! 100,000 damaged models: an error or a program, never a panic, never more than a
//! second or a gigabyte.
//!
//! Every case follows from its number: a failure prints the number, and
//! `QUERN_MUTATION=n` runs that one alone. `QUERN_MUTATIONS=n` runs another count.

use prost::Message;
use quern_compiler::onnx::{AttributeProto, GraphProto, ModelProto};
use quern_compiler::{compile, Options};
use quern_isa::CONFIGS;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CASES: usize = 100_000;
const LONGEST: Duration = Duration::from_secs(1);
const MOST_BYTES: isize = 1 << 30;

#[test]
fn mutated_models_never_panic_hang_or_take_all_memory() {
    let corpus = corpus();
    if let Some(case) = setting("QUERN_MUTATION") {
        return check(&corpus, case);
    }
    let cases = setting("QUERN_MUTATIONS").unwrap_or(CASES);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let case = next.fetch_add(1, Ordering::Relaxed);
                if case >= cases {
                    return;
                }
                let result = std::panic::catch_unwind(|| check(&corpus, case));
                if let Err(panic) = result {
                    eprintln!("to repeat it: QUERN_MUTATION={case}");
                    std::panic::resume_unwind(panic);
                }
            });
        }
    });
}

fn setting(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Valid models: the trained ones and the small ones of many operators.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("tests/corpus"), root.join("../models")];
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the corpus is there"))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "onnx"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "the corpus has {} models", paths.len());
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a readable model"))
        .collect()
}

fn check(corpus: &[Vec<u8>], case: usize) {
    let mut random = Random(case as u64);
    let bytes = mutate(corpus, &mut random);
    let config = CONFIGS[random.below(CONFIGS.len())];
    let before = ALLOCATED.get();
    PEAK.set(before);
    let started = Instant::now();
    if let Ok(compiled) = compile(&bytes, &config, &Options::default()) {
        assert!(compiled.listing().contains("halt"));
    }
    let elapsed = started.elapsed();
    let used = PEAK.get() - before;
    assert!(elapsed < LONGEST, "case {case} took {elapsed:?}");
    assert!(used < MOST_BYTES, "case {case} took {used} bytes");
}

/// Damage of the bytes, or of the message they encode.
fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    if random.below(2) == 0 {
        let mut model = ModelProto::decode(bytes.as_slice()).expect("the corpus is valid");
        let graph = model.graph.as_mut().expect("the corpus is valid");
        for _ in 0..1 + random.below(3) {
            mutate_graph(graph, random);
        }
        return model.encode_to_vec();
    }
    for _ in 0..1 + random.below(4) {
        mutate_bytes(&mut bytes, corpus, random);
    }
    bytes
}

fn mutate_bytes(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let place = random.below(bytes.len().max(1));
    let end = (place + 1 + random.below(16)).min(bytes.len());
    match random.below(6) {
        0 if !bytes.is_empty() => bytes[place] = random.next() as u8,
        1 if !bytes.is_empty() => bytes[place] ^= 1 << random.below(8),
        2 => bytes.truncate(place),
        3 => drop(bytes.drain(place..end)),
        4 => {
            let again = bytes[place..end].to_vec();
            bytes.splice(place..place, again);
        }
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            let piece = &other[from..(from + 32).min(other.len())];
            bytes.splice(place..end, piece.iter().copied());
        }
    }
}

fn mutate_graph(graph: &mut GraphProto, random: &mut Random) {
    const NUMBERS: [i64; 12] = [
        -1,
        0,
        1,
        2,
        3,
        7,
        255,
        1 << 16,
        1 << 31,
        1 << 40,
        i64::MAX,
        i64::MIN,
    ];
    const REALS: [f32; 9] = [
        0.0,
        -1.0,
        1e-45,
        1e-30,
        0.5,
        3e38,
        f32::INFINITY,
        f32::NAN,
        1.0,
    ];
    let number = NUMBERS[random.below(NUMBERS.len())];
    let (nodes, tensors) = (graph.node.len(), graph.initializer.len());
    let names: Vec<String> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().cloned())
        .chain(graph.initializer.iter().map(|tensor| tensor.name.clone()))
        .collect();
    if nodes == 0 || tensors == 0 || names.is_empty() {
        return;
    }
    let (from, to) = (random.below(nodes), random.below(nodes));
    let some = random.below(tensors);
    match random.below(11) {
        0 => drop(graph.node.remove(from)),
        1 => graph.node[from].op_type = graph.node[to].op_type.clone(),
        2 => {
            let inputs = &mut graph.node[from].input;
            if !inputs.is_empty() {
                let place = random.below(inputs.len());
                inputs[place] = names[random.below(names.len())].clone();
            }
        }
        3 => drop(graph.node[from].input.pop()),
        4 => graph.node[from].attribute = graph.node[to].attribute.clone(),
        5 => {
            let attributes = &mut graph.node[from].attribute;
            if let Some(AttributeProto { i, ints, f, .. }) = attributes.last_mut() {
                *i = number;
                *f = REALS[random.below(REALS.len())];
                if !ints.is_empty() {
                    let place = random.below(ints.len());
                    ints[place] = number;
                }
            }
        }
        6 => {
            let dims = &mut graph.initializer[some].dims;
            match dims.is_empty() {
                true => dims.push(number),
                false => {
                    let place = random.below(dims.len());
                    dims[place] = number;
                }
            }
        }
        7 => graph.initializer[some].data_type = random.below(18) as i32,
        8 => {
            let real = REALS[random.below(REALS.len())];
            let tensor = &mut graph.initializer[some];
            tensor.float_data.iter_mut().for_each(|value| *value = real);
            if let Some(raw) = tensor.raw_data.as_mut().filter(|raw| raw.len() == 4) {
                *raw = real.to_le_bytes().to_vec();
            }
        }
        9 => {
            let tensor = graph.initializer[random.below(tensors)].clone();
            let name = std::mem::take(&mut graph.initializer[some].name);
            graph.initializer[some] = tensor;
            graph.initializer[some].name = name;
        }
        _ => graph.node.swap(from, to),
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

thread_local! {
    static ALLOCATED: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, and how much this thread has of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    let allocated = ALLOCATED.get() + bytes;
    ALLOCATED.set(allocated);
    if allocated > PEAK.get() {
        PEAK.set(allocated);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        System.dealloc(place, layout)
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        System.realloc(place, layout, size)
    }
}
