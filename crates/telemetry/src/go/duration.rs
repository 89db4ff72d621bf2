// SPDX-License-Identifier: Apache-2.0
//! `time.Duration.String` of Go: `0s`, `71.874µs`, `180.268028ms`, `1m0s`, `2h3m4.5s`.

use std::fmt;
use std::time::Duration;

/// A duration that displays as Go writes it; made by [`go_duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(Duration);

/// Wraps a duration for display in Go's notation.
///
/// Below one second the unit is chosen so that the integer part is not zero; from one second on
/// hours and minutes are written as soon as they are reached, zero minutes and seconds included.
pub fn go_duration(duration: Duration) -> GoDuration {
    GoDuration(duration)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let nanos = u64::from(self.0.subsec_nanos());
        if seconds == 0 {
            return match nanos {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanos}ns"),
                1_000..1_000_000 => fraction(f, nanos / 1_000, nanos % 1_000, 3, "µs"),
                _ => fraction(f, nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
            };
        }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        fraction(f, seconds % 60, nanos, 9, "s")
    }
}

/// Writes `whole.part` with `digits` decimals, trailing zeros removed, and the unit.
fn fraction(
    f: &mut fmt::Formatter<'_>,
    whole: u64,
    mut part: u64,
    digits: usize,
    unit: &str,
) -> fmt::Result {
    write!(f, "{whole}")?;
    if part > 0 {
        let mut width = digits;
        while part.is_multiple_of(10) {
            part /= 10;
            width -= 1;
        }
        write!(f, ".{part:0width$}")?;
    }
    f.write_str(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let table: &[(u64, u32, &str)] = &[
            (0, 0, "0s"),
            (0, 1, "1ns"),
            (0, 999, "999ns"),
            (0, 1_100, "1.1µs"),
            (0, 71_874, "71.874µs"),
            (0, 2_200_000, "2.2ms"),
            (0, 180_268_028, "180.268028ms"),
            (0, 125_000_000, "125ms"),
            (1, 0, "1s"),
            (3, 300_000_000, "3.3s"),
            (59, 999_999_999, "59.999999999s"),
            (60, 0, "1m0s"),
            (245, 1_000_000, "4m5.001s"),
            (1620, 0, "27m0s"),
            (3600, 0, "1h0m0s"),
            (18_367, 1_000_000, "5h6m7.001s"),
            (7384, 500_000_000, "2h3m4.5s"),
            (360_000, 0, "100h0m0s"),
        ];
        for &(seconds, nanos, want) in table {
            assert_eq!(go_duration(Duration::new(seconds, nanos)).to_string(), want);
        }
    }
}
