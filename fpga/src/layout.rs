//! What belongs to which unit in a placed design: logic cells, block RAMs, and the
//! slowest path.
//!
//! Yosys names a cell after the wire it drives, and a wire's name begins with the path of
//! the unit that declares it (`board_core.core.matrix.column_0...`); nextpnr keeps the
//! name. So a cell's unit is the beginning of its name.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Names below the board's core that tell units apart: `core.matrix`, `link.receiver`.
const DEPTH: usize = 2;

/// What stands in front of every unit's name, and is left out.
const ROOT: &str = "board_core";

/// Cells of no unit: of the top module itself.
const TOP: &str = "top";

/// nextpnr's prefix for cells it adds at the ends of carry chains.
const ADDED: &str = "$nextpnr";

/// Where a cell is: tile column and row, and the place in the tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub x: u8,
    pub y: u8,
    /// Of a logic tile's eight cells.
    pub z: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Logic,
    Ram,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub kind: Kind,
    pub unit: String,
    pub place: Place,
}

/// Every logic cell and block RAM of a placed design, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub cells: Vec<Cell>,
}

/// What a unit takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitUse {
    pub unit: String,
    pub lcs: usize,
    pub brams: usize,
}

impl Layout {
    /// Reads the JSON that nextpnr writes of a placed design; none if it has another
    /// form.
    pub fn parse(json: &str) -> Option<Layout> {
        let design: Value = serde_json::from_str(json).ok()?;
        let mut cells = Vec::new();
        for module in design.get("modules")?.as_object()?.values() {
            // Black boxes of Yosys' library stand beside the design.
            let Some(placed) = module.get("cells").and_then(Value::as_object) else {
                continue;
            };
            for (name, cell) in placed {
                let kind = match cell.get("type")?.as_str()? {
                    "ICESTORM_LC" => Kind::Logic,
                    "ICESTORM_RAM" => Kind::Ram,
                    _ => continue,
                };
                let Some(bel) = cell.pointer("/attributes/NEXTPNR_BEL") else {
                    continue;
                };
                cells.push(Cell {
                    kind,
                    unit: match name.starts_with(ADDED) {
                        true => String::new(),
                        false => unit_of(name),
                    },
                    place: Place::parse(bel.as_str()?)?,
                });
            }
        }
        cells.sort_by_key(|cell| cell.place);
        let mut layout = Layout { cells };
        layout.adopt();
        Some(layout)
    }

    /// A cell that nextpnr added belongs to the carry chain beside it: one at a tile's
    /// first place leads into a chain, any other out of one.
    fn adopt(&mut self) {
        for index in 0..self.cells.len() {
            let cell = &self.cells[index];
            if !cell.unit.is_empty() {
                continue;
            }
            let neighbour = match cell.place.z {
                0 => self.cells.get(index + 1),
                _ => self.cells.get(index.wrapping_sub(1)),
            };
            let same_tile = |other: &&Cell| {
                (other.place.x, other.place.y) == (cell.place.x, cell.place.y)
                    && !other.unit.is_empty()
            };
            let unit = neighbour.filter(same_tile).map(|other| other.unit.clone());
            self.cells[index].unit = unit.unwrap_or_else(|| TOP.into());
        }
    }

    /// The largest unit first.
    pub fn units(&self) -> Vec<UnitUse> {
        let mut units: BTreeMap<&str, UnitUse> = BTreeMap::new();
        for cell in &self.cells {
            let unit = units.entry(&cell.unit).or_insert_with(|| UnitUse {
                unit: cell.unit.clone(),
                lcs: 0,
                brams: 0,
            });
            match cell.kind {
                Kind::Logic => unit.lcs += 1,
                Kind::Ram => unit.brams += 1,
            }
        }
        let mut units: Vec<UnitUse> = units.into_values().collect();
        units.sort_by_key(|unit| Reverse((unit.lcs, unit.brams)));
        units
    }
}

impl Place {
    /// `X12/Y15/lc6`, `X8/Y3/ram`.
    fn parse(bel: &str) -> Option<Place> {
        let mut parts = bel.split('/');
        let x = parts.next()?.strip_prefix('X')?.parse().ok()?;
        let y = parts.next()?.strip_prefix('Y')?.parse().ok()?;
        let z = match parts.next()? {
            "ram" => 0,
            cell => cell.strip_prefix("lc")?.parse().ok()?,
        };
        Some(Place { x, y, z })
    }
}

/// The unit that a cell belongs to by its name.
pub fn unit_of(cell: &str) -> String {
    let path = cell.rsplit_once('.').map_or("", |(path, _)| path);
    let inside = match path.strip_prefix(ROOT) {
        Some(rest) => rest.strip_prefix('.').unwrap_or(rest),
        None => path,
    };
    let names: Vec<&str> = inside.split('.').take(DEPTH).collect();
    match names.join(".") {
        unit if unit.is_empty() => TOP.into(),
        unit => unit,
    }
}

/// A stretch of a path inside one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    pub unit: String,
    /// Wires on the way to the unit's cells, and between them.
    pub routing_ns: f64,
    pub logic_ns: f64,
    /// Its last cell.
    pub cell: String,
    /// The tiles it passes.
    pub tiles: Vec<(u8, u8)>,
}

/// The path that limits the clock, out of nextpnr's `--report` file; none if it has
/// another form.
pub fn critical_path(json: &str) -> Option<Vec<Stretch>> {
    let report: Value = serde_json::from_str(json).ok()?;
    let delay = |path: &Value| {
        let steps = path.get("path")?.as_array()?;
        let delays = steps.iter().map(|step| step.get("delay")?.as_f64());
        delays.sum::<Option<f64>>()
    };
    // Paths from and to pins have no clock to meet.
    let clocked = |path: &&Value| {
        let end = |name: &str| path.get(name).and_then(Value::as_str);
        matches!((end("from"), end("to")), (Some(a), Some(b)) if a.contains("edge ") && b.contains("edge "))
    };
    let paths = report.get("critical_paths")?.as_array()?;
    let slowest = paths.iter().filter(clocked).max_by(|a, b| {
        delay(a)
            .partial_cmp(&delay(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut stretches: Vec<Stretch> = Vec::new();
    let Some(slowest) = slowest else {
        return Some(stretches);
    };
    for step in slowest.get("path")?.as_array()? {
        let to = step.get("to")?;
        let cell = to.get("cell")?.as_str()?;
        let delay_ns = step.get("delay")?.as_f64()?;
        let coordinate = |i| Some(to.get("loc")?.get(i)?.as_u64()? as u8);
        let tile = (coordinate(0)?, coordinate(1)?);
        // A cell that nextpnr added belongs to the chain it is in.
        let unit = match (cell.starts_with(ADDED), stretches.last()) {
            (true, Some(last)) => last.unit.clone(),
            _ => unit_of(cell),
        };
        if stretches.last().is_none_or(|last| last.unit != unit) {
            stretches.push(Stretch {
                unit,
                routing_ns: 0.0,
                logic_ns: 0.0,
                cell: String::new(),
                tiles: Vec::new(),
            });
        }
        let last = stretches.last_mut().expect("there is one");
        match step.get("type")?.as_str()? {
            "routing" => last.routing_ns += delay_ns,
            _ => last.logic_ns += delay_ns,
        }
        cell.clone_into(&mut last.cell);
        if last.tiles.last() != Some(&tile) {
            last.tiles.push(tile);
        }
    }
    Some(stretches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(kind: Kind, unit: &str, x: u8, y: u8, z: u8) -> Cell {
        Cell {
            kind,
            unit: unit.into(),
            place: Place { x, y, z },
        }
    }

    #[test]
    fn cells_are_read_with_their_units_and_places() {
        let json = r#"{"modules": {"SB_LUT4": {}, "alchitry_cu": {"cells": {
            "board_core.core.matrix.column_0.lane_1.x_SB_LUT4_O_LC":
                {"type": "ICESTORM_LC", "attributes": {"NEXTPNR_BEL": "X3/Y4/lc1"}},
            "$nextpnr_ICESTORM_LC_7":
                {"type": "ICESTORM_LC", "attributes": {"NEXTPNR_BEL": "X3/Y4/lc0"}},
            "$nextpnr_ICESTORM_LC_8":
                {"type": "ICESTORM_LC", "attributes": {"NEXTPNR_BEL": "X3/Y4/lc2"}},
            "board_core.core.weights.memory.0.0":
                {"type": "ICESTORM_RAM", "attributes": {"NEXTPNR_BEL": "X8/Y11/ram"}},
            "leds_SB_LUT4_O_LC":
                {"type": "ICESTORM_LC", "attributes": {"NEXTPNR_BEL": "X1/Y1/lc7"}},
            "leds[0]$sb_io":
                {"type": "SB_IO", "attributes": {"NEXTPNR_BEL": "X33/Y16/io1"}}}}}}"#;
        let layout = Layout::parse(json).unwrap();
        let expected = [
            cell(Kind::Logic, "top", 1, 1, 7),
            cell(Kind::Logic, "core.matrix", 3, 4, 0),
            cell(Kind::Logic, "core.matrix", 3, 4, 1),
            cell(Kind::Logic, "core.matrix", 3, 4, 2),
            cell(Kind::Ram, "core.weights", 8, 11, 0),
        ];
        assert_eq!(layout.cells, expected);
        let counts = |unit: &UnitUse| (unit.unit.clone(), unit.lcs, unit.brams);
        let units: Vec<_> = layout.units().iter().map(counts).collect();
        assert_eq!(
            units,
            [
                ("core.matrix".to_owned(), 3, 0),
                ("top".to_owned(), 1, 0),
                ("core.weights".to_owned(), 0, 1)
            ]
        );
        assert_eq!(Layout::parse("[]"), None);
    }

    #[test]
    fn the_slowest_path_is_cut_where_it_enters_another_unit() {
        let json = r#"{"critical_paths": [
            {"from": "posedge clock", "to": "posedge clock", "path": [
                {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "board_core.core.a.b.q_LC", "loc": [1, 2]}},
                {"type": "routing", "delay": 1.0, "to": {"cell": "board_core.core.c.d_LC", "loc": [1, 3]}},
                {"type": "logic", "delay": 0.25, "to": {"cell": "board_core.core.c.d_LC", "loc": [1, 3]}},
                {"type": "setup", "delay": 0.25, "to": {"cell": "$nextpnr_ICESTORM_LC_1", "loc": [1, 4]}}]},
            {"from": "<async>", "to": "posedge clock", "path": [
                {"type": "routing", "delay": 9.0, "to": {"cell": "x", "loc": [0, 0]}}]}]}"#;
        let path = critical_path(json).unwrap();
        let short: Vec<_> = path
            .iter()
            .map(|stretch| (&*stretch.unit, stretch.routing_ns, stretch.logic_ns))
            .collect();
        assert_eq!(short, [("core.a", 0.0, 0.5), ("core.c", 1.0, 0.5)]);
        assert_eq!(path[1].tiles, [(1, 3), (1, 4)]);
        assert_eq!(critical_path("{}"), None);
    }
}
