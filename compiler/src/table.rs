//! Functions of one code: the 256 entries of the activation unit's table.

use std::fmt;

/// The stored code each stored code becomes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Table(pub Box<[u8; 256]>);

impl Table {
    pub fn identity() -> Table {
        Table::from_fn(|stored| stored)
    }

    pub fn from_fn(f: impl Fn(u8) -> u8) -> Table {
        Table(Box::new(std::array::from_fn(|stored| f(stored as u8))))
    }

    /// First this table, then `next`.
    pub fn then(&self, next: &Table) -> Table {
        Table::from_fn(|stored| next.0[self.0[stored as usize] as usize])
    }

    /// Lowest and highest entry among codes from `low` to `high`.
    pub fn range(&self, low: u8, high: u8) -> (u8, u8) {
        let entries = &self.0[low as usize..=high.max(low) as usize];
        entries
            .iter()
            .fold((255, 0), |(min, max), &y| (min.min(y), max.max(y)))
    }

    /// The bounds that do the same as this table for codes from `low` to `high`, if
    /// there are any.
    pub fn as_bounds(&self, low: u8, high: u8) -> Option<(u8, u8)> {
        let (min, max) = self.range(low, high);
        let clamps = (low..=high).all(|code| self.0[code as usize] == code.max(min).min(max));
        clamps.then_some((min, max))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Table({:02x?}..)", &self.0[..4])
    }
}
