//! A program in readable form, decoded from its own bytes: what is printed is what
//! runs.

use crate::backend::report::{LayerReport, Report};
use quern_isa::{
    Combine, Config, Instruction, Program, Region, Segment, Source, Space, INSTRUCTION_BYTES,
};
use std::fmt::Write;

/// Literal bytes shown of each piece of data.
const SHOWN_BYTES: usize = 8;

/// `stretches` are the first instruction and the layer of each stretch of one layer.
pub(crate) fn listing(program: &Program, report: &Report, stretches: &[(usize, usize)]) -> String {
    let mut out = header(program, report);
    let mut stream = Stream::new(program);
    let mut stretches = stretches.iter().peekable();
    let mut described = 0;
    let mut index = 0;
    while let Some(instruction) = stream.instruction() {
        if let Some(&(_, layer)) = stretches.next_if(|&&(first, _)| first == index) {
            match report.layers.get(layer) {
                Some(report) if layer >= described => {
                    out += &layer_comment(layer, report);
                    described = layer + 1;
                }
                _ => {
                    let _ = writeln!(out, "; layer {layer}");
                }
            }
        }
        let _ = writeln!(out, "{index:>6}  {}", line(&instruction, &mut stream));
        index += 1;
        if instruction == Instruction::Halt {
            break;
        }
    }
    out
}

fn header(program: &Program, report: &Report) -> String {
    let region = |region: &Region| {
        let bytes = region.bytes(&program.config);
        format!(
            "bytes {}..{}, {} samples of {} words",
            region.offset,
            region.offset as usize + bytes,
            region.samples,
            region.words_per_sample
        )
    };
    let mut out = String::new();
    let _ = writeln!(out, "; model   {}", report.model);
    let _ = writeln!(
        out,
        "; config  {} ({} lanes, {} columns, {}-bit accumulators)",
        report.config,
        program.config.lanes,
        program.config.columns,
        program.config.accumulator_bits
    );
    let _ = writeln!(out, "; batch   {}", report.batch);
    let _ = writeln!(
        out,
        "; stream  {} bytes in ({} of them literal), {} out",
        report.totals.bytes_in, report.totals.literal_bytes, report.totals.bytes_out
    );
    let _ = writeln!(out, "; host    {} bytes", program.host_bytes);
    let _ = writeln!(out, ";   input   {}", region(&program.input));
    let _ = writeln!(out, ";   output  {}", region(&program.output));
    for map in &report.maps {
        let [height, width, channels] = map.shape;
        let _ = writeln!(
            out,
            "; map     `{}`: {height} x {width} x {channels}, {} {}",
            map.name, map.place, map.address
        );
    }
    for function in &report.host {
        let _ = writeln!(out, "; host    {function}");
    }
    for note in &report.notes {
        let _ = writeln!(out, "; note    {note}");
    }
    out
}

fn layer_comment(number: usize, layer: &LayerReport) -> String {
    let shape = |[height, width, channels]: [usize; 3]| format!("{height} x {width} x {channels}");
    let table = if layer.table { ", table" } else { "" };
    let tiles = match layer.column_tiles {
        [_, 0] => String::new(),
        [group, all] => format!(", {group} of {all} column tiles"),
    };
    format!(
        "\n; layer {number} `{}`: {}{table}, {} -> {}\n;   {} x {} pixels at a time{tiles}\n;   {} MACs, {} instructions, {} bytes in, {} out\n;   about {} cycles, bound by {}, {:.1} % of the multipliers at work\n",
        layer.name,
        layer.kind,
        shape(layer.input),
        shape(layer.output),
        layer.block[0],
        layer.block[1],
        layer.macs,
        layer.instructions,
        layer.bytes_in,
        layer.bytes_out,
        layer.cycles,
        layer.bound,
        100.0 * layer.utilisation,
    )
}

/// One instruction with its operands by name and its data in brief.
fn line(instruction: &Instruction, stream: &mut Stream) -> String {
    match *instruction {
        Instruction::Begin {
            version,
            fingerprint,
        } => format!("begin     version={version} fingerprint={fingerprint:#06x}"),
        Instruction::Load {
            space,
            address,
            count,
        } => {
            let name = match space {
                Space::Activations => "activations",
                Space::Weights => "weights",
                Space::Parameters => "parameters",
                Space::Table => "table",
                Space::Lookup => "lookup",
            };
            let bytes = stream.config.word_beats(space) * stream.config.stream_bytes;
            let data = stream.data(count as usize * bytes);
            format!("load      {name} address={address} count={count} <- {data}")
        }
        Instruction::Pattern(p) => format!(
            "pattern   x={}*{} y={}*{} inner_stride={} outer_stride={}",
            p.x_count,
            p.x_stride as i16,
            p.y_count,
            p.y_stride as i16,
            p.inner_stride as i16,
            p.outer_stride as i16
        ),
        Instruction::Target(t) => format!(
            "target    x={}*{} y={}*{} low={} high={}",
            t.x_count, t.x_stride as i16, t.y_count, t.y_stride as i16, t.low, t.high
        ),
        Instruction::Matrix(m) => format!(
            "matrix    {}accumulator={} activation={} weight={} taps={}*{}",
            if m.accumulate { "accumulate " } else { "" },
            m.accumulator,
            m.activation,
            m.weight,
            m.inner,
            m.outer,
        ),
        Instruction::Activate(a) => format!(
            "activate  {}accumulator={} activation={}.{} parameter={} columns={}",
            if a.table { "table " } else { "" },
            a.accumulator,
            a.activation,
            a.lane,
            a.parameter,
            a.columns,
        ),
        Instruction::Vector(v) => {
            let combine = match v.combine {
                Combine::Sum => "sum",
                Combine::Maximum => "maximum",
                Combine::Lookup => "lookup",
                Combine::Product => "product",
            };
            format!(
                "vector    {combine} {}{}source={}.{} activation={}.{} parameter={} columns={} taps={}*{} zero_points={},{}",
                if v.table { "table " } else { "" },
                if v.even_code { "even_code " } else { "" },
                v.source,
                v.source_lane,
                v.activation,
                v.lane,
                v.parameter,
                v.columns,
                v.inner,
                v.outer,
                v.zero_points[0],
                v.zero_points[1],
            )
        }
        Instruction::Store {
            source,
            address,
            count,
        } => {
            let name = match source {
                Source::Activations => "activations",
                Source::Accumulators => "accumulators",
                Source::Counters => "counters",
            };
            let bytes = match source {
                Source::Activations => count as usize * stream.config.lanes,
                _ => 0,
            };
            let received = stream.received(bytes);
            format!("store     {name} address={address} count={count} -> {received}")
        }
        Instruction::Halt => "halt".to_string(),
    }
}

/// Walks the segments as the core does.
struct Stream<'a> {
    config: Config,
    segments: &'a [Segment],
    /// Segment and byte read next.
    segment: usize,
    byte: usize,
    /// Segment and byte the next store goes to.
    receive: (usize, usize),
}

impl<'a> Stream<'a> {
    fn new(program: &'a Program) -> Stream<'a> {
        Stream {
            config: program.config,
            segments: &program.segments,
            segment: 0,
            byte: 0,
            receive: (0, 0),
        }
    }

    fn instruction(&mut self) -> Option<Instruction> {
        let bytes = self.config.instruction_beats() * self.config.stream_bytes;
        let mut buffer = Vec::new();
        self.take(bytes, |piece| {
            if let Piece::Literal(literal) = piece {
                buffer.extend(literal);
            }
        });
        let bytes: &[u8; INSTRUCTION_BYTES] = buffer.get(..INSTRUCTION_BYTES)?.try_into().ok()?;
        Instruction::decode(bytes)
            .ok()
            .map(|(instruction, _)| instruction)
    }

    /// Consumes data and describes them.
    fn data(&mut self, bytes: usize) -> String {
        let mut literal = 0;
        let mut shown: Vec<u8> = Vec::new();
        let mut host: Vec<(u32, u32)> = Vec::new();
        self.take(bytes, |piece| match piece {
            Piece::Literal(bytes) => {
                literal += bytes.len();
                let room = SHOWN_BYTES - shown.len();
                shown.extend(&bytes[..room.min(bytes.len())]);
            }
            Piece::Host { offset, bytes } => host.push((offset, offset + bytes)),
        });
        let mut parts = Vec::new();
        if literal > 0 {
            let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            let more = if literal > shown.len() { " .." } else { "" };
            parts.push(format!("{literal} bytes: {}{more}", hex.join(" ")));
        }
        parts.extend(pieces(&host));
        parts.join(", ")
    }

    /// Describes where the next store of so many bytes goes.
    fn received(&mut self, mut bytes: usize) -> String {
        let mut host = Vec::new();
        let (at, done) = &mut self.receive;
        while let (Some(segment), true) = (self.segments.get(*at), bytes > 0) {
            let taken = bytes.min(segment.receive_bytes() - *done);
            if let (Segment::Receive { offset, .. }, true) = (segment, taken > 0) {
                let first = offset + *done as u32;
                host.push((first, first + taken as u32));
            }
            *done += taken;
            bytes -= taken;
            if *done == segment.receive_bytes() {
                (*at, *done) = (*at + 1, 0);
            }
        }
        pieces(&host).unwrap_or_default()
    }

    fn take(&mut self, mut bytes: usize, mut piece: impl FnMut(Piece)) {
        while let (Some(segment), true) = (self.segments.get(self.segment), bytes > 0) {
            let length = segment.send_bytes();
            let taken = bytes.min(length - self.byte);
            match segment {
                Segment::Send(literal) => piece(Piece::Literal(&literal[self.byte..][..taken])),
                Segment::SendHost { offset, .. } => piece(Piece::Host {
                    offset: offset + self.byte as u32,
                    bytes: taken as u32,
                }),
                Segment::Receive { .. } | Segment::Host(_) => {}
            }
            self.byte += taken;
            bytes -= taken;
            if self.byte == length {
                (self.segment, self.byte) = (self.segment + 1, 0);
            }
        }
    }
}

enum Piece<'a> {
    Literal(&'a [u8]),
    Host { offset: u32, bytes: u32 },
}

fn pieces(host: &[(u32, u32)]) -> Option<String> {
    let &(start, end) = host.first()?;
    Some(match host.len() {
        1 => format!("host {start}..{end}"),
        n => format!("host {start}..{end} and {} more pieces", n - 1),
    })
}
