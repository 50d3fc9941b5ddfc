//! Functions of two codes in the arithmetic of ONNX Runtime, and the sums of tables
//! and scaled products that are the same on all 65,536 pairs.
//!
//! The integer kernels add the output's zero point before they round, in f32:
//!
//! ```text
//!  QLinearAdd  round(fma(a, A, fma(b, B, c - fma(A, za, B * zb))))      A = sa / sc, B = sb / sc
//!  QLinearMul  round((a - za) * (b - zb) * M + c)                      M = sa * sb / sc
//! ```
//!
//! where `a`, `b`, zero points and the output's `c` are codes as stored for models in
//! QDQ form, which the runtime turns into uint8, and the model's own otherwise.

use crate::network::{CodeType, Finish, Kind, MapId, Quantiser};
use quern_isa::numerics::requantise_f32;
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Min,
    Max,
    /// The second operand is the slope of negative numbers.
    LeakyRelu,
}

/// In which numbers the runtime computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Codes as the accelerator stores them.
    Stored,
    /// The model's own codes.
    Own,
    /// Dequantised to f32, and quantised after.
    Real,
}

#[derive(Debug, Clone)]
pub struct PairRule {
    pub operator: PairOperator,
    pub quantisers: [Quantiser; 2],
    /// What the stored codes of each operand stand for.
    pub values: [Rc<[f32; 256]>; 2],
    /// The types of the operands in the runtime, where nothing has happened to them since
    /// they were dequantised.
    pub codes: Option<[CodeType; 2]>,
    /// The kernel takes the second operand first.
    pub swapped: bool,
}

/// Most fraction bits of the tables: enough for every case that was measured.
const FRACTION_BITS: u32 = 14;

/// Fewer, which are tried first: requantisers of four, six and eight bits a cycle take a cycle
/// more for sums of more than so many.
const CHEAP_FRACTION_BITS: [u32; 3] = [7, 9, 11];

/// Tables add up to less than this, so that 24-bit accumulators hold them.
const SMALL_SUM: f64 = (1 << 23) as f64;

impl PairOperator {
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            PairOperator::Add => a + b,
            PairOperator::Subtract => a - b,
            PairOperator::Multiply => a * b,
            PairOperator::Divide => a / b,
            PairOperator::Power => power(a, b),
            PairOperator::Min => a.min(b),
            PairOperator::Max => a.max(b),
            PairOperator::LeakyRelu if a > 0.0 => a,
            PairOperator::LeakyRelu => a * b,
        }
    }
}

fn power(x: f32, exponent: f32) -> f32 {
    match exponent {
        2.0 => x * x,
        3.0 => x * x * x,
        _ => x.powf(exponent),
    }
}

/// What a sum or product is quantised to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub quantiser: Quantiser,
    /// Its type in the runtime.
    pub code: CodeType,
}

impl Target {
    /// Whether the runtime drops a clamp in front of this quantiser, because it can't act.
    pub fn drops(&self, low: f32, high: f32) -> bool {
        (self.quantiser.quantise(low), self.quantiser.quantise(high)) == (0, 255)
    }
}

impl PairRule {
    /// Integer kernels are for tensors of one type, and for sums and products that are
    /// quantised at once.
    fn form(&self, target: &Target, clamped: bool) -> Form {
        let kernel = matches!(self.operator, PairOperator::Add | PairOperator::Multiply);
        match self.codes == Some([target.code; 2]) && kernel && !clamped {
            false => Form::Real,
            true if target.code == CodeType::I8 => Form::Own,
            true => Form::Stored,
        }
    }

    /// The stored code that ONNX Runtime gives for each pair of stored codes; `clamped`
    /// where it does not quantise them at once.
    pub fn codes<'a>(&'a self, target: &Target, clamped: bool) -> impl Fn(u8, u8) -> u8 + 'a {
        let (to, form) = (target.quantiser, self.form(target, clamped));
        move |a, b| self.code(a, b, &to, form)
    }

    fn code(&self, a: u8, b: u8, to: &Quantiser, form: Form) -> u8 {
        let offset = match form {
            Form::Real => {
                let [x, y] = [self.values[0][a as usize], self.values[1][b as usize]];
                return to.quantise(self.operator.apply(x, y));
            }
            Form::Own => 128.0,
            Form::Stored => 0.0,
        };
        let mut operands = [(a, &self.quantisers[0]), (b, &self.quantisers[1])];
        if self.swapped {
            operands.reverse();
        }
        let [(a, za, sa), (b, zb, sb)] = operands.map(|(code, quantiser)| {
            (
                code as f32 - offset,
                quantiser.zero_point as f32 - offset,
                quantiser.scale,
            )
        });
        let zero_point = to.zero_point as f32 - offset;
        let real = match self.operator {
            PairOperator::Multiply => {
                let scale = (sa * sb) / to.scale;
                (a - za) * (b - zb) * scale + zero_point
            }
            _ => {
                let (ra, rb) = (sa / to.scale, sb / to.scale);
                let fixed = zero_point - ra.mul_add(za, rb * zb);
                a.mul_add(ra, b.mul_add(rb, fixed))
            }
        };
        (real.round_ties_even() + offset).clamp(0.0, 255.0) as u8
    }

    /// The same function as one that the accelerator has, or why there is none.
    pub fn on_chip(
        &self,
        inputs: [MapId; 2],
        to: &Target,
        finish: &Finish,
    ) -> Result<Kind, String> {
        let (kind, differing) = match self.operator {
            PairOperator::Add | PairOperator::Subtract => self.addition(inputs, to, finish)?,
            PairOperator::Multiply => self.multiplication(inputs, to, finish)?,
            _ => return Err("the accelerator adds and multiplies two tensors only".to_string()),
        };
        let name = kind.name();
        match differing {
            0 => Ok(kind),
            _ => Err(format!(
                "of 65,536 pairs of codes {differing} round otherwise in ONNX Runtime than in an {name} of integers"
            )),
        }
    }

    /// A sum or difference as two tables, and the number of pairs on which they differ.
    fn addition(
        &self,
        inputs: [MapId; 2],
        to: &Target,
        finish: &Finish,
    ) -> Result<(Kind, usize), String> {
        let target = self.targets(to, finish);
        let form = self.form(to, (finish.low, finish.high) != (0, 255));
        let to = &to.quantiser;
        // Where the runtime adds real numbers it rounds first, then adds the zero point.
        let behind = match form {
            Form::Real => to.zero_point,
            _ => 0,
        };
        let ideal = |operand: usize, sign: f64, constant: f64| {
            std::array::from_fn(|code| {
                let value = self.values[operand][code] as f64 / to.scale as f64;
                sign * value + constant
            })
        };
        let sign = match self.operator {
            PairOperator::Subtract => -1.0,
            _ => 1.0,
        };
        let ideals: [[f64; 256]; 2] = [
            ideal(0, 1.0, (to.zero_point - behind) as f64),
            ideal(1, sign, 0.0),
        ];
        let (tables, fraction_bits) = fit(&target, behind as i64, finish, &ideals)?;
        let kind = |tables: [[i32; 256]; 2]| Kind::Add {
            inputs,
            tables: Rc::new(tables),
            fraction_bits,
            output_zero_point: behind,
        };
        let sum = |a: usize, b: usize| {
            crate::evaluate::sum_code(tables[0][a] + tables[1][b], fraction_bits, behind)
        };
        let differing = differing(&target, finish, sum);
        Ok((kind(tables), differing))
    }

    /// A product as one scale, and the number of pairs on which it differs.
    fn multiplication(
        &self,
        inputs: [MapId; 2],
        to: &Target,
        finish: &Finish,
    ) -> Result<(Kind, usize), String> {
        let plain = (0..2).all(|operand| {
            let quantiser = &self.quantisers[operand];
            (0..256).all(|code| {
                self.values[operand][code].to_bits() == quantiser.dequantise(code as u8).to_bits()
            })
        });
        if !plain {
            return Err(
                "an operand of the product is a function of codes, computed in floating point"
                    .to_string(),
            );
        }
        let target = self.targets(to, finish);
        let even_code = self.form(to, (finish.low, finish.high) != (0, 255)) != Form::Real;
        let to = &to.quantiser;
        let [a, b] = &self.quantisers;
        let zero_points = [a.zero_point, b.zero_point];
        let scale = (a.scale * b.scale) / to.scale;
        let differing = |scale: f32| {
            let product = |a: usize, b: usize| {
                let product =
                    (a as i32 - zero_points[0] as i32) * (b as i32 - zero_points[1] as i32);
                requantise_f32(product, scale, to.zero_point, even_code)
            };
            differing(&target, finish, product)
        };
        // A product next to a tie may need a scale a little larger or smaller.
        let mut best = (differing(scale), scale);
        for step in [1, -1, 2, -2] {
            if best.0 > 0 {
                let moved = f32::from_bits(scale.to_bits().wrapping_add_signed(step));
                let count = differing(moved);
                if count < best.0 {
                    best = (count, moved);
                }
            }
        }
        let (differing, scale) = best;
        let kind = Kind::Multiply {
            inputs,
            zero_points,
            scale,
            output_zero_point: to.zero_point,
            even_code,
        };
        Ok((kind, differing))
    }

    /// The code of each pair, between the bounds.
    pub fn targets(&self, to: &Target, finish: &Finish) -> Vec<u8> {
        let code = self.codes(to, (finish.low, finish.high) != (0, 255));
        let pairs = (0..256).flat_map(|a| (0..256).map(move |b| (a as u8, b as u8)));
        pairs
            .map(|(a, b)| code(a, b).max(finish.low).min(finish.high))
            .collect()
    }
}

fn differing(target: &[u8], finish: &Finish, code: impl Fn(usize, usize) -> u8) -> usize {
    let differs = |pair: &usize| {
        let code = code(pair / 256, pair % 256)
            .max(finish.low)
            .min(finish.high);
        code != target[*pair]
    };
    (0..1 << 16).filter(differs).count()
}

/// Tables whose sums round to the targets where that is possible, else the ideal
/// tables rounded.
fn fit(
    target: &[u8],
    behind: i64,
    finish: &Finish,
    ideals: &[[f64; 256]; 2],
) -> Result<([[i32; 256]; 2], u32), String> {
    let largest = |table: &[f64; 256]| table.iter().fold(0.0f64, |max, x| max.max(x.abs()));
    let reach = largest(&ideals[0]) + largest(&ideals[1]) + 1.0;
    if !reach.is_finite() || reach >= SMALL_SUM {
        return Err("its operands have values far beyond the codes of its output".to_string());
    }
    let fits = |bits: &u32| reach * (1u32 << bits) as f64 <= SMALL_SUM;
    let rounded = |bits: u32| {
        let unit = (1u32 << bits) as f64;
        ideals.map(|table| table.map(|x| (x * unit).round_ties_even() as i64))
    };
    let exact = |bits: u32| {
        let tables = nudge(target, behind, finish, rounded(bits), bits);
        Some((tables.filter(in_reach)?, bits))
    };
    let most = (0..=FRACTION_BITS).rev().find(fits).unwrap_or(0);
    let cheap = CHEAP_FRACTION_BITS.into_iter().filter(|&bits| bits < most);
    let (tables, fraction_bits) = cheap
        .chain([most])
        .find_map(exact)
        .unwrap_or_else(|| (rounded(most), most));
    let narrow = tables.map(|table| table.map(|entry| entry as i32));
    Ok((narrow, fraction_bits))
}

fn in_reach(tables: &[[i64; 256]; 2]) -> bool {
    let largest = |table: &[i64; 256]| table.iter().map(|entry| entry.abs()).max();
    let sum = largest(&tables[0]).unwrap_or(0) + largest(&tables[1]).unwrap_or(0);
    (sum as f64) < SMALL_SUM
}

/// Moves entries as little as needed for every sum to lie in the interval that rounds
/// to its target: a system of difference constraints, solved by relaxation (Bellman
/// and Ford). `None` where there is no solution.
fn nudge(
    target: &[u8],
    behind: i64,
    finish: &Finish,
    tables: [[i64; 256]; 2],
    fraction_bits: u32,
) -> Option<[[i64; 256]; 2]> {
    /// Solvable systems were never seen to take more than nine.
    const ROUNDS: usize = 12;
    let interval = |a: usize, b: usize| {
        let code = target[a * 256 + b];
        let wanted = code as i64 - behind;
        let edge = |half: i64, inside: i64| match fraction_bits {
            // Integers: the code itself.
            0 => wanted,
            // Ties go to the even neighbour.
            _ => (2 * wanted + half) * (1 << (fraction_bits - 1)) + inside * (wanted & 1),
        };
        let low = if code == finish.low {
            i64::MIN / 4
        } else {
            edge(-1, 1)
        };
        let high = if code == finish.high {
            i64::MAX / 4
        } else {
            edge(1, -1)
        };
        (low, high)
    };
    let [mut x, second] = tables;
    let mut y = second.map(|entry| -entry);
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (a, x) in x.iter().enumerate() {
            for (b, y) in y.iter_mut().enumerate() {
                let limit = x - interval(a, b).0;
                if *y > limit {
                    *y = limit;
                    changed = true;
                }
            }
        }
        for (a, x) in x.iter_mut().enumerate() {
            for (b, y) in y.iter().enumerate() {
                let limit = y + interval(a, b).1;
                if *x > limit {
                    *x = limit;
                    changed = true;
                }
            }
        }
        if !changed {
            return Some([x, y.map(|entry| -entry)]);
        }
    }
    None
}
