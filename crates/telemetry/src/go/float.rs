// SPDX-License-Identifier: Apache-2.0
//! `strconv.FormatFloat` of Go in the shortest `g` form, and the form of `encoding/json`.
//!
//! Rust already finds the shortest digits that read back as the same number; only the layout
//! (where the exponent form begins, its sign and width) differs.

use std::fmt::{self, Write as _};

/// A number that displays as Go writes it; made by [`go_float`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoFloat(f64);

/// Wraps a number for display as by `FormatFloat(f, 'g', -1, 64)`: `1`, `0.25`, `1e+06`,
/// `1.234e-05`, `+Inf`, `NaN`.
pub fn go_float(value: f64) -> GoFloat {
    GoFloat(value)
}

impl fmt::Display for GoFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.is_nan() {
            return f.write_str("NaN");
        }
        if value.is_infinite() {
            return f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        }
        // `%g` with the shortest precision decides as if the precision were 6.
        let parts = Parts::of(value);
        if parts.exponent < -4 || parts.exponent >= 6 {
            return parts.exponent_form(f, 2);
        }
        write!(f, "{value}")
    }
}

/// The shortest decimal digits of a finite number: `-1.234e-5` in pieces.
struct Parts {
    text: Digits,
    mantissa: usize,
    exponent: i32,
}

impl Parts {
    fn of(value: f64) -> Self {
        let mut text = Digits { bytes: [0; 32], len: 0 };
        // 32 bytes hold every f64 in this form: sign, 17 digits, point, "e-324".
        let _ = write!(text, "{value:e}");
        let mantissa = text.as_str().find('e').unwrap_or(text.len);
        let exponent = text.as_str()[mantissa..].trim_start_matches('e').parse().unwrap_or(0);
        Self { text, mantissa, exponent }
    }

    fn exponent_form(&self, f: &mut impl fmt::Write, width: usize) -> fmt::Result {
        let sign = if self.exponent < 0 { '-' } else { '+' };
        let mantissa = &self.text.as_str()[..self.mantissa];
        write!(f, "{mantissa}e{sign}{:0width$}", self.exponent.unsigned_abs())
    }
}

struct Digits {
    bytes: [u8; 32],
    len: usize,
}

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Writes a number as `encoding/json` does: exponent form below 1e-6 and from 1e21, without
/// padding of the exponent. JSON has no infinities; they become strings.
pub(crate) fn write_json_float(out: &mut impl fmt::Write, value: f64) -> fmt::Result {
    if !value.is_finite() {
        return write!(out, "\"{}\"", go_float(value));
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        return Parts::of(value).exponent_form(out, 1);
    }
    write!(out, "{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_g() {
        // The middle block is taken from recorded metrics pages.
        let table: &[(f64, &str)] = &[
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.25, "0.25"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.000_012_34, "1.234e-05"),
            (47_263_744.0, "4.7263744e+07"),
            (1_795_452_456.55, "1.79545245655e+09"),
            (4.6797e-05, "4.6797e-05"),
            (0.000117709, "0.000117709"),
            (5.325158700999999, "5.325158700999999"),
            (4.8720999999999997e-05, "4.8720999999999997e-05"),
            (1_500_000.5, "1.5000005e+06"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (u64::MAX as f64, "1.8446744073709552e+19"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for &(value, want) in table {
            assert_eq!(go_float(value).to_string(), want);
        }
    }

    #[test]
    fn json() {
        let table: &[(f64, &str)] = &[
            (0.0, "0"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-9, "1.5e-9"),
            (f64::NAN, "\"NaN\""),
        ];
        for &(value, want) in table {
            let mut out = String::new();
            write_json_float(&mut out, value).expect("a string takes everything");
            assert_eq!(out, want);
        }
    }
}
