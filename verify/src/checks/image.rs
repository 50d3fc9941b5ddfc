//! What is in an image: small units, each placed by itself.

use super::exported;
use crate::check::{Check, Evidence, Figures, Group, Obstacle, Outcome};
use crate::equivalence::Verdict;
use crate::image;
use quern_hdl::verilog::Verilog;
use quern_hdl::{BeatRing, GridAddress, GridCounter, Lane, Loader, MatrixSequencer, Sequencer};

struct Unit {
    name: &'static str,
    export: fn() -> Result<Verilog, Obstacle>,
    quick: bool,
}

const UNITS: [Unit; 7] = [
    Unit {
        name: "beat_ring",
        export: || exported(BeatRing::<8>::default()),
        quick: true,
    },
    Unit {
        name: "sequencer",
        export: || exported(Sequencer::new(&quern_isa::CU)),
        quick: true,
    },
    Unit {
        name: "lane",
        export: || exported(Lane::default()),
        quick: true,
    },
    Unit {
        name: "grid_counter",
        export: || exported(GridCounter::<9, 9>::default()),
        quick: true,
    },
    Unit {
        name: "loader",
        export: || exported(Loader::<8, 4, 9, 3>::default()),
        quick: true,
    },
    Unit {
        name: "matrix_sequencer",
        export: || exported(MatrixSequencer::<8, 8, 8>::default()),
        quick: true,
    },
    Unit {
        name: "grid_address",
        export: || exported(GridAddress::<9>::default()),
        quick: false,
    },
];

pub fn all() -> Vec<Check> {
    UNITS.into_iter().map(check).collect()
}

fn check(unit: Unit) -> Check {
    let check = Check::new(
        Group::Image,
        format!("image.{}", unit.name),
        format!(
            "the image of `{}`, decoded from its bits, does what the unit's Verilog says",
            unit.name
        ),
        move |_| {
            let comparison = image::check(&(unit.export)()?)?;
            let (fault, seen) = comparison.control;
            let outcome = match comparison.verdict {
                Verdict::Equal => Outcome::shown(Evidence::Proven).figures(Figures {
                    equivalence_checked: Some(1),
                    ..Figures::default()
                }),
                Verdict::Different => Outcome::failed("they differ"),
                Verdict::Undecided => Outcome::failed("not decided within the time"),
            };
            Ok(outcome
                .control(fault, seen)
                .detail("look-up tables", comparison.look_up_tables))
        },
    );
    match unit.quick {
        true => check,
        false => check.only_in_full(),
    }
}
