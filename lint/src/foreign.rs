//! What RustHDL writes without a kernel: names, and the text of leaves.

use crate::design::Module;
use crate::{own, Finding, Rule};
use rust_hdl::prelude::Verilog;

/// Reserved words of Verilog-2005 and SystemVerilog that a Rust field can be called.
const KEYWORDS: &[&str] = &[
    "alias",
    "always",
    "and",
    "assert",
    "assign",
    "automatic",
    "begin",
    "bind",
    "bit",
    "buf",
    "bufif0",
    "bufif1",
    "byte",
    "case",
    "casex",
    "casez",
    "cell",
    "checker",
    "class",
    "clocking",
    "cmos",
    "config",
    "constraint",
    "context",
    "cover",
    "cross",
    "deassign",
    "default",
    "defparam",
    "design",
    "disable",
    "dist",
    "edge",
    "end",
    "endcase",
    "endmodule",
    "event",
    "expect",
    "export",
    "extends",
    "final",
    "first_match",
    "force",
    "foreach",
    "forever",
    "fork",
    "forkjoin",
    "function",
    "generate",
    "genvar",
    "global",
    "highz0",
    "highz1",
    "iff",
    "ifnone",
    "import",
    "incdir",
    "include",
    "initial",
    "inout",
    "input",
    "inside",
    "instance",
    "int",
    "integer",
    "interface",
    "intersect",
    "join",
    "join_any",
    "join_none",
    "large",
    "library",
    "local",
    "localparam",
    "logic",
    "longint",
    "matches",
    "medium",
    "modport",
    "module",
    "nand",
    "negedge",
    "new",
    "nmos",
    "nor",
    "not",
    "notif0",
    "notif1",
    "null",
    "or",
    "output",
    "package",
    "packed",
    "parameter",
    "pmos",
    "posedge",
    "primitive",
    "priority",
    "program",
    "property",
    "protected",
    "pull0",
    "pull1",
    "pulldown",
    "pullup",
    "pure",
    "rand",
    "randc",
    "randcase",
    "rcmos",
    "real",
    "realtime",
    "reg",
    "release",
    "repeat",
    "restrict",
    "rnmos",
    "rpmos",
    "sequence",
    "shortint",
    "shortreal",
    "signed",
    "small",
    "solve",
    "specify",
    "specparam",
    "string",
    "strong",
    "strong0",
    "strong1",
    "supply0",
    "supply1",
    "table",
    "tagged",
    "task",
    "throughout",
    "time",
    "timeprecision",
    "timeunit",
    "tran",
    "tri",
    "tri0",
    "tri1",
    "triand",
    "trior",
    "trireg",
    "typedef",
    "union",
    "unique",
    "unsigned",
    "until",
    "untyped",
    "use",
    "uwire",
    "var",
    "vectored",
    "virtual",
    "void",
    "wait",
    "wand",
    "weak",
    "weak0",
    "weak1",
    "wildcard",
    "wire",
    "with",
    "within",
    "wor",
    "xnor",
    "xor",
];

pub fn check_names(module: &Module, findings: &mut Vec<Finding>) {
    for signal in own(module) {
        if KEYWORDS.contains(&signal.name.as_str()) {
            findings.push(Finding::new(
                module,
                Rule::Keyword,
                &signal.name,
                "a reserved word of Verilog",
            ));
        }
        if signal.bits == 0 {
            findings.push(Finding::new(
                module,
                Rule::ZeroWidth,
                &signal.name,
                "a signal of no bits is declared as `[-1:0]`, which has two",
            ));
        }
    }
    let instance = module.path.rsplit('.').next().unwrap_or(&module.path);
    if KEYWORDS.contains(&instance) {
        findings.push(Finding::new(
            module,
            Rule::Keyword,
            instance,
            "an instance is called by a reserved word of Verilog",
        ));
    }
}

pub fn check_text(code: &Verilog, module: &Module, findings: &mut Vec<Finding>) {
    let text = match code {
        Verilog::Custom(text) => text,
        Verilog::Wrapper(wrapper) => &wrapper.code,
        Verilog::Blackbox(black_box) => &black_box.code,
        Verilog::Empty | Verilog::Combinatorial(_) => return,
    };
    for (name, words) in memories(text) {
        let filled = initialised(text, &name);
        if !filled.covers(words) {
            findings.push(Finding::new(
                module,
                Rule::UninitialisedMemory,
                &name,
                "words without a start value: unknown in Verilog, zero in the simulator",
            ));
        }
    }
    if !is_flip_flop(text) {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty());
        findings.push(Finding::new(
            module,
            Rule::ForeignText,
            first.unwrap_or_default(),
            "Verilog that was written by hand, and is not what the simulator runs",
        ));
    }
}

/// RustHDL's own flip-flop: its text is that of a register with a start value.
fn is_flip_flop(text: &str) -> bool {
    let squeezed: Vec<&str> = text.split_whitespace().collect();
    matches!(
        squeezed.as_slice(),
        [
            "initial",
            "begin",
            "q",
            "=",
            _,
            "end",
            "always",
            "@(posedge",
            "clock)",
            "begin",
            "q",
            "<=",
            "d;",
            "end"
        ]
    )
}

/// Arrays of registers: name, and number of words if it is plain.
fn memories(text: &str) -> Vec<(String, Option<usize>)> {
    let mut found = Vec::new();
    for declaration in text.split(';') {
        let Some((kind, rest)) = declaration
            .match_indices("reg")
            .find_map(|(at, _)| Some((at, declaration.get(at + 3..)?)))
        else {
            continue;
        };
        let alone = |letter: Option<char>| !letter.is_some_and(|l| l.is_alphanumeric() || l == '_');
        if !alone(declaration[..kind].chars().next_back()) || !alone(rest.chars().next()) {
            continue;
        }
        // `reg [7:0] name [0:15]`
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(range) => match range.split_once(']') {
                Some((_, rest)) => rest,
                None => continue,
            },
            None => rest,
        };
        let Some((name, range)) = rest.split_once('[') else {
            continue;
        };
        let name = name.trim();
        if name.is_empty()
            || !name
                .chars()
                .all(|l| l.is_alphanumeric() || l == '_' || l == '$')
        {
            continue;
        }
        let ends = range
            .split_once(']')
            .and_then(|(ends, _)| ends.split_once(':'));
        let words = ends.and_then(|(from, to)| {
            let (from, to) = (from.trim().parse::<usize>(), to.trim().parse::<usize>());
            Some(from.ok()?.abs_diff(to.ok()?) + 1)
        });
        found.push((name.to_owned(), words));
    }
    found
}

enum Filled {
    Words(usize),
    All,
}

impl Filled {
    fn covers(&self, words: Option<usize>) -> bool {
        match (self, words) {
            (Filled::All, _) => true,
            (Filled::Words(filled), Some(words)) => *filled >= words,
            (Filled::Words(_), None) => false,
        }
    }
}

/// What `initial` blocks assign: word by word, all in a loop, or from a file.
fn initialised(text: &str, memory: &str) -> Filled {
    let mut words = 0;
    for block in text.split("initial").skip(1) {
        let block = block.split("always").next().unwrap_or(block);
        let fills = block.contains(&format!("{memory}["));
        if (block.contains("for ") && fills)
            || (block.contains("$readmem") && block.contains(memory))
        {
            return Filled::All;
        }
        words += block.matches(&format!("{memory}[")).count();
    }
    Filled::Words(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uninitialised(text: &str) -> Vec<String> {
        let all = memories(text).into_iter();
        all.filter(|(name, words)| !initialised(text, name).covers(*words))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn memories_are_told_from_registers_and_filled_ones_from_empty_ones() {
        let filled = "reg [7:0] m [0:1]; initial begin m[0] = 1; m[1] = 2; end";
        assert_eq!(uninitialised(filled), [""; 0]);
        let half = "reg [7:0] m [0:1]; initial begin m[0] = 1; end";
        assert_eq!(uninitialised(half), ["m"]);
        let looped =
            "reg[7:0] m[3:0];\ninteger i;\ninitial for (i = 0; i < 4; i = i + 1) m[i] = 0;";
        assert_eq!(uninitialised(looped), [""; 0]);
        assert_eq!(uninitialised("(* x *) reg [7:0] mem [0:P - 1];"), ["mem"]);
        assert_eq!(
            uninitialised("reg [7:0] word; reg one; registers [3:0];"),
            [""; 0]
        );
    }
}
