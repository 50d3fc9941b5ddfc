//! Names in Verilog.

/// The identifier that stands for a RustHDL name: `sum$0` becomes `sum_0`, and the
/// keyword `table` becomes `table_`.
pub fn identifier(name: &str) -> String {
    let mut plain = name.replace('$', "_");
    if KEYWORDS.split_whitespace().any(|keyword| keyword == plain) {
        plain.push('_');
    }
    plain
}

/// Applies the rule to every name in a Verilog text. System functions such as
/// `$signed` begin with their `$` and stay.
pub fn identifiers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut inside_name = false;
    for letter in text.chars() {
        match letter {
            '$' if inside_name => plain.push('_'),
            _ => plain.push(letter),
        }
        inside_name = letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
    }
    plain
}

/// Words that can't be names, of Verilog-2005 and SystemVerilog (IEEE 1800-2017,
/// annex B): those a hardware field might be called.
const KEYWORDS: &str = "\
    always and assert assign automatic begin bit break buf byte case cell checker class
    config const context continue cover default design disable do edge else end endcase enum
    event expect export extends extern final first_match for force forever fork function
    generate genvar global if iff import include initial inout input inside instance int
    integer interface join large let library local logic matches medium module nand negedge
    new nor not null or output package packed parameter posedge primitive priority program
    property protected pull0 pull1 pure rand real ref reg release repeat return scalared
    sequence shortint signed small solve static string strong struct super supply0 table
    tagged task this time tri type typedef union unique unsigned until use uwire var
    vectored virtual void wait weak while wire with within xnor xor";
