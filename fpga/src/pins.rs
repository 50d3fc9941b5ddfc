//! Where the top module's ports are on the Alchitry Cu, and the constraint file
//! (PCF) that tells nextpnr.
//!
//! Clock and the LEDs of V1 come from the board support crate, the others from the
//! boards' schematics. There the serial lines are named from the USB chip's side;
//! here from the FPGA's.

use rust_hdl::core::constraint::{Constraint, PinConstraint};
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Hertz at the `clock` pin.
pub const CLOCK_HZ: u64 = rust_hdl_bsp_alchitry_cu::pins::CLOCK_SPEED_100MHZ;

/// nextpnr's names for the FPGA and its package.
pub const DEVICE: &str = "hx8k";
pub const PACKAGE: &str = "cb132";

/// The two versions of the board. They differ in the balls of the LEDs and in the flash
/// chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Board {
    #[default]
    CuV1,
    CuV2,
}

impl Board {
    pub const ALL: [Board; 2] = [Board::CuV1, Board::CuV2];

    /// As in `--board`.
    pub fn name(self) -> &'static str {
        match self {
            Board::CuV1 => "cu-v1",
            Board::CuV2 => "cu-v2",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Board::CuV1 => "Alchitry Cu V1",
            Board::CuV2 => "Alchitry Cu V2",
        }
    }

    pub fn by_name(name: &str) -> Option<Board> {
        Board::ALL.into_iter().find(|board| board.name() == name)
    }

    /// LED 0 first.
    fn led_balls(self) -> Vec<String> {
        match self {
            Board::CuV1 => balls(&rust_hdl_bsp_alchitry_cu::pins::leds()),
            Board::CuV2 => ["J11", "K11", "G12", "H12", "K14", "J12", "L14", "K12"]
                .map(String::from)
                .to_vec(),
        }
    }
}

/// A port of the top module, or one bit of it, at a ball of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// As in Verilog: `tx`, `leds[3]`.
    pub port: String,
    pub ball: String,
    /// Whether the FPGA's own pull-up resistor holds the pin high when nothing drives
    /// it: a button, a serial line whose cable is not plugged in, a chip that is not selected.
    pub pull_up: bool,
}

/// Every port of the top module.
pub fn pins(board: Board) -> Vec<Pin> {
    let input = |port: &str, ball: &str| Pin {
        port: port.into(),
        ball: ball.into(),
        pull_up: true,
    };
    let driven = |port: String, ball: String| Pin {
        port,
        ball,
        pull_up: false,
    };
    let mut pins: Vec<Pin> = balls(&rust_hdl_bsp_alchitry_cu::pins::clock())
        .into_iter()
        .map(|ball| driven("board_clock".into(), ball))
        .collect();
    pins.push(input("reset_n", "P8"));
    pins.push(input("rx", "P14"));
    pins.push(driven("tx".into(), "M9".into()));
    pins.push(driven("flash_select_n".into(), "P13".into()));
    pins.push(driven("flash_clock".into(), "P12".into()));
    // MOSI and MISO, as long as the chip gives one bit a clock.
    pins.push(input("flash_data0", "M11"));
    pins.push(input("flash_data1", "P11"));
    let leds = board.led_balls().into_iter().enumerate();
    pins.extend(leds.map(|(bit, ball)| driven(format!("leds[{bit}]"), ball)));
    pins
}

/// The constraint file for nextpnr.
pub fn pcf(board: Board) -> String {
    let mut text = format!("# {}\n", board.title());
    for Pin {
        port,
        ball,
        pull_up,
    } in pins(board)
    {
        let option = if pull_up { "-pullup yes " } else { "" };
        let _ = writeln!(text, "set_io {option}{port} {ball}");
    }
    text
}

/// Where the ports are and nothing else, for tools that know no options.
pub fn places(board: Board) -> String {
    let lines = pins(board).into_iter();
    lines
        .map(|Pin { port, ball, .. }| format!("set_io {port} {ball}\n"))
        .collect()
}

/// In the order of their bits.
fn balls(signal: &dyn Atom) -> Vec<String> {
    let mut balls: Vec<(usize, String)> = signal
        .constraints()
        .into_iter()
        .filter_map(|PinConstraint { index, constraint }| match constraint {
            Constraint::Location(ball) => Some((index, ball)),
            _ => None,
        })
        .collect();
    balls.sort();
    balls.into_iter().map(|(_, ball)| ball).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_port_has_one_ball_and_no_ball_two_ports() {
        for board in Board::ALL {
            let pins = pins(board);
            assert_eq!(pins.len(), 16);
            let ports: HashSet<_> = pins.iter().map(|pin| &pin.port).collect();
            let balls: HashSet<_> = pins.iter().map(|pin| &pin.ball).collect();
            assert_eq!((ports.len(), balls.len()), (16, 16), "{board:?}");
        }
    }

    #[test]
    fn the_constraint_file_names_clock_and_leds_as_the_board_crate_does() {
        let text = pcf(Board::CuV1);
        for line in [
            "set_io board_clock P7",
            "set_io -pullup yes reset_n P8",
            "set_io -pullup yes rx P14",
            "set_io tx M9",
            "set_io flash_select_n P13",
            "set_io flash_clock P12",
            "set_io -pullup yes flash_data0 M11",
            "set_io -pullup yes flash_data1 P11",
            "set_io leds[0] J11",
            "set_io leds[7] N14",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_boards_differ_in_their_leds_alone() {
        let [one, two] = Board::ALL.map(pins);
        let differing = one.iter().zip(&two).filter(|(one, two)| one != two);
        let ports: Vec<&str> = differing.map(|(pin, _)| &*pin.port).collect();
        assert_eq!(ports, [2, 3, 4, 5, 6, 7].map(|i| format!("leds[{i}]")));
        assert!(pcf(Board::CuV2).contains("set_io leds[7] K12\n"));
    }
}
