// SPDX-License-Identifier: Apache-2.0
//! Points in time as objects carry them: `metav1.Time` (whole seconds) and `metav1.MicroTime`.
//!
//! Nothing here asks what time it is: the clock is the caller's.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {} as {}: cannot parse", crate::go::quote(text), crate::go::quote(layout))]
pub struct TimeError {
    text: String,
    layout: &'static str,
}

const TIME_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Seconds and nanoseconds since 1970, in years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    seconds: i64,
    nanos: u32,
}

const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

impl Time {
    /// That many seconds and nanoseconds since 1970, if that lies in years 1 to 9999.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Option<Self> {
        ((FIRST..=LAST).contains(&seconds) && nanos < 1_000_000_000)
            .then_some(Self { seconds, nanos })
    }

    /// What a clock says. (A clock before 1970 counts as 1970.)
    #[must_use]
    pub fn from_system(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = i64::try_from(since.as_secs()).unwrap_or(LAST).min(LAST);
        Self { seconds, nanos: since.subsec_nanos() }
    }

    /// As a clock would say it. (Before 1970 counts as 1970.)
    #[must_use]
    pub fn to_system(self) -> SystemTime {
        let seconds = u64::try_from(self.seconds).unwrap_or_default();
        UNIX_EPOCH + Duration::new(seconds, self.nanos)
    }

    /// Reads RFC 3339, with or without a fraction.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        Self::parse_as(text, TIME_LAYOUT)
    }

    /// Reads RFC 3339 with exactly six digits of fraction, as `MicroTime` demands.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_micro(text: &str) -> Result<Self, TimeError> {
        let fraction = text
            .split_once('.')
            .map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        if fraction == Some(6) {
            Self::parse_as(text, MICRO_LAYOUT)
        } else {
            Err(TimeError { text: text.to_owned(), layout: MICRO_LAYOUT })
        }
    }

    fn parse_as(text: &str, layout: &'static str) -> Result<Self, TimeError> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|it| Self::from_unix(it.unix_timestamp(), it.nanosecond()))
            .ok_or_else(|| TimeError { text: text.to_owned(), layout })
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The form of `MicroTime`: `2026-01-02T03:04:05.000006Z`.
    #[must_use]
    pub fn to_micro(self) -> String {
        let text = self.to_string();
        format!("{}.{:06}Z", text.trim_end_matches('Z'), self.nanos / 1_000)
    }
}

/// The form of `Time`: whole seconds, UTC.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at =
            OffsetDateTime::from_unix_timestamp(self.seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let time = Time::parse("2026-01-02T03:04:05.123456789+02:00").expect("a time");
        assert_eq!(time.to_string(), "2026-01-02T01:04:05Z");
        assert_eq!(time.to_micro(), "2026-01-02T01:04:05.123456Z");
        assert_eq!(Time::parse_micro(&time.to_micro()).expect("own form").nanos(), 123_456_000);
        assert_eq!(Time::parse("0001-01-01T00:00:00Z").expect("Go's zero").seconds(), FIRST);
        assert!(Time::parse_micro("2026-01-02T03:04:05Z").is_err());
        assert!(Time::parse("2026-01-02").is_err());
        assert!(Time::parse("tomorrow").is_err());
    }
}
