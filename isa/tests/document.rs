//! `docs/isa.md` says what the code does: its generated tables are the ones this
//! test computes. `UPDATE_DOCS=1` rewrites them.

use quern_isa::*;
use std::fmt::Write;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/isa.md");

#[test]
fn the_isa_document_matches_the_code() {
    let written = std::fs::read_to_string(DOCUMENT).unwrap();
    let mut expected = written.clone();
    for (name, table) in [
        ("configurations", configurations()),
        ("instructions", instructions()),
        ("errors", errors()),
        ("counters", counters()),
    ] {
        let marker = format!("<!-- generated: {name} -->\n");
        let start = expected.find(&marker).expect("marker is there") + marker.len();
        let end = start
            + expected[start..]
                .find("<!-- end -->")
                .expect("end is there");
        expected.replace_range(start..end, &table);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCUMENT, expected).unwrap();
    } else {
        assert!(
            written == expected,
            "docs/isa.md is out of date: run UPDATE_DOCS=1 cargo test -p quern-isa --test document"
        );
    }
}

fn configurations() -> String {
    let mut table = String::from("| |");
    CONFIGS
        .iter()
        .for_each(|c| write!(table, " `{}` |", c.name).unwrap());
    table.push_str("\n|---|");
    CONFIGS.iter().for_each(|_| table.push_str("---|"));
    table.push('\n');
    type Row = (&'static str, fn(&Config) -> String);
    let rows: [Row; 12] = [
        ("lanes × columns", |c| {
            format!("{} × {}", c.lanes, c.columns)
        }),
        ("accumulator bits", |c| c.accumulator_bits.to_string()),
        ("activation words", |c| c.activation_words.to_string()),
        ("weight rows", |c| c.weight_rows.to_string()),
        ("accumulator words", |c| c.accumulator_words.to_string()),
        ("parameter words", |c| c.parameter_words.to_string()),
        ("parameter word, bytes", |c| {
            ChannelParameters::bytes(c).to_string()
        }),
        ("requantiser rows Q", |c| c.requantise_rows.to_string()),
        ("vector lanes V", |c| c.vector_lanes.to_string()),
        ("stream bytes S", |c| c.stream_bytes.to_string()),
        ("clock, MHz", |c| (c.clock_hz / 1_000_000).to_string()),
        ("fingerprint", |c| format!("{:#06x}", c.fingerprint())),
    ];
    for (name, value) in rows {
        write!(table, "| {name} |").unwrap();
        CONFIGS
            .iter()
            .for_each(|c| write!(table, " {} |", value(c)).unwrap());
        table.push('\n');
    }
    table
}

/// Finds each field's bytes by encoding the instruction with only it changed.
fn instructions() -> String {
    let mut table = String::from(
        "| instruction | byte 0 | byte 1, low half | bytes 2 to 15 |\n|---|---|---|---|\n",
    );
    for (name, zero, fields) in rows() {
        let base = zero.encode(Waits::NONE);
        let (mut modifier, mut rest) = (Vec::new(), Vec::new());
        for (field, instruction) in fields {
            let bytes = instruction.encode(Waits::NONE);
            let changed: Vec<usize> = (0..16).filter(|&i| bytes[i] != base[i]).collect();
            match changed[..] {
                [1] => modifier.push(field.to_string()),
                [first] => rest.push(format!("{first} {field}")),
                [first, last] => rest.push(format!("{first}–{last} {field}")),
                _ => panic!("{name}.{field} is in bytes {changed:?}"),
            }
        }
        writeln!(
            table,
            "| {name} | {} | {} | {} |",
            base[0],
            modifier.join(", "),
            rest.join(", ")
        )
        .unwrap();
    }
    table
}

type Row = (&'static str, Instruction, Vec<(&'static str, Instruction)>);

/// Each instruction with all fields zero, and with each of them changed.
fn rows() -> Vec<Row> {
    /// Rows of one struct: the fields that differ from zero, one by one.
    macro_rules! row {
        ($name:literal, $kind:ident { $($zero:ident: $none:expr),* }, $($text:expr => $field:ident: $value:expr),*) => {{
            let zero = $kind { $($zero: $none),* };
            let fields = vec![$(($text, Instruction::$kind($kind { $field: $value, ..zero }))),*];
            ($name, Instruction::$kind(zero), fields)
        }};
    }
    const ONES: u16 = u16::MAX;
    let begin = |version, fingerprint| Instruction::Begin {
        version,
        fingerprint,
    };
    let load = |space, address, count| Instruction::Load {
        space,
        address,
        count,
    };
    let store = |source, address, count| Instruction::Store {
        source,
        address,
        count,
    };
    vec![
        (
            "begin",
            begin(0, 0),
            vec![
                ("version (the whole byte)", begin(255, 0)),
                ("fingerprint", begin(0, ONES)),
            ],
        ),
        (
            "load",
            load(Space::Activations, 0, 0),
            vec![
                (
                    "memory: 0 activations, 1 weights, 2 parameters, 3 table, 4 lookup",
                    load(Space::Lookup, 0, 0),
                ),
                ("address", load(Space::Activations, ONES, 0)),
                ("count", load(Space::Activations, 0, ONES)),
            ],
        ),
        row!("matrix", Matrix {
                accumulate: false, accumulator: 0, activation: 0, weight: 0, inner: 0, outer: 0
            },
            "accumulate" => accumulate: true, "accumulator" => accumulator: ONES,
            "activation" => activation: ONES, "weight" => weight: ONES,
            "inner" => inner: ONES, "outer" => outer: ONES),
        row!("activate", Activate {
                table: false, accumulator: 0, activation: 0, parameter: 0, columns: 0, lane: 0
            },
            "table" => table: true, "accumulator" => accumulator: ONES,
            "activation" => activation: ONES, "parameter" => parameter: ONES,
            "columns" => columns: 255, "lane" => lane: 255),
        (
            "store",
            store(Source::Activations, 0, 0),
            vec![
                (
                    "source: 0 activations, 1 accumulators, 2 counters",
                    store(Source::Counters, 0, 0),
                ),
                ("address", store(Source::Activations, ONES, 0)),
                ("count", store(Source::Activations, 0, ONES)),
            ],
        ),
        ("halt", Instruction::Halt, vec![]),
        row!("pattern", Pattern {
                x_count: 0, x_stride: 0, y_count: 0, y_stride: 0, inner_stride: 0, outer_stride: 0
            },
            "x_count" => x_count: ONES, "x_stride" => x_stride: ONES,
            "y_count" => y_count: ONES, "y_stride" => y_stride: ONES,
            "inner_stride" => inner_stride: ONES, "outer_stride" => outer_stride: ONES),
        row!("target", Target { x_count: 0, x_stride: 0, y_count: 0, y_stride: 0, low: 0, high: 0 },
            "x_count" => x_count: ONES, "x_stride" => x_stride: ONES,
            "y_count" => y_count: ONES, "y_stride" => y_stride: ONES,
            "low" => low: 255, "high" => high: 255),
        row!("vector", Vector {
                combine: Combine::Sum, table: false, even_code: false, activation: 0, source: 0,
                parameter: 0, inner: 0, outer: 0, columns: 0, source_lane: 0, lane: 0,
                zero_points: [0, 0]
            },
            "combine: 0 sum, 1 maximum, 2 lookup, 3 product" => combine: Combine::Product,
            "4 for table" => table: true, "8 for even_code" => even_code: true,
            "source" => source: ONES, "activation" => activation: ONES,
            "parameter" => parameter: ONES, "inner" => inner: ONES, "outer" => outer: 255,
            "source_lane" => source_lane: 255, "columns" => columns: 255, "lane" => lane: 255,
            "zero_points" => zero_points: [255, 255]),
    ]
}

fn errors() -> String {
    let mut table = String::from("| code | meaning |\n|---|---|\n");
    for code in [ERROR_ILLEGAL, ERROR_MISMATCH] {
        let MachineError::Core { meaning, .. } = MachineError::core(code) else {
            unreachable!("core errors are `Core`")
        };
        writeln!(table, "| {code} | {meaning} |").unwrap();
    }
    table
}

/// Reads the order off `words`.
fn counters() -> String {
    let mut table = String::from("| word | counter |\n|---|---|\n");
    let words = Counters {
        cycles: 0,
        input_stalls: 1,
        output_stalls: 2,
        matrix_cycles: 3,
    }
    .words();
    let names = [
        "cycles",
        "input stalls: a beat was wanted and none was valid",
        "output stalls: a beat was valid and not taken",
        "matrix cycles: a position entered the array",
    ];
    for (word, value) in words.into_iter().enumerate() {
        writeln!(table, "| {word} | {} |", names[value as usize]).unwrap();
    }
    table
}
