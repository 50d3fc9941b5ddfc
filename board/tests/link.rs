//! The driver against the link's Verilog, over lines of every quality.

mod line;

use line::{bench, expected, Fault, Line, Random, DIVISOR, FAULTS};
use quern_board::{Link, LinkError, Transport};
use quern_testbench::verilator::pins::Pins;
use std::thread;
use std::time::Duration;

/// Without a byte for so long, in simulated time, an exchange hangs.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Sends a stream through the link and the stand-in behind it, and returns what comes
/// back.
fn pass(link: &mut Link<Line>, stream: &[u8]) -> Result<Vec<u8>, LinkError> {
    let (mut sent, mut output) = (0, Vec::new());
    let mut last_news = link.transport().now();
    while output.len() < stream.len() {
        sent += link.offer(&stream[sent..]);
        link.exchange()?;
        let news = link.take_output();
        let now = link.transport().now();
        if !news.is_empty() {
            last_news = now;
        }
        assert!(now - last_news < STANDSTILL, "the exchange hangs");
        output.extend(news);
    }
    Ok(output)
}

/// A session whose bytes must come back right, or whose end is an error that is known.
fn session(pins: &mut Pins, seed: u64, rarity: u64, faults: &[Fault]) -> u64 {
    let mut random = Random(seed);
    let count = 1 + random.below(random_length(seed)) as usize;
    let stream = random.bytes(count);
    let mut link = Link::open(Line::new(pins, seed, rarity, faults)).unwrap();
    let output = pass(&mut link, &stream).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(output, expected(&stream), "seed {seed}");
    link.transport().injected
}

/// Mostly short, sometimes longer than all buffers.
fn random_length(seed: u64) -> u64 {
    match seed % 16 {
        0 => 1200,
        _ => 120,
    }
}

#[test]
fn a_perfect_line_carries_a_long_stream_without_a_timeout() {
    let mut pins = bench();
    let stream = Random(1).bytes(20_000);
    let mut link = Link::open(Line::new(&mut pins, 0, 0, &FAULTS)).unwrap();
    assert_eq!(link.identity().divisor, DIVISOR);
    let begin = link.transport().now();
    let output = pass(&mut link, &stream).unwrap();
    let seconds = (link.transport().now() - begin).as_secs_f64();
    assert_eq!(output, expected(&stream));
    let statistics = link.statistics();
    assert_eq!((statistics.timeouts, statistics.frames_damaged), (0, 0));
    let line_rate = f64::from(line::CLOCK_HZ) / f64::from(DIVISOR) / 10.0;
    println!(
        "{:.0} bytes/s each way at once, {:.0} % of the line's",
        stream.len() as f64 / seconds,
        100.0 * stream.len() as f64 / seconds / line_rate
    );
}

#[test]
fn each_kind_of_fault_by_itself_is_made_good() {
    let mut pins = bench();
    for (number, fault) in FAULTS.iter().enumerate() {
        let mut injected = 0;
        for seed in 0..20 {
            injected += session(&mut pins, 1000 * number as u64 + seed, 4, &[*fault]);
        }
        assert!(injected > 20, "{fault:?} was injected {injected} times");
    }
}

/// `QUERN_EXCHANGES=10000` is what `docs/board.md` promises; it takes a quarter of an hour
/// on two cores.
#[test]
fn corrupted_and_interrupted_exchanges_give_no_wrong_byte_and_do_not_hang() {
    let wanted = std::env::var("QUERN_EXCHANGES").ok();
    let exchanges: u64 = wanted.map_or(200, |count| count.parse().expect("a number"));
    let shards = thread::available_parallelism().map_or(1, usize::from) as u64;
    let injected: u64 = thread::scope(|scope| {
        let shard = |first| move || shard(first, shards, exchanges);
        let shards: Vec<_> = (0..shards).map(|first| scope.spawn(shard(first))).collect();
        let injected = shards.into_iter().map(|shard| shard.join().unwrap());
        injected.sum()
    });
    println!("{exchanges} exchanges with {injected} faults");
    assert!(injected > exchanges);
}

/// Every `step`th exchange, all of them on one board; returns how many faults there were.
fn shard(first: u64, step: u64, exchanges: u64) -> u64 {
    let mut pins = bench();
    let mut injected = 0;
    for seed in (first..exchanges).step_by(step as usize) {
        if seed % 5 == 0 {
            interrupted(&mut pins, seed);
        }
        injected += session(&mut pins, seed, 3, &FAULTS);
    }
    injected
}

/// The host dies in the middle of a session, with half a frame on the line.
fn interrupted(pins: &mut Pins, seed: u64) {
    let mut random = Random(!seed);
    let mut link = Link::open(Line::new(pins, seed, 0, &FAULTS)).unwrap();
    link.offer(&random.bytes(200));
    for _ in 0..random.below(3) {
        link.exchange().unwrap();
    }
    drop(link);
    for byte in random.bytes(30) {
        pins.send(byte, DIVISOR.into());
    }
    pins.take_received();
}

#[test]
fn after_any_bytes_the_next_frame_is_accepted() {
    let mut pins = bench();
    for seed in 0..300 {
        let mut random = Random(seed);
        let count = random.below(300) as usize;
        for byte in random.bytes(count) {
            // Flags and escapes are what a parser stumbles over.
            let byte = match random.below(6) {
                0 => quern_isa::link::FLAG,
                1 => quern_isa::link::ESCAPE,
                _ => byte,
            };
            pins.send(byte, DIVISOR.into());
        }
        pins.wait(300 * 10 * u64::from(DIVISOR));
        pins.take_received();
        let mut link = Link::open(Line::new(&mut pins, seed, 0, &FAULTS)).unwrap();
        let stream = random.bytes(20);
        assert_eq!(pass(&mut link, &stream).unwrap(), expected(&stream));
        assert_eq!(link.statistics().timeouts, 0, "seed {seed}");
    }
}

#[test]
fn a_receiver_reads_senders_that_are_two_percent_off() {
    let mut pins = bench();
    for percent in -2..=2 {
        for seed in 0..5 {
            let mut line = Line::new(&mut pins, seed, 0, &FAULTS);
            line.sender_cycles *= 1.0 + f64::from(percent) / 100.0;
            let mut link = Link::open(line).unwrap();
            let stream = Random(seed).bytes(600);
            assert_eq!(pass(&mut link, &stream).unwrap(), expected(&stream));
            assert_eq!(link.statistics().timeouts, 0, "{percent} %");
        }
    }
}

#[test]
fn a_dead_board_is_an_error_within_the_time_that_was_promised() {
    let mut pins = bench();
    let mut line = Line::new(&mut pins, 0, 0, &FAULTS);
    line.unplugged = true;
    let patience = line.pace().give_up;
    let begin = line.now();
    let Err(LinkError::NoAnswer { waited, .. }) = Link::open(line).map(|_| ()) else {
        panic!("there is nobody");
    };
    assert!(waited >= patience && waited < 2 * patience, "{waited:?}");
    // In the middle of a session, too; and when the cable is back the next one works.
    let mut link = Link::open(Line::new(&mut pins, 0, 0, &FAULTS)).unwrap();
    link.offer(&[1, 2, 3]);
    link.exchange().unwrap();
    link.transport().unplugged = true;
    let start = link.transport().now();
    assert!(start > begin);
    let error = loop {
        link.offer(&[4]);
        if let Err(error) = link.exchange() {
            break error;
        }
    };
    assert!(matches!(error, LinkError::NoAnswer { .. }), "{error}");
    assert!(link.transport().now() - start < 2 * patience);
    drop(link);
    session(&mut pins, 5, 0, &FAULTS);
}

#[test]
fn the_button_ends_a_session_with_an_error_and_the_next_one_works() {
    let mut pins = bench();
    let mut link = Link::open(Line::new(&mut pins, 0, 0, &FAULTS)).unwrap();
    link.offer(&[1, 2, 3]);
    link.exchange().unwrap();
    link.transport().pins.button(true);
    link.transport().pins.wait(20);
    link.transport().pins.button(false);
    link.transport().pins.wait(1100);
    let error = loop {
        link.offer(&[4]);
        if let Err(error) = link.exchange() {
            break error;
        }
    };
    assert!(matches!(error, LinkError::Restarted { .. }), "{error}");
    drop(link);
    session(&mut pins, 5, 0, &FAULTS);
}

/// The board says that the host's bytes are input of the program in its flash; for the rest
/// the link is the same.
#[test]
fn a_session_with_the_flash_bears_the_same_and_ends_with_the_button() {
    let mut pins = bench();
    for seed in 0..40 {
        let mut link = Link::open(Line::new(&mut pins, seed, 3, &FAULTS)).unwrap();
        assert_eq!(link.stand_alone().unwrap(), None);
        let stream = Random(seed).bytes(60);
        let output = pass(&mut link, &stream);
        let output = output.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(output, expected(&stream), "seed {seed}");
    }
    let mut link = Link::open(Line::new(&mut pins, 0, 0, &FAULTS)).unwrap();
    link.stand_alone().unwrap();
    link.offer(&[1, 2, 3]);
    while link.untaken() > 0 {
        link.exchange().unwrap();
    }
    link.transport().pins.button(true);
    link.transport().pins.wait(20);
    link.transport().pins.button(false);
    link.transport().pins.wait(1100);
    let error = loop {
        link.offer(&[4]);
        if let Err(error) = link.exchange() {
            break error;
        }
    };
    assert!(matches!(error, LinkError::Restarted { .. }), "{error}");
}

/// Frame by frame, without the driver: the same frame three times, and what its bytes
/// did once.
#[test]
fn a_repeated_frame_counts_once() {
    use quern_board::frame::{BoardFrame, HostFrame};
    let mut pins = bench();
    Link::open(Line::new(&mut pins, 0, 0, &FAULTS)).unwrap();
    let stream = [7, 0x7E, 0x7D, 9, 200];
    let frame = HostFrame {
        restart: None,
        tag: 0,
        position: 0,
        acknowledged: 15,
        bytes: &stream,
    };
    let mut ask = |line: &[u8]| {
        for &byte in line {
            pins.send(byte, DIVISOR.into());
        }
        pins.wait(60 * 10 * u64::from(DIVISOR));
        let mut decoder = quern_board::Decoder::default();
        let answers = pins.take_received().into_iter();
        let answers: Vec<_> = answers.filter_map(|byte| decoder.push(byte)).collect();
        assert_eq!(answers.len(), 1, "one answer a frame");
        BoardFrame::parse(&answers[0]).unwrap()
    };
    for _ in 0..3 {
        let answer = ask(&frame.encode());
        assert_eq!((answer.received, answer.position), (5, 15));
    }
    // With a wrong check it counts not at all, and is answered all the same.
    let mut wrong = HostFrame {
        position: 5,
        ..frame
    }
    .encode();
    wrong[5] ^= 1;
    let answer = ask(&wrong);
    assert_eq!((answer.received, answer.taken), (5, 5));
    assert_eq!(answer.bytes, expected(&stream));
}
