//! What the board's LEDs say (docs/board.md).

use quern_isa::standalone::{Fault, NO_CLASS};
use quern_isa::MachineError;

const HEARTBEAT: u8 = 0x01;
const RUN: u8 = 0x02;
const DAMAGED: u8 = 0x04;
const ERROR: u8 = 0x08;
const CODE_SHIFT: u32 = 4;

/// Without the one that blinks anyway.
pub fn steady(leds: u8) -> u8 {
    leds & !HEARTBEAT
}

/// LED 7 first.
pub fn picture(leds: u8) -> String {
    let lights = (0..8).rev().map(|led| match leds >> led & 1 {
        1 => '●',
        _ => '○',
    });
    lights.collect()
}

/// The LEDs after a run from flash whose class is this, if it has one.
pub fn of_class(class: Option<u8>) -> u8 {
    HEARTBEAT | class.unwrap_or(NO_CLASS) << CODE_SHIFT
}

pub fn meaning(leds: u8) -> String {
    let code = leds >> CODE_SHIFT;
    let mut text = match (leds & ERROR != 0, leds & RUN != 0, code) {
        (true, ..) => match Fault::of_error(code) {
            Some(fault) => fault.to_string(),
            None => MachineError::core(code).to_string(),
        },
        (_, true, _) => "at work".to_owned(),
        (.., NO_CLASS) => "the program in flash waits for input".to_owned(),
        (.., 0) => "idle, or class 0".to_owned(),
        (.., class) => format!("class {class}"),
    };
    if leds & DAMAGED != 0 {
        text += "; a damaged frame has come";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_the_manual_are_told_apart() {
        for (leds, expected) in [
            (0xF0, "the program in flash waits for input"),
            (0x70, "class 7"),
            (0x00, "idle, or class 0"),
            (0x02, "at work"),
            (0x98, "there is no program in the flash"),
            (0xB8, "the program in the flash is damaged"),
            (
                0x1A,
                "the core reports error 1: the stream holds an illegal instruction",
            ),
            (0x34, "class 3; a damaged frame has come"),
        ] {
            assert_eq!(meaning(leds | HEARTBEAT), expected);
        }
        assert_eq!(picture(of_class(Some(5))), "○●○●○○○●");
        assert_eq!(steady(of_class(None)), 0xF0);
    }
}
