//! Finds boards among the serial ports.

use crate::LinkError;
use serialport::{SerialPortType, UsbPortInfo};

/// The FT2232H on the board. Its channel A writes the flash, channel B is the serial line.
pub const USB_VENDOR: u16 = 0x0403;
pub const USB_PRODUCT: u16 = 0x6010;
const SERIAL_CHANNEL: u8 = 1;

/// A serial port that may belong to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As `--on board:PORT` takes it.
    pub port: String,
    pub product: String,
    pub serial_number: String,
}

/// The second channels of all FT2232H.
pub fn candidates() -> Result<Vec<Candidate>, LinkError> {
    let ports = serialport::available_ports().map_err(LinkError::List)?;
    let usb = ports.into_iter().filter_map(|port| match port.port_type {
        SerialPortType::UsbPort(usb) => Some((port.port_name, usb)),
        _ => None,
    });
    Ok(usb.filter_map(|(port, usb)| candidate(port, usb)).collect())
}

fn candidate(port: String, usb: UsbPortInfo) -> Option<Candidate> {
    let is_chip = (usb.vid, usb.pid) == (USB_VENDOR, USB_PRODUCT);
    // A system that does not tell channels apart lists both.
    let is_channel = usb
        .interface
        .is_none_or(|channel| channel == SERIAL_CHANNEL);
    (is_chip && is_channel).then(|| Candidate {
        port,
        product: usb.product.unwrap_or_default(),
        serial_number: usb.serial_number.unwrap_or_default(),
    })
}

/// The port to use when none was named: that of the only board, or the first.
pub fn find() -> Result<String, LinkError> {
    let first = candidates()?.into_iter().next();
    first
        .map(|candidate| candidate.port)
        .ok_or_else(|| LinkError::NoBoard {
            usb_id: format!("{USB_VENDOR:04x}:{USB_PRODUCT:04x}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_channel_of_the_right_chip_is_a_board() {
        let usb = |vid, pid, interface| UsbPortInfo {
            vid,
            pid,
            serial_number: Some("FT1".into()),
            manufacturer: None,
            product: Some("Alchitry Cu".into()),
            interface,
        };
        let found = |usb| candidate("/dev/ttyUSB1".into(), usb).map(|found| found.port);
        let port = Some("/dev/ttyUSB1".to_owned());
        assert_eq!(found(usb(0x0403, 0x6010, Some(1))), port);
        assert_eq!(found(usb(0x0403, 0x6010, None)), port);
        assert_eq!(found(usb(0x0403, 0x6010, Some(0))), None);
        assert_eq!(found(usb(0x0403, 0x6001, Some(1))), None);
        assert_eq!(found(usb(0x1234, 0x6010, Some(1))), None);
    }
}
