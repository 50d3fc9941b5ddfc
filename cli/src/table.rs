//! Short tables for people.

use crate::output::outln;
use miette::Result;

/// Prints rows of a name and a value, values aligned.
pub fn print(rows: &[(impl AsRef<str>, String)]) -> Result<()> {
    let width = rows
        .iter()
        .map(|(name, _)| name.as_ref().chars().count())
        .max()
        .unwrap_or(0);
    for (name, value) in rows {
        let mut lines = value.lines();
        outln!("  {:width$}  {}", name.as_ref(), lines.next().unwrap_or(""))?;
        for line in lines {
            outln!("  {:width$}  {line}", "")?;
        }
    }
    Ok(())
}

/// `12,345,678`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }
}
