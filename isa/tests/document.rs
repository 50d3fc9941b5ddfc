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
    let rows: [Row; 11] = [
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
    let mut table =
        String::from("| instruction | byte 0 | byte 1 | bytes 2 to 15 |\n|---|---|---|---|\n");
    let load = |space, address, count| Instruction::Load {
        space,
        address,
        count,
    };
    let zero_load = load(Space::Activations, 0, 0);
    let matrix = Matrix {
        accumulate: false,
        weight: 0,
        activation: 0,
        accumulator: 0,
        positions: 0,
        tiles: 0,
        position_stride: 0,
        tile_stride: 0,
    };
    let activate = Activate {
        table: false,
        accumulator: 0,
        activation: 0,
        positions: 0,
        position_stride: 0,
        parameter: 0,
        columns: 0,
        lane: 0,
        low: 0,
        high: 0,
    };
    let store = |source, address, count| Instruction::Store {
        source,
        address,
        count,
    };
    let ones = u16::MAX;
    let m = Instruction::Matrix;
    let a = Instruction::Activate;
    let rows = [
        (
            "begin",
            Instruction::Begin {
                version: 0,
                fingerprint: 0,
            },
            vec![
                (
                    "version",
                    Instruction::Begin {
                        version: 255,
                        fingerprint: 0,
                    },
                ),
                (
                    "fingerprint",
                    Instruction::Begin {
                        version: 0,
                        fingerprint: ones,
                    },
                ),
            ],
        ),
        (
            "load",
            zero_load,
            vec![
                (
                    "memory: 0 activations, 1 weights, 2 parameters, 3 table",
                    load(Space::Table, 0, 0),
                ),
                ("address", load(Space::Activations, ones, 0)),
                ("count", load(Space::Activations, 0, ones)),
            ],
        ),
        (
            "matrix",
            m(matrix),
            vec![
                (
                    "accumulate",
                    m(Matrix {
                        accumulate: true,
                        ..matrix
                    }),
                ),
                (
                    "accumulator",
                    m(Matrix {
                        accumulator: ones,
                        ..matrix
                    }),
                ),
                (
                    "positions",
                    m(Matrix {
                        positions: ones,
                        ..matrix
                    }),
                ),
                (
                    "position_stride",
                    m(Matrix {
                        position_stride: ones,
                        ..matrix
                    }),
                ),
                (
                    "activation",
                    m(Matrix {
                        activation: ones,
                        ..matrix
                    }),
                ),
                (
                    "weight",
                    m(Matrix {
                        weight: ones,
                        ..matrix
                    }),
                ),
                (
                    "tiles",
                    m(Matrix {
                        tiles: ones,
                        ..matrix
                    }),
                ),
                (
                    "tile_stride",
                    m(Matrix {
                        tile_stride: ones,
                        ..matrix
                    }),
                ),
            ],
        ),
        (
            "activate",
            a(activate),
            vec![
                (
                    "table",
                    a(Activate {
                        table: true,
                        ..activate
                    }),
                ),
                (
                    "accumulator",
                    a(Activate {
                        accumulator: ones,
                        ..activate
                    }),
                ),
                (
                    "positions",
                    a(Activate {
                        positions: ones,
                        ..activate
                    }),
                ),
                (
                    "position_stride",
                    a(Activate {
                        position_stride: ones,
                        ..activate
                    }),
                ),
                (
                    "activation",
                    a(Activate {
                        activation: ones,
                        ..activate
                    }),
                ),
                (
                    "parameter",
                    a(Activate {
                        parameter: ones,
                        ..activate
                    }),
                ),
                (
                    "columns",
                    a(Activate {
                        columns: 255,
                        ..activate
                    }),
                ),
                (
                    "lane",
                    a(Activate {
                        lane: 255,
                        ..activate
                    }),
                ),
                (
                    "low",
                    a(Activate {
                        low: 255,
                        ..activate
                    }),
                ),
                (
                    "high",
                    a(Activate {
                        high: 255,
                        ..activate
                    }),
                ),
            ],
        ),
        (
            "store",
            store(Source::Activations, 0, 0),
            vec![
                (
                    "source: 0 activations, 1 accumulators, 2 counters",
                    store(Source::Counters, 0, 0),
                ),
                ("address", store(Source::Activations, ones, 0)),
                ("count", store(Source::Activations, 0, ones)),
            ],
        ),
        ("halt", Instruction::Halt, vec![]),
    ];
    for (name, zero, fields) in rows {
        let base = zero.encode();
        let mut modifier = String::new();
        let mut rest = Vec::new();
        for (field, instruction) in fields {
            let bytes = instruction.encode();
            let changed: Vec<usize> = (0..16).filter(|&i| bytes[i] != base[i]).collect();
            match changed[..] {
                [1] => modifier = field.to_string(),
                [first] => rest.push(format!("{first} {field}")),
                [first, last] => rest.push(format!("{first}–{last} {field}")),
                _ => panic!("{name}.{field} is in bytes {changed:?}"),
            }
        }
        writeln!(
            table,
            "| {name} | {} | {modifier} | {} |",
            base[0],
            rest.join(", ")
        )
        .unwrap();
    }
    table
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
