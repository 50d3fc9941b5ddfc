//! The exported core under Verilator against the reference and the RTL: outputs, every
//! memory, counters.

use quern_isa::{
    Inspect, Instruction, Machine, MachineError, Reference, Segment, Source, Waits, ASIC16,
    CONFIGS, ERROR_ILLEGAL, ERROR_MISMATCH, ISA_VERSION, TINY,
};
use quern_testbench::driver::Pacing;
use quern_testbench::programs::{
    fill_accumulators, load_everything, random_program, raw, Random, Writer,
};
use quern_testbench::rtl::Rtl;
use quern_testbench::verilator::Verilator;

/// Every byte of every memory, loaded and dumped: the model's memories are found and
/// read in the right order.
#[test]
fn every_memory_is_dumped_in_full() {
    for config in &CONFIGS {
        let mut reference = Reference::new(*config);
        let mut verilator = Verilator::new(config).unwrap();
        let mut writer = Writer::new(config);
        load_everything(&mut writer, &mut Random(3));
        fill_accumulators(&mut writer);
        let program = writer.halt();
        reference.run(&program, &mut []).unwrap();
        verilator.run(&program, &mut []).unwrap();
        let memories = verilator.memories();
        assert_eq!(memories.difference(&reference.memories()), None);
        assert!(memories.activations.iter().any(|&byte| byte != 0));
        assert!(memories.accumulators.iter().any(|&word| word < 0));
        assert!(memories.lookup.iter().any(|&byte| byte != 0));
        assert!(memories.parameters.iter().any(|&byte| byte != 0));
    }
}

/// Cycle by cycle, with gaps: the same trace of the ports as the RTL.
#[test]
fn with_gaps_in_the_streams_it_does_what_the_rtl_does() {
    for (config, seeds) in [(&TINY, 300..310), (&ASIC16, 330..331)] {
        let mut rtl = Rtl::new(config).unwrap();
        let mut verilator = Verilator::new(config).unwrap();
        let mut stalls = 0;
        for seed in seeds {
            let program = random_program(config, seed, 12);
            let pacing = Pacing {
                seed,
                input: 100,
                output: 90,
            };
            rtl.set_pacing(pacing);
            verilator.set_pacing(pacing);
            let mut host = [
                vec![0; program.host_bytes as usize],
                vec![0; program.host_bytes as usize],
            ];
            let run = rtl.run(&program, &mut host[0]).unwrap();
            stalls += run.counters.output_stalls;
            assert_eq!(verilator.run(&program, &mut host[1]).unwrap(), run);
            assert_eq!(host[0], host[1], "{}, seed {seed}", config.name);
            assert_eq!(rtl.memories().difference(&verilator.memories()), None);
        }
        assert!(
            stalls > 0,
            "{}: the output was never waited for",
            config.name
        );
    }
}

#[test]
fn errors_stop_the_core_and_the_next_program_runs() {
    for config in &CONFIGS {
        let mut verilator = Verilator::new(config).unwrap();
        let begin = |fingerprint| {
            let begin = Instruction::Begin {
                version: ISA_VERSION,
                fingerprint,
            };
            begin.encode(Waits::NONE)
        };
        let halt = Instruction::Halt.encode(Waits::NONE);
        for (bytes, expected) in [
            ([begin(config.fingerprint()), [0xee; 16]], ERROR_ILLEGAL),
            ([begin(!config.fingerprint()), halt], ERROR_MISMATCH),
        ] {
            let program = raw(config, bytes.concat());
            match verilator.run(&program, &mut []) {
                Err(MachineError::Core { code, .. }) => assert_eq!(code, expected),
                other => panic!("expected error {expected}, got {other:?}"),
            }
            verilator.run(&Writer::new(config).halt(), &mut []).unwrap();
        }
    }
}

/// Verilator keeps a context per thread, which is the newest model's.
#[test]
fn an_older_machine_outlives_a_newer_one() {
    for _ in 0..20 {
        let mut older = Verilator::new(&TINY).unwrap();
        drop(Verilator::new(&TINY).unwrap());
        // Takes the place of what was freed.
        let filling: Vec<Vec<u8>> = (0..64).map(|i| vec![0xff; 100 + 10 * i]).collect();
        older.run(&Writer::new(&TINY).halt(), &mut []).unwrap();
        drop(older);
        drop(filling);
    }
}

#[test]
fn machines_of_one_model_are_independent() {
    let mut machines = [
        Verilator::new(&TINY).unwrap(),
        Verilator::new(&TINY).unwrap(),
    ];
    let mut writer = Writer::new(&TINY);
    writer.load(quern_isa::Space::Table, 0, &[7; 256]);
    machines[0].run(&writer.halt(), &mut []).unwrap();
    assert_eq!(machines[0].memories().table, [7; 256]);
    assert_eq!(machines[1].memories().table, [0; 256]);
    let [first, second] = machines;
    drop(first);
    let mut second = second;
    let mut writer = Writer::new(&TINY);
    let at = writer.store(Source::Activations, 0, 2);
    let program = writer.halt();
    assert!(matches!(program.segments.last(), Some(Segment::Send(_))));
    let mut host = vec![1; program.host_bytes as usize];
    second.run(&program, &mut host).unwrap();
    assert_eq!(host[at as usize..], [0; 8]);
}

/// Models are built on several threads at once, as tests do.
#[test]
fn building_one_model_twice_at_once_gives_one_model() {
    std::thread::scope(|scope| {
        let builds: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| Verilator::new(&TINY).map(|_| ())))
            .collect();
        for build in builds {
            build.join().unwrap().unwrap();
        }
    });
}
