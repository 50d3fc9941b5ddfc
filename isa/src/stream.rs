//! The two stream ports as a program's script sees them, for machines that run
//! without a clock.

use crate::{MachineError, Program, Segment};

/// Walks the segments: the core's reads take literal and host bytes in order, its
/// writes fill the `Receive` segments in order.
pub(crate) struct Stream<'a> {
    segments: &'a [Segment],
    host: &'a mut [u8],
    /// Segment and byte the next read takes.
    read: Cursor,
    /// Segment and byte the next write goes to.
    write: Cursor,
    /// Bytes handed to the core so far.
    pub consumed: usize,
}

#[derive(Clone, Copy, Default)]
struct Cursor {
    segment: usize,
    byte: usize,
}

/// The bytes ran out.
pub(crate) struct EndOfStream;

impl<'a> Stream<'a> {
    pub fn new(program: &'a Program, host: &'a mut [u8]) -> Result<Self, MachineError> {
        let expected = program.host_bytes as usize;
        if host.len() != expected {
            return Err(MachineError::HostMemory {
                actual: host.len(),
                expected,
            });
        }
        Ok(Stream {
            segments: &program.segments,
            host,
            read: Cursor::default(),
            write: Cursor::default(),
            consumed: 0,
        })
    }

    /// Replaces `buffer` by the next `bytes` bytes.
    pub fn read(
        &mut self,
        bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<Result<(), EndOfStream>, MachineError> {
        buffer.clear();
        while buffer.len() < bytes {
            let Some(segment) = self.segments.get(self.read.segment) else {
                return Ok(Err(EndOfStream));
            };
            let data: &[u8] = match segment {
                Segment::Send(data) => data,
                Segment::SendHost { offset, bytes } => {
                    self.check_received()?;
                    &self.host[*offset as usize..][..*bytes as usize]
                }
                Segment::Receive { .. } => &[],
            };
            let rest = &data[self.read.byte..];
            let taken = rest.len().min(bytes - buffer.len());
            buffer.extend(&rest[..taken]);
            self.read.byte += taken;
            if self.read.byte == data.len() {
                self.read = Cursor {
                    segment: self.read.segment + 1,
                    byte: 0,
                };
            }
        }
        self.consumed += bytes;
        Ok(Ok(()))
    }

    /// Takes bytes from the core.
    pub fn write(&mut self, mut data: &[u8]) -> Result<(), MachineError> {
        while !data.is_empty() {
            let place = match self.segments.get(self.write.segment) {
                None => {
                    return Err(MachineError::Stream {
                        segment: self.segments.len(),
                        problem: "stores more than it receives",
                    })
                }
                Some(Segment::Receive { offset, bytes }) => {
                    &mut self.host[*offset as usize..][..*bytes as usize]
                }
                Some(_) => &mut [],
            };
            let rest = &mut place[self.write.byte..];
            let taken = rest.len().min(data.len());
            rest[..taken].copy_from_slice(&data[..taken]);
            data = &data[taken..];
            self.write.byte += taken;
            if self.write.byte == place.len() {
                self.write = Cursor {
                    segment: self.write.segment + 1,
                    byte: 0,
                };
            }
        }
        Ok(())
    }

    /// After `Halt`: nothing may be left in either direction.
    pub fn finish(&self) -> Result<(), MachineError> {
        let rest = |cursor: Cursor, counts: fn(&Segment) -> usize| {
            self.segments
                .iter()
                .enumerate()
                .skip(cursor.segment)
                .find(|(_, segment)| counts(segment) > 0)
                .map(|(segment, _)| segment)
        };
        let unread = rest(self.read, |segment| match segment {
            Segment::Send(data) => data.len(),
            Segment::SendHost { bytes, .. } => *bytes as usize,
            Segment::Receive { .. } => 0,
        });
        let unfilled = rest(self.write, |segment| match segment {
            Segment::Receive { bytes, .. } => *bytes as usize,
            _ => 0,
        });
        match (unread, unfilled) {
            (Some(segment), _) => Err(MachineError::Stream {
                segment,
                problem: "goes on after its halt",
            }),
            (_, Some(segment)) => Err(MachineError::Stream {
                segment,
                problem: "receives more than it stores",
            }),
            _ => Ok(()),
        }
    }

    /// A host segment may be read only when everything received before it is in.
    fn check_received(&self) -> Result<(), MachineError> {
        let before = &self.segments[..self.read.segment];
        let pending =
            before.iter().enumerate().skip(self.write.segment).any(
                |(_, segment)| matches!(segment, Segment::Receive { bytes, .. } if *bytes > 0),
            );
        match pending {
            true => Err(MachineError::Stream {
                segment: self.read.segment,
                problem: "reads host memory before an earlier receive has ended",
            }),
            false => Ok(()),
        }
    }
}
