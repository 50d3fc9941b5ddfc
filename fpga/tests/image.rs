//! The way from Verilog to a bitstream on a design that takes seconds: the image is the
//! same whatever runs beside it and wherever it comes from.

use quern_fpga::cache::Cache;
use quern_fpga::image::{self, Recipe, Search, Toolchain, BITSTREAM};
use quern_fpga::BuildError;
use std::fs;
use std::path::Path;

const DESIGN: &str = "
module counter(input clock, input step, output [15:0] value);
  reg [15:0] count = 0;
  always @(posedge clock) if (step) count <= count + 16'd1;
  assign value = count;
endmodule

module trial(input clock, output [7:0] leds);
  wire [15:0] fast, slow;
  counter first(.clock(clock), .step(1'b1), .value(fast));
  counter second(.clock(clock), .step(&fast), .value(slow));
  assign leds = slow[15:8];
endmodule
";

/// As in a constraint file: balls of the package, without order.
const CONSTRAINTS: &str = "
set_io clock P7
set_io leds[0] J11
set_io leds[1] K11
set_io leds[2] K12
set_io leds[3] K14
set_io leds[4] L12
set_io leds[5] L14
set_io leds[6] M12
set_io leds[7] N14
";

fn make(recipe: &Recipe, cache: &Cache, folder: &Path) -> Search {
    let toolchain = Toolchain::find().unwrap();
    fs::create_dir_all(folder).unwrap();
    recipe.synthesise(&toolchain, cache, folder).unwrap();
    let search = recipe.place(&toolchain, cache, folder).unwrap();
    if search.found.is_some() {
        image::pack(folder).unwrap();
    }
    search
}

fn recipe(clock_mhz: f64, jobs: usize) -> Recipe<'static> {
    Recipe {
        verilog: DESIGN,
        top: "trial",
        constraints: CONSTRAINTS,
        clock_mhz,
        seeds: &[1, 2, 3, 4],
        jobs,
    }
}

#[test]
fn the_image_is_the_same_whatever_the_jobs_and_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    // A clock that some seeds meet and the first one does not, so that there is a choice.
    let all = make(&recipe(1000.0, 4), &cache, &folder.path().join("all"));
    assert!(all.found.is_none());
    let fmax: Vec<f64> = all.attempts.iter().map(|a| a.fmax_mhz.unwrap()).collect();
    assert_eq!(fmax.len(), 4);

    let mut images = Vec::new();
    for (name, jobs, cache) in [
        ("alone", 1, &Cache::none()),
        ("beside", 3, &Cache::none()),
        ("made", 2, &cache),
        ("cached", 4, &cache),
    ] {
        let own = folder.path().join(name);
        let search = make(&recipe(100.0, jobs), cache, &own);
        let (seed, placed) = search.found.unwrap();
        assert!(placed.fmax_mhz >= 100.0);
        images.push((seed, fs::read(own.join(BITSTREAM)).unwrap()));
        let seeds = fs::read_dir(&own).unwrap().flatten();
        let left = seeds.filter(|entry| entry.path().is_dir()).count();
        assert_eq!(left, 0, "no folder of a seed stays");
    }
    assert!(images.iter().all(|image| *image == images[0]));
    assert_eq!(images[0].1.len(), 135_100);
}

#[test]
fn a_damaged_placement_in_the_cache_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache_folder = folder.path().join("cache");
    let cache = Cache::at(&cache_folder);
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    make(&recipe(100.0, 1), &cache, &one);
    let mut damaged = 0;
    for entry in fs::read_dir(&cache_folder).unwrap().flatten() {
        let routed = entry.path().join("quern.asc");
        if let Ok(mut bytes) = fs::read(&routed) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&routed, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    make(&recipe(100.0, 1), &cache, &two);
    let image = |folder: &Path| fs::read(folder.join(BITSTREAM)).unwrap();
    assert!(image(&one) == image(&two));
}

#[test]
fn a_design_without_place_is_an_error_of_the_tool() {
    let folder = tempfile::tempdir().unwrap();
    let constraints = CONSTRAINTS.replace("P7", "Z99");
    let recipe = Recipe {
        constraints: &constraints,
        ..recipe(100.0, 2)
    };
    let toolchain = Toolchain::find().unwrap();
    recipe
        .synthesise(&toolchain, &Cache::none(), folder.path())
        .unwrap();
    let error = recipe
        .place(&toolchain, &Cache::none(), folder.path())
        .unwrap_err();
    assert!(matches!(error, BuildError::Tool(_)), "{error}");
    assert!(error.to_string().contains("Z99"), "{error}");
}
