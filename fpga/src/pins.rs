//! Where the top module's ports are on the Alchitry Cu, and the constraint file
//! (PCF) that tells nextpnr.
//!
//! Clock and LEDs come from the board support crate, the others from the schematic
//! of the Alchitry Cu V1. There the serial lines are named from the USB chip's side;
//! here from the FPGA's.

use rust_hdl::core::constraint::{Constraint, PinConstraint};
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Hertz at the `clock` pin.
pub const CLOCK_HZ: u64 = rust_hdl_bsp_alchitry_cu::pins::CLOCK_SPEED_100MHZ;

/// nextpnr's names for the FPGA and its package.
pub const DEVICE: &str = "hx8k";
pub const PACKAGE: &str = "cb132";

/// A port of the top module, or one bit of it, at a ball of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// As in Verilog: `tx`, `leds[3]`.
    pub port: String,
    pub ball: String,
    /// Whether the FPGA's own pull-up resistor holds the pin high when nothing drives
    /// it: a button, and a serial line whose cable is not plugged in.
    pub pull_up: bool,
}

/// Every port of the top module.
pub fn pins() -> Vec<Pin> {
    let input = |port: &str, ball: &str| Pin {
        port: port.into(),
        ball: ball.into(),
        pull_up: true,
    };
    let board = |port: String, ball: String| Pin {
        port,
        ball,
        pull_up: false,
    };
    let mut pins: Vec<Pin> = balls(&rust_hdl_bsp_alchitry_cu::pins::clock())
        .into_iter()
        .map(|(_, ball)| board("board_clock".into(), ball))
        .collect();
    pins.push(input("reset_n", "P8"));
    pins.push(input("rx", "P14"));
    pins.push(board("tx".into(), "M9".into()));
    pins.extend(
        balls(&rust_hdl_bsp_alchitry_cu::pins::leds())
            .into_iter()
            .map(|(bit, ball)| board(format!("leds[{bit}]"), ball)),
    );
    pins
}

/// The constraint file for nextpnr.
pub fn pcf() -> String {
    let mut text = String::from("# Alchitry Cu V1\n");
    for Pin {
        port,
        ball,
        pull_up,
    } in pins()
    {
        let option = if pull_up { "-pullup yes " } else { "" };
        let _ = writeln!(text, "set_io {option}{port} {ball}");
    }
    text
}

fn balls(signal: &dyn Atom) -> Vec<(usize, String)> {
    signal
        .constraints()
        .into_iter()
        .filter_map(|PinConstraint { index, constraint }| match constraint {
            Constraint::Location(ball) => Some((index, ball)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_port_has_one_ball_and_no_ball_two_ports() {
        let pins = pins();
        assert_eq!(pins.len(), 12);
        let ports: HashSet<_> = pins.iter().map(|pin| &pin.port).collect();
        let balls: HashSet<_> = pins.iter().map(|pin| &pin.ball).collect();
        assert_eq!((ports.len(), balls.len()), (12, 12));
    }

    #[test]
    fn the_constraint_file_names_clock_and_leds_as_the_board_crate_does() {
        let text = pcf();
        for line in [
            "set_io board_clock P7",
            "set_io -pullup yes reset_n P8",
            "set_io -pullup yes rx P14",
            "set_io tx M9",
            "set_io leds[0] J11",
            "set_io leds[7] N14",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
