//! A board that is not what was expected is refused with a sentence that says what to do.

use quern_board::{encode, Board, Decoder, Expected, Link, Pace, Transport};
use quern_isa::link::{
    Identity, NOTHING_ACKNOWLEDGED, PROTOCOL_VERSION, STATE_ATTACHED, STATE_IDLE, TAG_MASK,
};
use quern_isa::{CU, ISA_VERSION, TINY};
use std::io;
use std::time::Duration;

const CLOCK_HZ: u32 = 100_000_000;
const DIVISOR: u16 = 6;
const DESIGN: u32 = 0x0DE5_1617;

/// Answers every frame as a board does that was just restarted.
struct JustRestarted {
    identity: Identity,
    decoder: Decoder,
    answers: Vec<u8>,
}

impl Transport for JustRestarted {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            if let Some(content) = self.decoder.push(byte) {
                let state = STATE_ATTACHED | STATE_IDLE | content[0] & TAG_MASK;
                let header = [0, 0, NOTHING_ACKNOWLEDGED, state];
                let answer = [&header[..], &self.identity.to_bytes()].concat();
                self.answers.extend(encode(&answer));
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut Vec<u8>, _: Duration) -> io::Result<()> {
        bytes.append(&mut self.answers);
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn pace(&self) -> Pace {
        Pace::HARDWARE
    }

    fn name(&self) -> &str {
        "a port"
    }
}

/// What the host says to a board that is not the one it expects.
fn refusal(identity: Identity, baud: Option<u32>) -> String {
    let link = Link::open(JustRestarted {
        identity,
        decoder: Decoder::default(),
        answers: Vec::new(),
    });
    let expected = Expected {
        config: CU,
        design: Some(DESIGN),
        baud,
    };
    match Board::new(link.unwrap(), &expected) {
        Ok(_) => "welcome".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_board_of_another_kind_is_refused_with_what_to_do() {
    let good = Identity::new(&CU, DESIGN, CLOCK_HZ, DIVISOR);
    assert_eq!(refusal(good, None), "welcome");
    let rate = CLOCK_HZ / u32::from(DIVISOR);
    assert_eq!(refusal(good, Some(rate)), "welcome");
    let newer = format!("version {} of the link's protocol", PROTOCOL_VERSION + 1);
    let cases = [
        (
            Identity {
                protocol: PROTOCOL_VERSION + 1,
                ..good
            },
            None,
            [&*newer, "build and flash"],
        ),
        (
            Identity {
                isa: ISA_VERSION + 1,
                ..good
            },
            None,
            ["instruction set version", "build and flash"],
        ),
        (
            Identity {
                fingerprint: TINY.fingerprint(),
                ..good
            },
            None,
            ["is not configuration `cu`", "build and flash"],
        ),
        (
            Identity {
                design: DESIGN + 1,
                ..good
            },
            None,
            ["is of another design", "build and flash it again"],
        ),
        // 3 % away: it still talks, and would not with a warmer oscillator.
        (
            good,
            Some(rate + rate / 33),
            ["clock of 100.000 MHz", "--baud 16666667"],
        ),
        (
            Identity {
                clock_hz: 0,
                ..good
            },
            Some(rate),
            ["clock of 0.000 MHz", "build and flash"],
        ),
    ];
    for (identity, baud, says) in cases {
        let refusal = refusal(identity, baud);
        for part in says {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
    }
}
