//! Memories, activation buffer and accumulators against arrays of integers.

use proptest::prelude::*;
use quern_hdl::{Accumulators, ActivationBuffer, LookupMemory, Memory, ParameterMemory};
use quern_isa::{ChannelParameters, Config, ASIC16, CU};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

/// Rows of a replay in which a memory's output register has no value yet.
const WARM_UP: usize = 1;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn memory_of_many_lanes_reads_what_was_written(accesses in accesses(6, 8, 16)) {
        run_memory::<6, 16, 3>(&accesses);
    }

    #[test]
    fn memory_of_one_lane_reads_what_was_written(accesses in accesses(1, 16, 8)) {
        run_memory::<1, 8, 4>(&accesses);
    }

    #[test]
    fn memory_of_32_bits_reads_what_was_written(accesses in accesses(4, 8, 32)) {
        run_memory::<4, 32, 3>(&accesses);
    }

    #[test]
    fn parameters_are_read_as_they_were_encoded(
        words in prop::collection::vec((any::<(i32, u32, u8, u8)>(), 0u64..1024, any::<u16>()), 300)
    ) {
        run_parameter_memory::<1, 9, 24, 27, 4>(&CU, &words);
        run_parameter_memory::<4, 10, 32, 31, 6>(&ASIC16, &words);
    }

    #[test]
    fn every_lane_looks_up_its_own_entry(
        accesses in prop::collection::vec((any::<[u64; 4]>(), any::<u64>(), 0u64..8, any::<u32>()), 300)
    ) {
        run_lookup_memory::<1, 24, 3, 9>(&accesses);
        run_lookup_memory::<4, 8, 1, 8>(&accesses);
    }

    #[test]
    fn activation_buffer_skews_or_broadcasts(reads in prop::collection::vec(
        (prop::num::u16::ANY, prop::bool::weighted(0.1), 0u64..256, any::<[u8; 8]>()), 20..300)
    ) {
        run_activation_buffer(&reads);
    }

    #[test]
    fn accumulators_add_replace_and_read_at_every_address(
        operations in prop::collection::vec(operation(), 1..300)
    ) {
        run_accumulators::<6, 24, 19, 4>(&operations);
    }

    #[test]
    fn accumulators_of_32_bits_add_replace_and_read_at_every_address(
        operations in prop::collection::vec(operation(), 1..300)
    ) {
        run_accumulators::<4, 32, 18, 6>(&operations);
    }
}

/// One cycle of a memory: both addresses, enables, data.
type Access = (u64, u64, u64, Vec<u32>);

fn accesses(lanes: usize, words: u64, width: u32) -> impl Strategy<Value = Vec<Access>> {
    let data = prop::collection::vec(any::<u32>().prop_map(move |x| x >> (32 - width)), lanes);
    let access = (0..words, 0..words, 0..1u64 << lanes, data)
        // Reading and writing one address at once has no defined result.
        .prop_map(move |(read, write, enable, data)| match read == write {
            true => (read, (write + 1) % words, enable, data),
            false => (read, write, enable, data),
        });
    prop::collection::vec(access, 1..300)
}

fn run_memory<const LANES: usize, const BITS: usize, const ADDRESS: usize>(accesses: &[Access]) {
    let mut memory = Recorder::clocked(Memory::<LANES, BITS, ADDRESS>::default(), |memory| {
        &mut memory.clock
    })
    .warm_up(WARM_UP);
    let mut golden = vec![[0; LANES]; 1 << ADDRESS];
    for (read, write, enable, data) in accesses {
        memory.read_address.next = bits(*read);
        memory.write_address.next = bits(*write);
        memory.write_enable.next = bits(*enable);
        for (port, &value) in memory.write_data.iter_mut().zip(data) {
            port.next = bits(value as u64);
        }
        memory.cycle();
        for lane in 0..LANES {
            let expected = golden[*read as usize][lane];
            assert_eq!(memory.read_data[lane].val().to_u32(), expected);
            if enable >> lane & 1 != 0 {
                golden[*write as usize][lane] = data[lane];
            }
        }
    }
    assert_eq!(memory.contents(), golden.concat());
    memory.replay().unwrap();
}

/// A parameter word, where it is written, and bits that say how and what is read.
type ParameterWrite = ((i32, u32, u8, u8), u64, u16);

/// Each word is written, some by halves, while words elsewhere are read.
fn run_parameter_memory<
    const V: usize,
    const L: usize,
    const W: usize,
    const M: usize,
    const P: usize,
>(
    config: &Config,
    words: &[ParameterWrite],
) {
    let mut memory = Recorder::clocked(ParameterMemory::<V, L, W, M, P>::default(), |memory| {
        &mut memory.clock
    })
    .warm_up(WARM_UP);
    let mut golden = vec![vec![0; L]; 1 << P];
    for &((bias, multiplier, steps, zero_point), write, enable) in words {
        let write = write as usize % (1 << P);
        // The words that are read together are not being written.
        let read = (write + V + enable as usize % ((1 << P) - 2 * V + 1)) % (1 << P);
        let word = ChannelParameters {
            bias,
            multiplier,
            steps,
            zero_point,
        }
        .encode(config);
        let enable = match enable % 4 {
            0 => enable as u64 >> 3 & ((1 << L) - 1),
            _ => (1 << L) - 1,
        };
        memory.write_address.next = bits(write as u64);
        memory.read_address.next = bits(read as u64);
        memory.write_enable.next = bits(enable);
        for (port, &byte) in memory.write_data.iter_mut().zip(&word) {
            port.next = bits(byte as u64);
        }
        memory.cycle();
        for lane in 0..V {
            let parameters = ChannelParameters::decode(&golden[read / V * V + lane], config);
            let field = |value: u64, width: usize| value & ((1 << width) - 1);
            assert_eq!(
                memory.bias[lane].val(),
                bits(field(parameters.bias as u64, W))
            );
            let multiplier = field(parameters.multiplier as u64, M);
            assert_eq!(memory.multiplier[lane].val(), bits(multiplier));
            assert_eq!(
                memory.steps[lane].val(),
                bits(field(parameters.steps as u64, 4))
            );
            assert_eq!(
                memory.zero_point[lane].val(),
                bits(parameters.zero_point as u64)
            );
        }
        for (byte, &value) in word.iter().enumerate() {
            if enable >> byte & 1 == 1 {
                golden[write][byte] = value;
            }
        }
    }
    assert_eq!(memory.contents(), golden.concat());
    memory.replay().unwrap();
}

fn run_lookup_memory<const V: usize, const W: usize, const B: usize, const A: usize>(
    accesses: &[([u64; 4], u64, u64, u32)],
) {
    let mut memory = Recorder::clocked(LookupMemory::<V, W, B, A>::default(), |memory| {
        &mut memory.clock
    })
    .warm_up(WARM_UP);
    let mut golden = vec![0u32; 1 << A];
    // Each entry is written once with a value of its own, and then read once by each port.
    let all = 1u64 << A;
    let own = |entry: u64| (entry * 0x9e37_79b1) as u32;
    let fill = (0..all).map(|entry| ([entry ^ 1; 4], entry, u64::MAX, own(entry)));
    let read = (0..all).map(|entry| ([0, 1, 2, 3].map(|port| (entry + port) % all), all, 0, 0));
    // A few entries only, so that they are found again.
    let entry = |draw: u64| (draw % 16) << (A - 4);
    let random = accesses
        .iter()
        .map(|&(reads, write, enable, value)| (reads.map(entry), entry(write), enable, value));
    for (reads, write, enable, value) in fill.chain(read).chain(random) {
        let enable = enable & ((1 << B) - 1);
        let reads = reads.map(|read| match read == write {
            true => read ^ 1,
            false => read,
        });
        let write = write % all;
        for (port, &read) in memory.index.iter_mut().zip(&reads) {
            port.next = bits(read);
        }
        memory.write_address.next = bits(write);
        memory.write_enable.next = bits(enable);
        for (port, byte) in memory.write_data.iter_mut().zip(value.to_le_bytes()) {
            port.next = bits(byte as u64);
        }
        memory.cycle();
        for (port, &read) in memory.entry.iter().zip(&reads) {
            assert_eq!(port.val(), bits(golden[read as usize] as u64));
        }
        let mut bytes = golden[write as usize].to_le_bytes();
        for byte in (0..B).filter(|byte| enable >> byte & 1 == 1) {
            bytes[byte] = value.to_le_bytes()[byte];
        }
        golden[write as usize] = u32::from_le_bytes(bytes);
    }
    let contents: Vec<u8> = golden
        .iter()
        .flat_map(|entry| entry.to_le_bytes()[..B].to_vec())
        .collect();
    assert_eq!(memory.contents(), contents);
    memory.replay().unwrap();
}

/// Every cycle reads and, in all lanes the mask allows, writes elsewhere.
fn run_activation_buffer(cycles: &[(u16, bool, u64, [u8; 8])]) {
    const LANES: usize = 8;
    let mut buffer = Recorder::clocked(ActivationBuffer::<LANES, 5>::default(), |buffer| {
        &mut buffer.clock
    })
    .warm_up(2);
    let mut golden = [[0u8; LANES]; 32];
    // What each lane's address register holds.
    let mut lane_address = [0; LANES];
    for (addresses, broadcast, enable, data) in cycles {
        let address = (addresses & 15) as usize;
        // The upper half is written while the lower half is read, and later the other
        // way round, so that no address is read and written in one cycle.
        let half = if buffer.cycles() / 64 % 2 == 0 { 16 } else { 0 };
        let read = address + (16 - half);
        let write = (addresses >> 8 & 15) as usize + half;
        let settled = buffer.cycles() % 64 > LANES;
        let enable = if settled { *enable } else { 0 };
        buffer.address.next = bits(read as u64);
        buffer.broadcast.next = *broadcast;
        buffer.write_address.next = bits(write as u64);
        buffer.write_enable.next = bits(enable);
        for (port, &byte) in buffer.write_data.iter_mut().zip(data) {
            port.next = bits(byte as u64);
        }
        buffer.cycle();
        for lane in 0..LANES {
            let expected = golden[lane_address[lane]][lane];
            assert_eq!(
                buffer.read_data[lane].val().to_u32() as u8,
                expected,
                "lane {lane}"
            );
        }
        for lane in 0..LANES {
            if enable >> lane & 1 != 0 {
                golden[write][lane] = data[lane];
            }
        }
        match broadcast {
            true => lane_address = [read; LANES],
            false => {
                lane_address.rotate_right(1);
                lane_address[0] = read;
            }
        }
    }
    assert!(buffer.contents().eq(golden.concat()));
    buffer.replay().unwrap();
}

/// What is asked of the accumulators in one cycle.
#[derive(Debug, Clone)]
struct Operation {
    address: usize,
    valid: bool,
    first: bool,
    sums: [i32; 8],
}

fn operation() -> impl Strategy<Value = Operation> {
    let sum = prop_oneof![Just(i32::MIN), Just(i32::MAX), any::<i32>(), any::<i32>()];
    (
        0usize..16,
        any::<bool>(),
        any::<bool>(),
        prop::array::uniform8(sum),
    )
        .prop_map(|(address, valid, first, sums)| Operation {
            address,
            valid,
            first,
            sums,
        })
}

fn run_accumulators<const C: usize, const W: usize, const H: usize, const D: usize>(
    operations: &[Operation],
) {
    let mut unit = Recorder::clocked(Accumulators::<C, W, H, D>::default(), |unit| {
        &mut unit.clock
    })
    .warm_up(WARM_UP + 2);
    let mut golden = vec![[0i32; C]; 1 << D];
    // Cycles until an address may be visited again.
    let mut busy = vec![0usize; 1 << D];
    let mut sums = [0; C];
    for operation in operations {
        busy.iter_mut()
            .for_each(|cycles| *cycles = cycles.saturating_sub(1));
        let Some(address) = (operation.address..16)
            .chain(0..16)
            .find(|&word| busy[word] == 0)
        else {
            unreachable!("at most two addresses are busy");
        };
        // This cycle's operation, and the sum that belongs to the one before.
        unit.address.next = bits(address as u64);
        unit.valid.next = operation.valid;
        unit.first.next = operation.first;
        for (port, &sum) in unit.sum.iter_mut().zip(&sums) {
            port.next = bits(sum as u32 as u64 & ((1 << H) - 1));
        }
        unit.cycle();
        let values: Vec<i32> = unit.value.iter().map(|value| signed(value.val())).collect();
        assert_eq!(values, golden[address]);
        sums = std::array::from_fn(|column| operation.sums[column] >> (32 - H));
        if operation.valid {
            busy[address] = if H < 19 { 2 } else { 3 };
            for column in 0..C {
                let word = if operation.first {
                    0
                } else {
                    golden[address][column]
                };
                golden[address][column] = wrap::<W>(word.wrapping_add(sums[column]));
            }
        }
    }
    unit.valid.next = false;
    for (port, &sum) in unit.sum.iter_mut().zip(&sums) {
        port.next = bits(sum as u32 as u64 & ((1 << H) - 1));
    }
    unit.cycle();
    unit.cycle();
    assert!(unit.contents().eq(golden.concat()));
    unit.replay().unwrap();
}

fn wrap<const N: usize>(value: i32) -> i32 {
    value << (32 - N) >> (32 - N)
}

fn signed<const N: usize>(value: Bits<N>) -> i32 {
    wrap::<N>(value.to_u32() as i32)
}
