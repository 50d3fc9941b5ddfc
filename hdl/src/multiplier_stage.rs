//! A pipeline stage's worth of multiplier: some conditional-add rows in a row.
//!
//! ```text
//!  x ──► row 0 ──y[8:1]──► row 1 ──y[8:1]──► row 2 ──► y
//!          │ ▲               │ ▲               ▲
//!          │ w[0]            │ w[1]            w[2]
//!          └► low[0]         └► low[1]              (a goes to every row)
//! ```
//! Combinational. Each row adds `a` where its bit of the weight is set, and hands
//! the sum on without its lowest bit, which is a bit of the product:
//! `2^(rows-1) * y + low = x + a * w`.
//!
//! An 8 × 8 multiplier is the stages [`MultiplierStage3`], [`MultiplierStage3`],
//! [`MultiplierStage2Signed`], each taking `y[8:1]` of the one before as its `x`
//! (shown in [`Lane`](crate::Lane)).
//!
//! The stages are modules of their own in Verilog because the FPGA flow maps each
//! to one joined carry chain. They are simulated as native arithmetic
//! ([`crate::native`]).

use crate::native::native_block;
use crate::{ConditionalAdd, ConditionalSubtract};
use rust_hdl::prelude::*;

/// Three adding rows: `4 * y + low = x + a * w`, all unsigned.
#[derive(Default)]
pub struct MultiplierStage3 {
    pub x: Signal<In, Bits<8>>,
    pub a: Signal<In, Bits<8>>,
    pub w: Signal<In, Bits<3>>,
    /// At most 9 bits: (255 + 255 * 7) / 4 = 510.
    pub y: Signal<Out, Bits<9>>,
    pub low: Signal<Out, Bits<2>>,
    rows: Box<MultiplierRows3>,
}

impl Logic for MultiplierStage3 {
    crate::unit!("Three rows of the multiplier: `4 * y + low = x + a * w`, unsigned.");

    fn update(&mut self) {
        let sum = self.x.val().to_u32() + self.a.val().to_u32() * self.w.val().to_u32();
        self.y.next = bits((sum >> 2) as LiteralType);
        self.low.next = bits((sum & 3) as LiteralType);
    }

    fn connect(&mut self) {
        self.y.connect();
        self.low.connect();
    }

    fn hdl(&self) -> Verilog {
        self.rows.hdl()
    }
}

native_block!([] MultiplierStage3, ports: [x, a, w, y, low], parts: rows);

/// An adding and a subtracting row: `2 * y + low = x + a * w`, where `w` and `y`
/// are two's complement, `x` and `a` unsigned.
#[derive(Default)]
pub struct MultiplierStage2Signed {
    pub x: Signal<In, Bits<8>>,
    pub a: Signal<In, Bits<8>>,
    pub w: Signal<In, Bits<2>>,
    /// From (0 - 2 * 255) / 2 = -255 to (255 + 255) / 2 = 255.
    pub y: Signal<Out, Bits<9>>,
    pub low: Signal<Out, Bits<1>>,
    rows: Box<MultiplierRows2Signed>,
}

impl Logic for MultiplierStage2Signed {
    crate::unit!("The last two rows of the multiplier: `2 * y + low = x + a * w`, w and y signed.");

    fn update(&mut self) {
        let w = self.w.val().to_u32() as i32;
        let signed_w = (w & 1) - (w & 2);
        let sum = self.x.val().to_u32() as i32 + self.a.val().to_u32() as i32 * signed_w;
        self.y.next = bits((sum >> 1 & 0x1ff) as LiteralType);
        self.low.next = bits((sum & 1) as LiteralType);
    }

    fn connect(&mut self) {
        self.y.connect();
        self.low.connect();
    }

    fn hdl(&self) -> Verilog {
        self.rows.hdl()
    }
}

native_block!([] MultiplierStage2Signed, ports: [x, a, w, y, low], parts: rows);

/// What [`MultiplierStage3`] is made of.
#[derive(LogicBlock, Default)]
pub struct MultiplierRows3 {
    pub x: Signal<In, Bits<8>>,
    pub a: Signal<In, Bits<8>>,
    pub w: Signal<In, Bits<3>>,
    pub y: Signal<Out, Bits<9>>,
    pub low: Signal<Out, Bits<2>>,
    row: [ConditionalAdd<9>; 3],
    upper: Signal<Local, Bits<8>>,
}

impl Logic for MultiplierRows3 {
    crate::unit!("Three rows of the multiplier: `4 * y + low = x + a * w`, unsigned.");

    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..3 {
            self.row[i].a.next = bit_cast::<9, 8>(self.a.val());
            self.row[i].select.next = self.w.val().get_bit(i);
        }
        self.row[0].x.next = bit_cast::<9, 8>(self.x.val());
        for i in 1..3 {
            self.upper.next = self.row[i - 1].y.val().get_bits::<8>(1);
            self.row[i].x.next = bit_cast::<9, 8>(self.upper.val());
        }
        self.y.next = self.row[2].y.val();
        self.low.next = (bit_cast::<2, 1>(self.row[1].y.val().get_bits::<1>(0)) << 1)
            | bit_cast::<2, 1>(self.row[0].y.val().get_bits::<1>(0));
    }
}

/// What [`MultiplierStage2Signed`] is made of.
#[derive(LogicBlock, Default)]
pub struct MultiplierRows2Signed {
    pub x: Signal<In, Bits<8>>,
    pub a: Signal<In, Bits<8>>,
    pub w: Signal<In, Bits<2>>,
    pub y: Signal<Out, Bits<9>>,
    pub low: Signal<Out, Bits<1>>,
    row: ConditionalAdd<9>,
    sign_row: ConditionalSubtract<9>,
}

impl Logic for MultiplierRows2Signed {
    crate::unit!("The last two rows of the multiplier: `2 * y + low = x + a * w`, w and y signed.");

    #[hdl_gen]
    fn update(&mut self) {
        self.row.x.next = bit_cast::<9, 8>(self.x.val());
        self.row.a.next = bit_cast::<9, 8>(self.a.val());
        self.row.select.next = self.w.val().get_bit(0);
        self.sign_row.x.next = bit_cast::<9, 8>(self.row.y.val().get_bits::<8>(1));
        self.sign_row.a.next = bit_cast::<9, 8>(self.a.val());
        self.sign_row.select.next = self.w.val().get_bit(1);
        self.y.next = self.sign_row.y.val();
        self.low.next = self.row.y.val().get_bits::<1>(0);
    }
}
