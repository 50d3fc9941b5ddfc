//! What Verilator counts: which lines of the Verilog ran, and which bits toggled.
//!
//! A module's lines and bits count once, however many instances it has: they are met if
//! any instance meets them. A bit has toggled if it has changed twice, once each way, in
//! one instance.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A line of a module, or rather the block of lines that begins there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub module: String,
    pub line: u32,
    /// What begins there, and which of several.
    pub place: String,
}

/// A bit of a module, `sum[3]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bit {
    pub module: String,
    pub bit: String,
}

/// Counts of every point.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    lines: BTreeMap<Line, u64>,
    /// By the path of the instance, `quern.store.counter`.
    bits: BTreeMap<Bit, BTreeMap<String, u64>>,
}

impl Coverage {
    /// Adds what Verilator wrote.
    pub fn read(&mut self, file: &Path) -> io::Result<()> {
        let bytes = std::fs::read(file)?;
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines() {
            // C '\x01key\x02value\x01key\x02value' count
            let Some((fields, count)) = line
                .strip_prefix("C '")
                .and_then(|rest| rest.rsplit_once("' "))
            else {
                continue;
            };
            let field = |key: &str| {
                let mut all = fields.split('\u{1}').filter_map(|f| f.split_once('\u{2}'));
                all.find(|(name, _)| *name == key).map(|(_, value)| value)
            };
            let bad = || io::Error::other(format!("not a coverage point: {line:?}"));
            let count: u64 = count.trim().parse().map_err(|_| bad())?;
            let (kind, module) = field("page")
                .and_then(|page| page.split_once('/'))
                .ok_or_else(bad)?;
            let module = module.to_owned();
            let comment = field("o").unwrap_or_default();
            if kind == "v_toggle" {
                let bit = comment.to_owned();
                let path = field("h").ok_or_else(bad)?;
                // Behind the name of the model, which may be empty.
                let path = path
                    .split_once('.')
                    .map_or(path, |(_, path)| path)
                    .to_owned();
                let instances = self.bits.entry(Bit { module, bit }).or_default();
                *instances.entry(path).or_default() += count;
            } else {
                let line = field("l").and_then(|l| l.parse().ok()).ok_or_else(bad)?;
                // `n` tells the branches of one line apart.
                let place = format!("{comment}:{}", field("n").unwrap_or_default());
                let line = Line {
                    module,
                    line,
                    place,
                };
                *self.lines.entry(line).or_default() += count;
            }
        }
        Ok(())
    }

    /// Lines, with whether they ran.
    pub fn lines(&self) -> impl Iterator<Item = (&Line, bool)> {
        self.lines.iter().map(|(line, &count)| (line, count > 0))
    }

    /// Bits, with whether they have toggled both ways.
    pub fn toggles(&self) -> impl Iterator<Item = (&Bit, bool)> {
        let bits = self.bits.iter();
        bits.map(|(bit, instances)| (bit, instances.values().any(|&count| count > 1)))
    }

    /// The instances that have a bit, by their paths.
    pub fn instances(&self, bit: &Bit) -> impl Iterator<Item = &str> {
        let instances = self.bits.get(bit).into_iter();
        instances.flat_map(|instances| instances.keys().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_instances_are_one_and_a_bit_has_to_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("coverage.dat");
        let toggle = |bit: &str, instance: &str, count: u64| {
            format!(
                "C '\u{1}f\u{2}quern.v\u{1}l\u{2}9\u{1}n\u{2}0\u{1}page\u{2}v_toggle/unit\u{1}o\u{2}{bit}\u{1}h\u{2}TOP.{instance}' {count}\n"
            )
        };
        let line = |number: u32, count: u64| {
            format!(
                "C '\u{1}f\u{2}quern.v\u{1}l\u{2}{number}\u{1}n\u{2}1\u{1}page\u{2}v_line/unit\u{1}o\u{2}block\u{1}h\u{2}TOP.a' {count}\n"
            )
        };
        let text = [
            "# SystemC::Coverage-3\n".to_owned(),
            toggle("x[0]", "a", 1),
            toggle("x[0]", "b", 1),
            toggle("x[1]", "a", 0),
            toggle("x[1]", "b", 2),
            line(3, 0),
            line(4, 7),
        ];
        std::fs::write(&file, text.concat()).unwrap();
        let mut coverage = Coverage::default();
        coverage.read(&file).unwrap();
        let toggled: Vec<bool> = coverage.toggles().map(|(_, met)| met).collect();
        assert_eq!(toggled, [false, true]);
        let (bit, _) = coverage.toggles().next().unwrap();
        assert_eq!(coverage.instances(bit).collect::<Vec<_>>(), ["a", "b"]);
        let ran: Vec<bool> = coverage.lines().map(|(_, met)| met).collect();
        assert_eq!(ran, [false, true]);
    }
}
