//! A placed design as a picture: every logic cell in its place, coloured by the unit it
//! belongs to, and the slowest path through them.

use crate::layout::{Kind, Layout, Place, Stretch};
use svg::node::element::path::Data;
use svg::node::element::{Circle, Group, Path, Polyline, Rectangle, Text, Title};
use svg::node::Text as Characters;
use svg::Document;

/// Tiles of the HX8K along each edge, the pins' tiles around it included.
const TILES: usize = 34;
/// Side of a tile, of which the last bit stays free.
const TILE: f64 = 20.0;
const CELL_WIDTH: f64 = 9.0;
const CELL_HEIGHT: f64 = 4.0;
const CELLS_IN_COLUMN: u8 = 4;
/// A block RAM is two tiles high.
const RAM_HEIGHT: f64 = 2.0 * TILE - 3.0;
const MARGIN: f64 = 16.0;
const HEADER: f64 = 40.0;
const LEGEND_WIDTH: f64 = 330.0;
const LEGEND_LINE: f64 = 19.0;

/// Units that have a colour of their own; the small rest shares a grey.
const COLOURS: [&str; 14] = [
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7",
    "#9c755f", "#1b9e77", "#7570b3", "#a6761d", "#66a61e", "#c51b7d",
];
const GREY: &str = "#9aa0a6";
const FREE: &str = "#eef0f2";

/// The picture as an SVG document. `title` stands above it.
pub fn svg(title: &str, layout: &Layout, critical_path: &[Stretch]) -> String {
    let units = layout.units();
    let colour = |unit: &str| {
        let rank = units.iter().position(|use_| use_.unit == unit);
        rank.and_then(|rank| COLOURS.get(rank))
            .copied()
            .unwrap_or(GREY)
    };
    let side = TILES as f64 * TILE;
    let (width, height) = (side + LEGEND_WIDTH + 2.0 * MARGIN, side + HEADER + MARGIN);
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "sans-serif")
        .set("font-size", 13)
        .add(rectangle(0.0, 0.0, width, height, "#ffffff"))
        .add(label(MARGIN, 26.0, title).set("font-size", 16))
        .add(free_tiles());
    for unit in &units {
        let mut data = Data::new();
        for cell in layout.cells.iter().filter(|cell| cell.unit == unit.unit) {
            let (x, y, width, height) = outline(cell.kind, cell.place);
            data = data
                .move_to((x, y))
                .horizontal_line_by(width)
                .vertical_line_by(height)
                .horizontal_line_by(-width)
                .close();
        }
        let about = format!(
            "{}: {} logic cells, {} block RAMs",
            unit.unit, unit.lcs, unit.brams
        );
        document = document.add(
            Path::new()
                .set("fill", colour(&unit.unit))
                .set("d", data)
                .add(Title::new(about)),
        );
    }
    document = document.add(path_line(critical_path));
    let left = side + 2.0 * MARGIN;
    for (line, unit) in units.iter().enumerate() {
        let y = HEADER + 10.0 + LEGEND_LINE * line as f64;
        let rams = match unit.brams {
            0 => String::new(),
            count => format!(" + {count} RAM"),
        };
        let text = format!("{}  {}{rams}", unit.unit, unit.lcs);
        document = document
            .add(rectangle(left, y, 12.0, 12.0, colour(&unit.unit)))
            .add(label(left + 20.0, y + 11.0, &text));
    }
    document.to_string()
}

/// The logic tiles with their eight places, and the columns of block RAMs.
fn free_tiles() -> Group {
    let inner = 1..TILES as u8 - 1;
    let tiles = inner
        .clone()
        .flat_map(|x| inner.clone().map(move |y| (x, y)));
    let mut data = Data::new();
    for (x, y) in tiles {
        let (x, y) = corner(x, y);
        data = data
            .move_to((x, y))
            .horizontal_line_by(TILE - 1.0)
            .vertical_line_by(TILE - 1.0)
            .horizontal_line_by(1.0 - TILE)
            .close();
    }
    Group::new().add(Path::new().set("fill", FREE).set("d", data))
}

/// Left upper corner of a tile; row 0 is at the bottom.
fn corner(x: u8, y: u8) -> (f64, f64) {
    let row = TILES as f64 - 1.0 - f64::from(y);
    (MARGIN + f64::from(x) * TILE, HEADER + row * TILE)
}

/// Left, upper edge, width and height of a cell.
fn outline(kind: Kind, place: Place) -> (f64, f64, f64, f64) {
    let (x, y) = corner(place.x, place.y);
    match kind {
        Kind::Ram => (x + 1.0, y - TILE + 1.0, TILE - 3.0, RAM_HEIGHT),
        Kind::Logic => {
            let column = f64::from(place.z / CELLS_IN_COLUMN);
            let row = f64::from(CELLS_IN_COLUMN - 1 - place.z % CELLS_IN_COLUMN);
            (
                x + column * (CELL_WIDTH + 0.5),
                y + row * (CELL_HEIGHT + 0.75),
                CELL_WIDTH,
                CELL_HEIGHT,
            )
        }
    }
}

fn path_line(critical_path: &[Stretch]) -> Group {
    let centres: Vec<(f64, f64)> = critical_path
        .iter()
        .flat_map(|stretch| &stretch.tiles)
        .map(|&(x, y)| {
            let (x, y) = corner(x, y);
            (x + TILE / 2.0, y + TILE / 2.0)
        })
        .collect();
    let points: Vec<String> = centres.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let line = Polyline::new()
        .set("points", points.join(" "))
        .set("fill", "none")
        .set("stroke", "#000000")
        .set("stroke-width", 2)
        .set("stroke-linejoin", "round");
    let mut group = Group::new().add(Title::new("critical path")).add(line);
    for (x, y) in centres {
        group = group.add(Circle::new().set("cx", x).set("cy", y).set("r", 3));
    }
    group
}

fn rectangle(x: f64, y: f64, width: f64, height: f64, colour: &str) -> Rectangle {
    Rectangle::new()
        .set("x", x)
        .set("y", y)
        .set("width", width)
        .set("height", height)
        .set("fill", colour)
}

fn label(x: f64, y: f64, text: &str) -> Text {
    let text: &str = text;
    Text::new("")
        .set("x", x)
        .set("y", y)
        .add(Characters::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Cell;

    #[test]
    fn every_cell_is_drawn_inside_its_tile_and_apart_from_the_others() {
        let place = |z| outline(Kind::Logic, Place { x: 5, y: 7, z });
        let (left, top) = corner(5, 7);
        let cells: Vec<_> = (0..8).map(place).collect();
        for (i, &(x, y, w, h)) in cells.iter().enumerate() {
            assert!(x >= left && x + w < left + TILE && y >= top && y + h < top + TILE);
            for &(other_x, other_y, ..) in &cells[..i] {
                assert!((x - other_x).abs() >= w || (y - other_y).abs() >= h);
            }
        }
    }

    #[test]
    fn the_legend_names_each_unit_with_its_cells() {
        let cell = |kind, unit: &str, z| Cell {
            kind,
            unit: unit.into(),
            place: Place { x: 8, y: 1, z },
        };
        let layout = Layout {
            cells: vec![
                cell(Kind::Logic, "core.a<b", 0),
                cell(Kind::Logic, "core.a<b", 1),
                cell(Kind::Ram, "core.c", 0),
            ],
        };
        let text = svg("title", &layout, &[]);
        assert!(text.contains("core.a&lt;b  2"), "{text}");
        assert!(text.contains("core.c  0 + 1 RAM"), "{text}");
    }
}
