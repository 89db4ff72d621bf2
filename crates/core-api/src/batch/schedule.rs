// SPDX-License-Identifier: Apache-2.0
//! Schedules of cron jobs: five fields or a word, as `crontab(5)` and its usual extensions have them; in UTC.

use std::fmt;
use std::str::FromStr;

use api::time::Time;

/// Seconds of a minute and of a day.
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// How far ahead [`Schedule::next`] looks: leap days that a schedule names come again within eight years.
const HORIZON_DAYS: i64 = 366 * 8;

/// Why a schedule cannot be read; the words of the parser that Kubernetes uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// When a cron job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At the times that all fields name.
    At(Fields),
    /// Again and again after that many seconds.
    Every(i64),
}

/// The five fields as sets of bits; `true`: the field was `*` or `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    minute: u64,
    hour: u64,
    day: (u64, bool),
    month: u64,
    weekday: (u64, bool),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field's bounds and the words that stand for its numbers.
struct Bounds {
    least: u64,
    most: u64,
    words: &'static [&'static str],
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.is_empty() {
            return Err(ScheduleError("empty spec string".to_owned()));
        }
        if let Some(word) = text.strip_prefix('@') {
            return word_schedule(text, word);
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            let found = parts.join(" ");
            return Err(ScheduleError(format!(
                "expected exactly 5 fields, found {}: [{found}]",
                parts.len()
            )));
        };
        Ok(Self::At(Fields {
            minute: field(minute, &Bounds { least: 0, most: 59, words: &[] })?.0,
            hour: field(hour, &Bounds { least: 0, most: 23, words: &[] })?.0,
            day: field(day, &Bounds { least: 1, most: 31, words: &[] })?,
            month: field(month, &Bounds { least: 1, most: 12, words: &MONTHS })?.0,
            weekday: field(weekday, &Bounds { least: 0, most: 6, words: &WEEKDAYS })?,
        }))
    }
}

fn word_schedule(text: &str, word: &str) -> Result<Schedule, ScheduleError> {
    let same = match word {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let Some(every) = word.strip_prefix("every ") else {
                return Err(ScheduleError(format!("unrecognized descriptor: {text}")));
            };
            return duration(every).map(|seconds| Schedule::Every(seconds.max(1))).ok_or_else(
                || {
                    ScheduleError(format!(
                        "failed to parse duration {text}: time: invalid duration {every:?}"
                    ))
                },
            );
        }
    };
    same.parse()
}

/// A Go duration in whole seconds.
fn duration(text: &str) -> Option<i64> {
    let (mut total, mut rest) = (0_i64, text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, length) = match rest {
            _ if rest.starts_with("ms") => (0, 2),
            _ if rest.starts_with('h') => (3600, 1),
            _ if rest.starts_with('m') => (60, 1),
            _ if rest.starts_with('s') => (1, 1),
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(length..)?;
    }
    Some(total)
}

/// A field: ranges separated by commas.
fn field(text: &str, bounds: &Bounds) -> Result<(u64, bool), ScheduleError> {
    let (mut bits, mut star) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (more, any) = range(part, bounds)?;
        bits |= more;
        star |= any;
    }
    Ok((bits, star))
}

/// `*`, `a`, `a-b`, each with `/step`.
fn range(text: &str, bounds: &Bounds) -> Result<(u64, bool), ScheduleError> {
    let pieces: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = pieces.first().copied().unwrap_or_default().split('-').collect();
    let (low, mut high, mut star) = match ends.as_slice() {
        ["*" | "?"] => (bounds.least, bounds.most, true),
        [one] => {
            let low = value(one, bounds)?;
            (low, low, false)
        }
        [low, high] => (value(low, bounds)?, value(high, bounds)?, false),
        _ => return Err(ScheduleError(format!("too many hyphens: {text}"))),
    };
    let step = match pieces.as_slice() {
        [_] => 1,
        [_, step] => {
            // `a/step` goes on to the end.
            if ends.len() == 1 && !star {
                high = bounds.most;
            }
            let step = number(step)?;
            star &= step <= 1;
            step
        }
        _ => return Err(ScheduleError(format!("too many slashes: {text}"))),
    };
    let wrong = |text: String| Err(ScheduleError(text));
    match () {
        () if low < bounds.least => {
            wrong(format!("beginning of range ({low}) below minimum ({}): {text}", bounds.least))
        }
        () if high > bounds.most => {
            wrong(format!("end of range ({high}) above maximum ({}): {text}", bounds.most))
        }
        () if low > high => {
            wrong(format!("beginning of range ({low}) beyond end of range ({high}): {text}"))
        }
        () if step == 0 => wrong(format!("step of range should be a positive number: {text}")),
        () => {
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            Ok(((low..=high).step_by(step).fold(0, |bits, at| bits | 1 << at), star))
        }
    }
}

fn value(text: &str, bounds: &Bounds) -> Result<u64, ScheduleError> {
    let lower = text.to_lowercase();
    match bounds.words.iter().position(|word| *word == lower) {
        Some(at) => Ok(bounds.least + u64::try_from(at).unwrap_or(0)),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, ScheduleError> {
    match text.parse::<i64>() {
        Ok(number) => u64::try_from(number)
            .map_err(|_| ScheduleError(format!("negative number ({number}) not allowed: {text}"))),
        Err(_) => Err(ScheduleError(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        ))),
    }
}

impl Schedule {
    /// The first time after `after`; none if the schedule names a day that never comes.
    #[must_use]
    pub fn next(&self, after: Time) -> Option<Time> {
        let fields = match self {
            Self::Every(seconds) => return Time::from_unix(after.seconds() + seconds, 0),
            Self::At(fields) => fields,
        };
        let first = (after.seconds().div_euclid(MINUTE) + 1) * MINUTE;
        let mut at = first;
        let end = first + HORIZON_DAYS * DAY;
        while at < end {
            if !fields.has_day(at.div_euclid(DAY)) {
                at = (at.div_euclid(DAY) + 1) * DAY;
                continue;
            }
            let of_day = at.rem_euclid(DAY);
            let (hour, minute) = (of_day / 3600, of_day / MINUTE % 60);
            if fields.hour >> hour & 1 == 0 {
                at = at - of_day + (hour + 1) * 3600;
            } else if fields.minute >> minute & 1 == 0 {
                at += MINUTE;
            } else {
                return Time::from_unix(at, 0);
            }
        }
        None
    }
}

impl Fields {
    /// Whether a day (counted from 1970) is meant. Day and weekday are alternatives if both are restricted.
    fn has_day(&self, day: i64) -> bool {
        let (month, of_month) = civil(day);
        let weekday = (day + 4).rem_euclid(7);
        if self.month >> month & 1 == 0 {
            return false;
        }
        let (by_day, by_weekday) =
            (self.day.0 >> of_month & 1 == 1, self.weekday.0 >> weekday & 1 == 1);
        if self.day.1 || self.weekday.1 { by_day && by_weekday } else { by_day || by_weekday }
    }
}

/// Month and day of month of a day counted from 1970 (years that begin in March make leap days the last).
fn civil(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }, of_month)
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:x} {:x} {:x} {:x} {:x}",
            self.minute, self.hour, self.day.0, self.month, self.weekday.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let schedule: Schedule = schedule.parse().expect("a schedule");
        schedule
            .next(Time::parse(after).expect("a time"))
            .map_or_else(|| "never".to_owned(), |time| time.to_string())
    }

    #[test]
    fn the_next_time() {
        let now = "2026-01-31T23:59:30Z";
        for (schedule, time) in [
            ("* * * * *", "2026-02-01T00:00:00Z"),
            ("0 0 * * *", "2026-02-01T00:00:00Z"),
            ("*/15 3 * * *", "2026-02-01T03:00:00Z"),
            ("5/20 3 * * *", "2026-02-01T03:05:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("30 4 1 * mon", "2026-02-01T04:30:00Z"),
            ("30 4 * * MON-fri", "2026-02-02T04:30:00Z"),
            ("0 0 30 2 *", "never"),
            ("@yearly", "2027-01-01T00:00:00Z"),
            ("@every 1h30m", "2026-02-01T01:29:30Z"),
        ] {
            assert_eq!(next(schedule, now), time, "{schedule}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (schedule, text) in [
            ("", "empty spec string"),
            ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            (
                "a * * * *",
                "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax",
            ),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("@often", "unrecognized descriptor: @often"),
        ] {
            assert_eq!(
                schedule.parse::<Schedule>().map_err(|error| error.to_string()),
                Err(text.to_owned())
            );
        }
    }
}
