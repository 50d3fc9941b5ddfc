//! A program's segments and how far both stream ports have come through them: the
//! outside world of a core, whatever the core is.

use crate::{MachineError, Program, Segment};

/// Walks the segments in both directions. The core takes literal bytes as early as it
/// likes; bytes from host memory, and work of the host, wait until every earlier receive
/// has ended.
pub struct Script<'a> {
    segments: &'a [Segment],
    host: &'a mut [u8],
    send: Cursor,
    receive: Cursor,
    /// Of each segment, the bytes that must have been received before it is sent.
    awaited: Vec<usize>,
}

/// A segment and the bytes of it that are done. Never rests on a segment that has
/// nothing to do in its direction.
#[derive(Clone, Copy, Default)]
struct Cursor {
    segment: usize,
    done: usize,
}

impl Cursor {
    fn advance(&mut self, bytes: usize, segments: &[Segment], idle: fn(&Segment, usize) -> bool) {
        self.done += bytes;
        while segments
            .get(self.segment)
            .is_some_and(|segment| idle(segment, self.done))
        {
            self.segment += 1;
            self.done = 0;
        }
    }
}

/// Whether so many bytes are all there is to send. Work of the host is never passed by
/// sending.
fn all_sent(segment: &Segment, done: usize) -> bool {
    match segment {
        Segment::Host(_) => false,
        _ => done >= segment.send_bytes(),
    }
}

fn all_received(segment: &Segment, done: usize) -> bool {
    done >= segment.receive_bytes()
}

/// What waits for receives holds up everything behind it.
fn awaited(segments: &[Segment]) -> Vec<usize> {
    let (mut received, mut awaited) = (0, 0);
    let each = segments.iter().map(|segment| {
        received += segment.receive_bytes();
        if matches!(segment, Segment::SendHost { .. } | Segment::Host(_)) {
            awaited = received;
        }
        awaited
    });
    each.collect()
}

impl<'a> Script<'a> {
    pub fn new(program: &'a Program, host: &'a mut [u8]) -> Result<Self, MachineError> {
        let expected = program.host_bytes as usize;
        if host.len() != expected {
            return Err(MachineError::HostMemory {
                actual: host.len(),
                expected,
            });
        }
        for (index, segment) in program.segments.iter().enumerate() {
            let problem = match segment {
                Segment::SendHost { offset, bytes } | Segment::Receive { offset, bytes }
                    if *offset as usize + *bytes as usize > expected =>
                {
                    "reaches beyond the host memory"
                }
                Segment::Host(step) if !step.fits(expected) => "reaches beyond the host memory",
                _ if (segment.send_bytes() + segment.receive_bytes())
                    % program.config.stream_bytes
                    != 0 =>
                {
                    "is not a whole number of stream beats"
                }
                _ => continue,
            };
            return Err(MachineError::Stream {
                segment: index,
                problem,
            });
        }
        let mut script = Script {
            segments: &program.segments,
            host,
            send: Cursor::default(),
            receive: Cursor::default(),
            awaited: awaited(&program.segments),
        };
        script.received(0);
        script.sent(0);
        Ok(script)
    }

    /// What the core can be sent now: the rest of the current segment, or nothing while
    /// that waits for a receive.
    pub fn pending(&self) -> &[u8] {
        let data: &[u8] = match self.segments.get(self.send.segment) {
            Some(Segment::Send(data)) => data,
            Some(Segment::SendHost { offset, bytes }) if !self.waits_for_receive() => {
                &self.host[*offset as usize..][..*bytes as usize]
            }
            _ => return &[],
        };
        &data[self.send.done..]
    }

    /// What comes next needs bytes that the core has not sent yet.
    pub fn waits_for_receive(&self) -> bool {
        matches!(
            self.segments.get(self.send.segment),
            Some(Segment::SendHost { .. } | Segment::Host(_))
        ) && self.receive.segment < self.send.segment
    }

    /// Bytes that had to be received before the [`pending`](Self::pending) ones could be
    /// sent.
    pub fn awaited(&self) -> usize {
        self.awaited.get(self.send.segment).copied().unwrap_or(0)
    }

    /// Bytes the current receive still takes.
    pub fn room(&self) -> usize {
        let segment = self.segments.get(self.receive.segment);
        segment.map_or(0, |segment| segment.receive_bytes() - self.receive.done)
    }

    /// The core took the first of the [`pending`](Self::pending) bytes.
    pub fn sent(&mut self, bytes: usize) {
        self.send.advance(bytes, self.segments, all_sent);
        self.work();
    }

    /// The core sent bytes.
    pub fn deliver(&mut self, mut bytes: &[u8]) -> Result<(), MachineError> {
        while !bytes.is_empty() {
            let Some(Segment::Receive { offset, .. }) = self.segments.get(self.receive.segment)
            else {
                return Err(MachineError::Stream {
                    segment: self.segments.len(),
                    problem: "stores more than it receives",
                });
            };
            let place = *offset as usize + self.receive.done;
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.host[place..place + now.len()].copy_from_slice(now);
            self.received(now.len());
            bytes = later;
        }
        self.work();
        Ok(())
    }

    /// Something has been sent.
    pub fn started(&self) -> bool {
        self.send.done > 0
            || self.segments[..self.send.segment]
                .iter()
                .any(|segment| segment.send_bytes() > 0)
    }

    pub fn all_sent(&self) -> bool {
        self.send.segment == self.segments.len()
    }

    pub fn all_received(&self) -> bool {
        self.receive.segment == self.segments.len()
    }

    /// The core has halted: nothing may be left in either direction.
    pub fn finish(&self) -> Result<(), MachineError> {
        let problem = |segment, problem| Err(MachineError::Stream { segment, problem });
        if !self.all_received() {
            return problem(self.receive.segment, "receives more than it stores");
        }
        if !self.all_sent() {
            return problem(self.send.segment, "goes on after its halt");
        }
        Ok(())
    }

    fn received(&mut self, bytes: usize) {
        self.receive.advance(bytes, self.segments, all_received);
    }

    /// The host works when its turn has come.
    fn work(&mut self) {
        while let Some(Segment::Host(step)) = self.segments.get(self.send.segment) {
            if self.waits_for_receive() {
                return;
            }
            step.apply(self.host);
            self.send.segment += 1;
            self.send.advance(0, self.segments, all_sent);
        }
    }
}
