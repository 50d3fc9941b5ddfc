//! The driver on a serial port: a pseudo-terminal with the link's Verilog behind it.

mod line;

use line::{bench, expected, DIVISOR};
use quern_board::{Link, LinkError, SerialTransport};
use quern_testbench::virtual_board::Running;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BAUD: u32 = 1_000_000;

fn plugged() -> Running {
    Running::start(bench()).unwrap()
}

fn open(board: &Running) -> Link<SerialTransport> {
    Link::open(SerialTransport::open(board.port(), BAUD).unwrap()).unwrap()
}

/// One board at a time: what one test gives back, the system gives to the next.
static DESK: Mutex<()> = Mutex::new(());

#[test]
fn a_stream_passes_through_a_port() {
    let _desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    let board = plugged();
    let mut link = open(&board);
    assert_eq!(link.identity().divisor, DIVISOR);
    let stream: Vec<u8> = (0..2000u32).map(|i| ((i * i) >> 3) as u8).collect();
    let (mut sent, mut output) = (0, Vec::new());
    while output.len() < stream.len() {
        sent += link.offer(&stream[sent..]);
        link.exchange().unwrap();
        output.extend(link.take_output());
    }
    assert_eq!(output, expected(&stream));
}

#[test]
fn a_board_that_is_unplugged_in_the_middle_is_gone_and_another_works() {
    let _desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut board = plugged();
    let mut link = open(&board);
    link.offer(&[1, 2, 3]);
    link.exchange().unwrap();
    board.unplug().unwrap();
    let begin = Instant::now();
    let error = loop {
        link.offer(&[4]);
        if let Err(error) = link.exchange() {
            break error;
        }
    };
    assert!(matches!(error, LinkError::Gone { .. }), "{error}");
    assert!(error.to_string().contains("plug it in and run again"));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // A board that comes later is none the worse.
    let again = plugged();
    assert_eq!(open(&again).identity().divisor, DIVISOR);
}
