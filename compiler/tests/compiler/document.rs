//! `docs/operators.md` says what the code does: its table is made of the compiler's own.
//! `UPDATE_DOCS=1` rewrites it.

use quern_compiler::OPERATORS;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operators.md");

#[test]
fn the_document_of_operators_matches_the_code() {
    let written = std::fs::read_to_string(DOCUMENT).unwrap();
    let begin = "<!-- generated: operators -->\n";
    let start = written.find(begin).expect("marker is there") + begin.len();
    let end = start + written[start..].find("<!-- end -->").expect("end is there");
    let mut expected = written.clone();
    expected.replace_range(start..end, &table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCUMENT, expected).unwrap();
        return;
    }
    assert!(
        written == expected,
        "docs/operators.md is out of date: run UPDATE_DOCS=1 cargo test -p quern-compiler --test compiler document"
    );
}

fn table() -> String {
    let mut table = String::from("| operator | attributes and limits | becomes |\n|---|---|---|\n");
    for operator in OPERATORS {
        table += &format!(
            "| {} | {} | {} |\n",
            operator.name, operator.limits, operator.becomes
        );
    }
    table
}

#[test]
fn operators_are_listed_once() {
    for (index, operator) in OPERATORS.iter().enumerate() {
        let again = OPERATORS[index + 1..].iter();
        assert!(
            !again
                .map(|other| other.name)
                .any(|name| name == operator.name),
            "{}",
            operator.name
        );
    }
}
