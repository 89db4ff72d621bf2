// SPDX-License-Identifier: Apache-2.0
//! `resource.Quantity`: fixed-point numbers with suffixes, such as `500m`, `1.5Gi` or `12e6`.
//!
//! A quantity is kept exactly, as a whole number times a power of ten not below 10^-9, and remembers in which of the
//! three notations it was written. Kubernetes' numbers have no limit; here more than 37 digits are refused, which no
//! amount of anything needs.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// How a quantity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

/// Why a text is no quantity; the texts are Kubernetes'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number is not one, or has too many digits.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// No such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// A number of bytes, CPUs or objects.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The number without its power of ten; not divisible by ten unless the scale is 0 or it is 0.
    mantissa: i128,
    /// The power of ten, at least [`NANO`].
    scale: i32,
    format: Format,
    /// The text it was read from, where Kubernetes writes it back unchanged.
    text: Option<Box<str>>,
}

/// The smallest power of ten: less is rounded up.
const NANO: i32 = -9;
/// The largest power of ten that is accepted: with it, any mantissa can still be compared.
const MAX_SCALE: i64 = 1_000;
const MAX_DIGITS: usize = 37;
/// What binary quantities are capped at.
const BINARY_CAP: i128 = i64::MAX as i128;
const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

enum Suffix {
    Decimal(i32),
    Exponent(i32),
    Binary(u32),
}

fn suffix(text: &str) -> Result<Suffix, QuantityError> {
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == text) {
        return Ok(Suffix::Decimal(*exponent));
    }
    if let Some(at) = BINARY_SUFFIXES.iter().position(|name| *name == text) {
        return Ok(Suffix::Binary(u32::try_from(at * 10).unwrap_or_default()));
    }
    let digits = text.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let exponent: i64 = digits.parse().map_err(|_| QuantityError::Suffix)?;
    if exponent.abs() > MAX_SCALE {
        return Err(QuantityError::Numeric);
    }
    Ok(Suffix::Exponent(i32::try_from(exponent).unwrap_or_default()))
}

impl Quantity {
    /// Nothing.
    #[must_use]
    pub fn zero() -> Self {
        Self { mantissa: 0, scale: 0, format: Format::DecimalSi, text: None }
    }

    /// A whole number in that notation.
    #[must_use]
    pub fn new(value: i64, format: Format) -> Self {
        Self { mantissa: value.into(), scale: 0, format, text: None }
    }

    /// A number of thousandths, as CPU is counted.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self::of(millis.into(), -3, Format::DecimalSi)
    }

    fn of(mut mantissa: i128, mut scale: i32, format: Format) -> Self {
        if mantissa == 0 {
            scale = 0;
        }
        while scale < NANO {
            // Away from zero: who asks for a little gets a little.
            mantissa = mantissa / 10 + (mantissa % 10).signum();
            scale += 1;
        }
        while scale < 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale += 1;
        }
        Self { mantissa, scale, format, text: None }
    }

    /// Reads a quantity.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let negative = text.starts_with('-');
        let (number, rest) = unsigned
            .split_at(unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len()));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))
            }
            None => ("", rest),
        };
        check_suffix_shape(rest)?;
        if text.is_empty() || (number.is_empty() && fraction.is_empty()) {
            return Err(if rest.is_empty() && !unsigned.is_empty() {
                QuantityError::Numeric
            } else {
                QuantityError::Format
            });
        }
        let suffix = suffix(rest)?;
        let number = number.trim_start_matches('0');
        if number.len() + fraction.len() > MAX_DIGITS {
            return Err(QuantityError::Numeric);
        }
        let digits = format!("{number}{fraction}");
        let mantissa: i128 = if digits.is_empty() {
            0
        } else {
            digits.parse().map_err(|_| QuantityError::Numeric)?
        };
        let places = i32::try_from(fraction.len()).unwrap_or_default();
        let mut quantity = match suffix {
            Suffix::Decimal(exponent) => Self::of(mantissa, exponent - places, Format::DecimalSi),
            Suffix::Exponent(exponent) => {
                Self::of(mantissa, exponent - places, Format::DecimalExponent)
            }
            Suffix::Binary(bits) => Self::binary(mantissa, bits, places),
        };
        if negative {
            quantity.mantissa = -quantity.mantissa;
        }
        if kept_as_written(&digits, &quantity, rest, places) {
            quantity.text = Some(text.into());
        }
        Ok(quantity)
    }

    fn binary(mantissa: i128, bits: u32, places: i32) -> Self {
        let Some(mut value) = mantissa.checked_mul(1_i128 << bits) else {
            return Self::of(BINARY_CAP, 0, Format::BinarySi);
        };
        // Digits that cannot matter go before a comparison with the cap could overflow.
        let mut scale = -places;
        while scale < NANO {
            value = value / 10 + (value % 10).signum();
            scale += 1;
        }
        let mut quantity = Self::of(value, scale, Format::BinarySi);
        let one = Self::new(1, Format::BinarySi);
        if quantity > Self::of(BINARY_CAP, 0, Format::BinarySi) {
            quantity = Self::of(BINARY_CAP, 0, Format::BinarySi);
        } else if !quantity.is_zero() && quantity < one {
            quantity.format = Format::DecimalSi;
        }
        quantity
    }

    /// Reads a quantity from JSON, where it is a string or a number.
    ///
    /// # Errors
    /// When it is neither, or the text is no quantity.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::zero()),
            _ => Err(QuantityError::Format),
        }
    }

    /// Its notation.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn signum(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// The value in units of 10^`scale`, rounded away from zero; capped at what fits.
    #[must_use]
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let mut value = self.mantissa;
        let mut at = self.scale;
        while at < scale && value != 0 {
            if at + 1 < scale && value.abs() < 10 {
                value = value.signum();
                break;
            }
            value = value / 10 + (value % 10).signum();
            at += 1;
        }
        while at > scale && value != 0 {
            match value.checked_mul(10) {
                Some(more) => value = more,
                None => return if value > 0 { i64::MAX } else { i64::MIN },
            }
            at -= 1;
        }
        i64::try_from(value).unwrap_or(if value > 0 { i64::MAX } else { i64::MIN })
    }

    /// The value as a whole number, rounded away from zero.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// The value in thousandths, rounded away from zero.
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// The sum; a sum that begins at 0 takes the other's notation. Sums too large to hold stay at the largest.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        if self.is_zero() || other.is_zero() {
            let (mantissa, scale) = if self.is_zero() {
                (other.mantissa, other.scale)
            } else {
                (self.mantissa, self.scale)
            };
            return Self::of(mantissa, scale, format);
        }
        let (high, low) = if self.scale >= other.scale { (self, other) } else { (other, self) };
        let raised = raise(high.mantissa, high.scale.abs_diff(low.scale));
        match raised.and_then(|it| it.checked_add(low.mantissa)) {
            Some(sum) => Self::of(sum, low.scale, format),
            // One of them is so much larger that the other does not show.
            None => Self::of(high.mantissa, high.scale, format),
        }
    }

    /// The difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        let mut negative = other.clone();
        negative.mantissa = -negative.mantissa;
        negative.text = None;
        self.add(&negative)
    }

    /// Its number and suffix in decimal notation: the exponent is the largest multiple of three that fits.
    fn decimal(&self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let (mut mantissa, mut scale) = (self.mantissa, self.scale);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            scale += 1;
        }
        let mut zeros = scale.rem_euclid(3);
        if format == Format::DecimalSi && scale - zeros > 18 {
            // There is no suffix beyond exa.
            zeros = scale - 18;
        }
        let exponent = scale - zeros;
        write!(f, "{mantissa}")?;
        for _ in 0..zeros {
            f.write_str("0")?;
        }
        if format == Format::DecimalExponent {
            return if exponent == 0 { Ok(()) } else { write!(f, "e{exponent}") };
        }
        let name = DECIMAL_SUFFIXES.iter().find(|(_, it)| *it == exponent).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

fn raise(mantissa: i128, by: u32) -> Option<i128> {
    10_i128.checked_pow(by)?.checked_mul(mantissa)
}

/// A suffix is letters, then a sign, then digits.
fn check_suffix_shape(suffix: &str) -> Result<(), QuantityError> {
    let rest = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    if rest.bytes().all(|it| it.is_ascii_digit()) { Ok(()) } else { Err(QuantityError::Format) }
}

/// Whether Kubernetes' quick path keeps the text as it was written, even where that is not the canonical form
/// (`1.500G`): what clients wrote is what they read back.
fn kept_as_written(digits: &str, quantity: &Quantity, suffix: &str, places: i32) -> bool {
    if quantity.is_zero() {
        return false;
    }
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    match quantity.format {
        Format::BinarySi => {
            let bits = BINARY_SUFFIXES.iter().position(|it| *it == suffix).unwrap_or_default();
            let bits = i32::try_from(bits * 10).unwrap_or_default();
            let last_bits = digits.parse::<i64>().map(|it| it & 7).unwrap_or_default();
            places == 0 && 15 - length - bits * 3 / 10 > 0 && last_bits != 0
        }
        Format::DecimalSi | Format::DecimalExponent => {
            if BINARY_SUFFIXES[1..].contains(&suffix) {
                return false;
            }
            let Ok(Suffix::Decimal(exponent) | Suffix::Exponent(exponent)) = self::suffix(suffix)
            else {
                return false;
            };
            let scale = exponent - places;
            length <= 18
                && scale >= NANO
                && scale % 3 == 0
                && !digits.ends_with("000")
                && !digits.starts_with('0')
        }
    }
}

/// The canonical form, or the text it was read from where Kubernetes keeps that.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.format != Format::BinarySi {
            return self.decimal(f, self.format);
        }
        // Small and fractional numbers are not rounded for the sake of the notation.
        let whole = u32::try_from(self.scale).ok().and_then(|it| raise(self.mantissa, it));
        match whole {
            Some(mut value) if value.abs() >= 1024 => {
                let mut suffix = 0;
                while value % 1024 == 0 && suffix + 1 < BINARY_SUFFIXES.len() {
                    value /= 1024;
                    suffix += 1;
                }
                write!(f, "{value}{}", BINARY_SUFFIXES[suffix])
            }
            _ => self.decimal(f, Format::DecimalSi),
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl From<&Quantity> for Value {
    fn from(quantity: &Quantity) -> Self {
        Self::String(quantity.to_string())
    }
}

/// By value; the notation does not matter.
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.mantissa.signum();
        if sign != other.mantissa.signum() {
            return sign.cmp(&other.mantissa.signum());
        }
        let (high, low) = if self.scale >= other.scale { (self, other) } else { (other, self) };
        let order = match raise(high.mantissa, high.scale.abs_diff(low.scale)) {
            Some(raised) => raised.cmp(&low.mantissa),
            // Beyond what can be computed, so beyond the other.
            None if sign > 0 => Ordering::Greater,
            None if sign < 0 => Ordering::Less,
            None => Ordering::Equal,
        };
        if self.scale >= other.scale { order } else { order.reverse() }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}
