//! Which serial rates a clock makes.

use quern_fpga::flow::{divisor, BAUD};
use quern_fpga::BuildError;

#[test]
fn a_rate_within_the_tolerance_has_a_divisor() {
    assert_eq!(divisor(100_000_000, BAUD).unwrap(), 100);
    assert_eq!(divisor(100_000_000, 3_000_000).unwrap(), 33);
    assert_eq!(divisor(100_000_000, 4_000_000).unwrap(), 25);
    assert_eq!(divisor(100_000_000, 2_020_000).unwrap(), 50);
}

#[test]
fn any_other_rate_is_refused_and_the_nearest_one_named() {
    for (clock, rate, other) in [
        (100_000_000, 7_000_000, 7_142_857),
        (100_000_000, 12_000_000, 12_500_000),
        (100_000_000, 100_000_000, 25_000_000),
        (100_000_000, 115_200, 781_250),
    ] {
        let Err(BuildError::Baud { baud, nearest, .. }) = divisor(clock, rate) else {
            panic!("{rate} bits a second at {clock} Hz");
        };
        assert_eq!((baud, nearest), (rate, other));
    }
}
