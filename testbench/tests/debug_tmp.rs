mod programs;
use programs::*;
use quern_isa::*;
use quern_testbench::rtl::Rtl;
#[test]
fn dbg() {
    let seed: u64 = std::env::var("SEED").unwrap().parse().unwrap();
    let config = Config::by_name(&std::env::var("CFG").unwrap()).unwrap();
    let len: usize = std::env::var("LEN").unwrap_or("25".into()).parse().unwrap();
    for n in 1..=len {
        let mut rtl = Rtl::new(&config).unwrap();
        let mut reference = Reference::new(config);
        let mut random = Random(seed);
        let mut writer = Writer::new(&config);
        for _ in 0..n {
            random_step(&mut writer, &mut random, true);
        }
        writer.store(Source::Counters, 0, 1);
        let program = writer.halt();
        let mut a = vec![0; program.host_bytes as usize];
        let mut b = a.clone();
        let ra = rtl.run(&program, &mut a);
        let mut lines = vec![];
        let rb = reference.run_traced(&program, &mut b, &mut |e: trace::Event| {
            if let trace::Event::Instruction { .. } = e {
                lines.push(e.to_string())
            }
        });
        let d = rtl.memories().difference(&reference.memories());
        if a != b || format!("{ra:?}") != format!("{rb:?}") || d.is_some() {
            println!("{}", lines.join("\n"));
            println!("n {n}\n rtl {ra:?}\n ref {rb:?} {d:?}");
            return;
        }
    }
}
#[test]
fn dbg_reset() {
    let config = &TINY;
    let mut random = Random(4);
    for i in 0..40 {
        let mut rtl = Rtl::new(&config).unwrap();
        let mut reference = Reference::new(*config);
        for _ in 0..random.within(1, 1500) {}
        let mut writer = Writer::new(config);
        load_everything(&mut writer, &mut random);
        fill_accumulators(&mut writer);
        random_matrix(&mut writer, &mut random);
        random_activate(&mut writer, &mut random);
        writer.store(Source::Activations, 0, config.activation_words);
        let program = writer.halt();
        let mut a = vec![0; program.host_bytes as usize];
        let mut b = a.clone();
        let ra = rtl.run(&program, &mut a);
        let mut lines = vec![];
        let rb = reference.run_traced(&program, &mut b, &mut |e: trace::Event| {
            if let trace::Event::Instruction { .. } = e {
                lines.push(e.to_string())
            }
        });
        if a != b || format!("{ra:?}") != format!("{rb:?}") {
            println!("{}", lines.join("\n"));
            println!("i {i}\n rtl {ra:?}\n ref {rb:?}");
        }
    }
}
