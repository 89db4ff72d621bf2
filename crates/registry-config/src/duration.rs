// SPDX-License-Identifier: Apache-2.0
//! Durations in Go's notation: `168h`, `1m30s`, `1.5h`, `250ms`.

use std::time::Duration;

/// Parses a duration as Go's `time.ParseDuration` does, except that negative ones are refused:
/// no setting has a use for one.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    let mut rest = text;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(nanoseconds(number, unit)?)?;
        rest = tail;
    }
    // Go's durations end at 2^63 - 1 nanoseconds.
    let total = u64::try_from(total).ok().filter(|&total| i64::try_from(total).is_ok())?;
    Some(Duration::from_nanos(total))
}

/// `number` (digits with at most one point) times `unit`, cut to whole nanoseconds.
fn nanoseconds(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        total = total.checked_add(u128::from(digit - b'0') * scale)?;
    }
    Some(total)
}

/// Prints a duration as Go does: `29s`, `1m30s`, `168h0m0s`, `1.5ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (unit, name) = match nanos {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{name}", decimal(nanos, unit));
    }
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
    let minutes = nanos / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit` in decimal notation without trailing zeros; `unit` is a power of ten.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let text = format!("{whole}.{fraction:0width$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_as_go_does() {
        let table = [
            ("168h", Some(604_800_000_000_000), "168h0m0s"),
            ("1m30s", Some(90_000_000_000), "1m30s"),
            ("1.5h", Some(5_400_000_000_000), "1h30m0s"),
            (".5s", Some(500_000_000), "500ms"),
            ("1.s", Some(1_000_000_000), "1s"),
            ("250us", Some(250_000), "250µs"),
            ("1.000000001s", Some(1_000_000_001), "1.000000001s"),
            ("7ns", Some(7), "7ns"),
            ("+2s", Some(2_000_000_000), "2s"),
            ("0", Some(0), "0s"),
            ("", None, ""),
            ("10", None, ""),
            ("-1s", None, ""),
            (".s", None, ""),
            ("1..5s", None, ""),
            ("1d", None, ""),
            ("s", None, ""),
            ("9999999999h", None, ""),
            ("99999999999999999999999999999999999999999h", None, ""),
        ];
        for (text, nanos, printed) in table {
            let parsed = parse_duration(text);
            assert_eq!(parsed, nanos.map(Duration::from_nanos), "{text:?}");
            if let Some(parsed) = parsed {
                assert_eq!(format_duration(parsed), printed);
            }
        }
    }
}
