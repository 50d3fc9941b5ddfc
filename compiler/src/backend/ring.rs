//! A memory that is filled round and round, and what is still in it.

/// Which operation's data, and which piece of them.
pub type Key = (usize, usize, usize);

#[derive(Debug, Clone)]
pub struct Ring {
    words: usize,
    next: usize,
    held: Vec<(Key, usize, usize)>,
}

impl Ring {
    pub fn new(words: usize) -> Ring {
        Ring {
            words,
            next: 0,
            held: Vec::new(),
        }
    }

    /// Where the piece lies, if it is still there.
    pub fn find(&self, key: Key) -> Option<usize> {
        let found = self.held.iter().find(|(held, ..)| *held == key);
        found.map(|&(_, address, _)| address)
    }

    /// Makes pieces of `size` words altogether follow each other without a gap, if that
    /// much fits.
    pub fn reserve(&mut self, size: usize) {
        if self.next + size > self.words && size <= self.words {
            self.next = 0;
        }
    }

    /// Room for a piece, in place of the oldest ones.
    ///
    /// # Panics
    /// When the piece is larger than the memory.
    pub fn allocate(&mut self, key: Key, size: usize) -> usize {
        assert!(size <= self.words, "{size} words do not fit {}", self.words);
        self.reserve(size);
        let address = self.next;
        let overlaps = |&(_, start, length): &(Key, usize, usize)| {
            start < address + size && address < start + length
        };
        self.held.retain(|piece| !overlaps(piece));
        self.held.push((key, address, size));
        self.next += size;
        address
    }
}
