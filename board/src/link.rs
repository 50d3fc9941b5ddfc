//! Two reliable byte streams over a line that is none.
//!
//! ```text
//!  offer ─► queue ─┬─ frames, as far as the board has room ─► transport
//!                  └─ again, from the first that is not acknowledged, after a timeout
//!  output ◄─ bytes that follow those it has ◄─ answers ◄───── transport
//! ```
//! The host speaks and the board answers, so that neither needs to guess when the other
//! listens. What the board answers is everything: how far it is in both streams, and
//! every byte the host has not acknowledged. So a lost answer costs only time.

use crate::frame::{BoardFrame, HostFrame, Restart};
use crate::framing::Decoder;
use crate::transport::{Pace, Transport};
use crate::LinkError;
use quern_isa::link::{Identity, IDENTITY_BYTES, NOTHING_ACKNOWLEDGED, WINDOW_BYTES};
use quern_isa::standalone::Fault;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Stream bytes in one frame: as many as keep the line busy while the answer to the first
/// of four is on its way.
const FRAME_BYTES: usize = 62;

/// Without any progress a timeout is doubled so many times at most.
const MOST_DOUBLINGS: u32 = 5;

/// What the board said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    pub idle: bool,
    /// The core's error code, that of a faulty program in flash, or 0.
    pub error: u8,
}

/// What a link has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    pub frames_sent: u64,
    pub frames_received: u64,
    /// Frames from the board whose check was wrong.
    pub frames_damaged: u64,
    pub timeouts: u64,
    /// Bytes of the streams, without repetition.
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// A session with a board.
pub struct Link<T> {
    transport: T,
    purpose: Restart,
    decoder: Decoder,
    arrived: VecDeque<u8>,
    identity: Identity,
    tag: u8,
    /// Bytes the board has not acknowledged.
    queue: VecDeque<u8>,
    /// Position of the first of them.
    base: u8,
    /// How many of them are on their way, and how many were, before a timeout.
    flying: usize,
    flown: usize,
    /// Bytes the core has taken, modulo 256.
    taken: u8,
    /// Bytes of the board's stream that have come, modulo 256.
    expected: u8,
    /// The last of these that the board knows to have come.
    known_acknowledged: u8,
    output: Vec<u8>,
    /// A frame without bytes waits for its answer.
    asked: bool,
    answer: Answer,
    retry: Duration,
    doublings: u32,
    /// When the first frame was sent that has no answer yet.
    asking_since: Duration,
    statistics: Statistics,
}

impl<T: Transport> Link<T> {
    /// Restarts the board, whatever it is doing, for programs of this side, and asks who it
    /// is.
    pub fn open(transport: T) -> Result<Link<T>, LinkError> {
        let mut link = Link {
            purpose: Restart::Host,
            decoder: Decoder::default(),
            arrived: VecDeque::new(),
            identity: Identity::default(),
            tag: 0,
            queue: VecDeque::new(),
            base: 0,
            flying: 0,
            flown: 0,
            taken: 0,
            expected: 0,
            known_acknowledged: NOTHING_ACKNOWLEDGED,
            output: Vec::new(),
            asked: false,
            answer: Answer::default(),
            retry: transport.pace().retry,
            doublings: 0,
            asking_since: Duration::ZERO,
            statistics: Statistics::default(),
            transport,
        };
        link.restart()?;
        Ok(link)
    }

    /// Restarts the board for the program in its flash, whose input is then what is offered
    /// here. Waits until the board has checked it, and returns what is wrong with it.
    pub fn stand_alone(&mut self) -> Result<Option<Fault>, LinkError> {
        self.purpose = Restart::Standalone;
        self.restart()?;
        while !self.answer.idle {
            self.exchange()?;
        }
        Ok(Fault::of_error(self.answer.error))
    }

    /// Ends whatever runs on the board; both streams start anew.
    pub fn restart(&mut self) -> Result<(), LinkError> {
        self.queue.clear();
        (self.base, self.flying, self.flown, self.taken) = (0, 0, 0, 0);
        (self.expected, self.known_acknowledged) = (0, NOTHING_ACKNOWLEDGED);
        self.output.clear();
        self.asked = false;
        let Pace { retry, give_up } = self.transport.pace();
        let begin = self.transport.now();
        let mut patience = retry;
        let answer = loop {
            self.tag = self.tag.wrapping_add(1) % 4;
            let sent = self.transport.now();
            self.send(Some(self.purpose), 0..0)?;
            let deadline = sent + patience;
            let answer = self.receive_until(deadline, |link, frame| {
                // Only a board that has just started anew says all of this.
                link.is_for_us(frame)
                    && frame.tag == link.tag
                    && (frame.received, frame.taken) == (0, 0)
                    && frame.position == NOTHING_ACKNOWLEDGED
            })?;
            let now = self.transport.now();
            if let Some(answer) = answer {
                // All that can be on its way takes forty times as long as this exchange.
                self.retry = retry.max(40 * (now - sent)).min(give_up / 2);
                break answer;
            }
            if now - begin >= give_up {
                return Err(self.no_answer(now - begin));
            }
            patience = (patience * 2).min(give_up / 2);
        };
        self.doublings = 0;
        self.accept(answer)?;
        while self.output.len() < IDENTITY_BYTES {
            self.exchange()?;
        }
        let rest = self.output.split_off(IDENTITY_BYTES);
        let first = std::mem::replace(&mut self.output, rest);
        let bytes = first.try_into().expect("as many as were split off");
        self.identity = Identity::from_bytes(&bytes).ok_or_else(|| LinkError::Stranger {
            port: self.transport.name().to_owned(),
        })?;
        Ok(())
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    pub fn answer(&self) -> Answer {
        self.answer
    }

    pub fn statistics(&self) -> Statistics {
        Statistics {
            frames_damaged: self.decoder.damaged(),
            ..self.statistics
        }
    }

    /// Takes the first of these bytes for the board, as many as there is room for.
    pub fn offer(&mut self, bytes: &[u8]) -> usize {
        let count = bytes
            .len()
            .min(WINDOW_BYTES.saturating_sub(self.queue.len()));
        self.queue.extend(&bytes[..count]);
        self.statistics.bytes_sent += count as u64;
        count
    }

    /// Bytes that were offered and that the core has not taken.
    pub fn untaken(&self) -> usize {
        self.queue.len() + usize::from(self.base.wrapping_sub(self.taken))
    }

    /// How far the board and its core are in the host's stream, modulo 256.
    pub fn position(&self) -> (u8, u8) {
        (self.base, self.taken)
    }

    /// Takes the bytes that have come from the board.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Sends what there is room for, or asks how things are, and waits for one answer. A
    /// lost frame ends the wait, too; a board that is silent for long is an error.
    pub fn exchange(&mut self) -> Result<(), LinkError> {
        self.send_queue()?;
        if self.flying == 0 && !self.asked {
            self.send(None, 0..0)?;
            self.asked = true;
        }
        let now = self.transport.now();
        if self.doublings == 0 {
            self.asking_since = now;
        }
        let give_up = self.transport.pace().give_up;
        let deadline = now + self.retry * (1 << self.doublings);
        let deadline = deadline.min(self.asking_since + give_up);
        match self.receive_until(deadline, |link, frame| {
            is_fresh(frame) || link.follows(frame)
        })? {
            Some(answer) => {
                self.doublings = 0;
                self.accept(answer)
            }
            None => {
                let silent = self.transport.now() - self.asking_since;
                if silent >= give_up {
                    return Err(self.no_answer(silent));
                }
                self.statistics.timeouts += 1;
                self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
                self.flying = 0;
                self.asked = false;
                Ok(())
            }
        }
    }

    /// Sends the part of the queue that is not on its way and that the board has room for.
    fn send_queue(&mut self) -> Result<(), LinkError> {
        let waiting = usize::from(self.base.wrapping_sub(self.taken));
        let end = self.queue.len().min(WINDOW_BYTES.saturating_sub(waiting));
        while self.flying < end {
            let frame_end = end.min(self.flying + FRAME_BYTES);
            self.send(None, self.flying..frame_end)?;
            self.flying = frame_end;
            self.flown = self.flown.max(self.flying);
        }
        Ok(())
    }

    fn send(
        &mut self,
        restart: Option<Restart>,
        range: std::ops::Range<usize>,
    ) -> Result<(), LinkError> {
        let position = self.base.wrapping_add(range.start as u8);
        let bytes: Vec<u8> = self.queue.range(range).copied().collect();
        let line = HostFrame {
            restart,
            tag: self.tag,
            position,
            acknowledged: self.expected.wrapping_sub(1),
            bytes: &bytes,
        }
        .encode();
        self.statistics.frames_sent += 1;
        self.transport
            .send(&line)
            .map_err(|source| gone(&self.transport, source))
    }

    /// The next answer of interest.
    fn receive_until(
        &mut self,
        deadline: Duration,
        of_interest: impl Fn(&Self, &BoardFrame) -> bool,
    ) -> Result<Option<BoardFrame>, LinkError> {
        let mut bytes = Vec::new();
        loop {
            while let Some(byte) = self.arrived.pop_front() {
                let content = self.decoder.push(byte);
                if let Some(frame) = content.as_deref().and_then(BoardFrame::parse) {
                    self.statistics.frames_received += 1;
                    if of_interest(self, &frame) {
                        return Ok(Some(frame));
                    }
                }
            }
            let now = self.transport.now();
            if now >= deadline {
                return Ok(None);
            }
            self.transport
                .receive(&mut bytes, deadline - now)
                .map_err(|source| gone(&self.transport, source))?;
            self.arrived.extend(bytes.drain(..));
        }
    }

    /// The board's bytes go where this side wants them.
    fn is_for_us(&self, frame: &BoardFrame) -> bool {
        frame.attached == (self.purpose == Restart::Host)
    }

    /// Whether an answer follows those before it. One that does not is late, belongs to
    /// another session, or is damaged in a way that its check does not show.
    fn follows(&self, frame: &BoardFrame) -> bool {
        let received = usize::from(frame.received.wrapping_sub(self.base));
        let taken = frame.taken.wrapping_sub(self.taken);
        let ahead = frame.received.wrapping_sub(self.taken);
        let known = frame.position.wrapping_sub(self.known_acknowledged);
        let acknowledged = self.expected.wrapping_sub(1);
        self.is_for_us(frame)
            && received <= self.flown
            && taken <= ahead
            && known <= acknowledged.wrapping_sub(self.known_acknowledged)
    }

    /// Takes over what an answer says.
    fn accept(&mut self, frame: BoardFrame) -> Result<(), LinkError> {
        // What a board says that was restarted by somebody else contradicts what it said
        // before, unless nothing has happened yet.
        if !self.follows(&frame) {
            return Err(LinkError::Restarted {
                port: self.transport.name().to_owned(),
            });
        }
        let received = usize::from(frame.received.wrapping_sub(self.base));
        self.queue.drain(..received);
        self.base = frame.received;
        self.flying = self.flying.saturating_sub(received);
        self.flown -= received;
        self.taken = frame.taken;
        self.known_acknowledged = frame.position;
        self.asked = false;
        self.answer = Answer {
            idle: frame.idle,
            error: frame.error,
        };
        let known = usize::from(self.expected.wrapping_sub(frame.position.wrapping_add(1)));
        if let Some(news) = frame.bytes.get(known..) {
            self.expected = self.expected.wrapping_add(news.len() as u8);
            self.statistics.bytes_received += news.len() as u64;
            self.output.extend(news);
        }
        Ok(())
    }

    fn no_answer(&self, waited: Duration) -> LinkError {
        LinkError::NoAnswer {
            port: self.transport.name().to_owned(),
            waited,
        }
    }
}

/// What a board says between its power-up and the first restart.
fn is_fresh(frame: &BoardFrame) -> bool {
    !frame.attached
        && (frame.received, frame.taken) == (0, 0)
        && frame.position == NOTHING_ACKNOWLEDGED
}

fn gone(transport: &impl Transport, source: io::Error) -> LinkError {
    LinkError::Gone {
        port: transport.name().to_owned(),
        source,
    }
}
