// SPDX-License-Identifier: Apache-2.0
//! Rego's functions of time. The engine's own need two more crates and a table of time zones, and ask the machine for the
//! present; here UTC is the only zone.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use regorus::Value;

/// A function: its arguments, and what it gives; nothing of what can't be, as with others of the language.
///
/// # Errors
/// If it is asked for what is not there, while elsewhere it is: a rule under `not` would take nothing for an answer.
pub(super) type Function = fn(&[Value]) -> Result<Option<Value>, NotThere>;

/// Something that the functions of others have and these don't.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotThere {
    /// A time zone.
    #[error("the time zone {0:?} is not there: times are in UTC")]
    Zone(String),
    /// A layout of Go.
    #[error(
        "the layout {0:?} is not there: write RFC3339, RFC3339Nano, 2006-01-02, or 2006-01-02 15:04:05"
    )]
    Layout(String),
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Rfc3339,
    Rfc3339Nano,
    Date,
    DateTime,
}

impl Layout {
    /// Reads a layout of Go, or a name that OPA has for one.
    fn read(text: &str) -> Result<Self, NotThere> {
        match text {
            "RFC3339" | "2006-01-02T15:04:05Z07:00" => Ok(Self::Rfc3339),
            "RFC3339Nano" | "2006-01-02T15:04:05.999999999Z07:00" => Ok(Self::Rfc3339Nano),
            "2006-01-02" => Ok(Self::Date),
            "2006-01-02 15:04:05" => Ok(Self::DateTime),
            other => Err(NotThere::Layout(other.chars().take(NAME_CHARACTERS_MAX).collect())),
        }
    }
}

/// The longest name of a layout or zone that is said again, in characters.
const NAME_CHARACTERS_MAX: usize = 60;

/// All of them, with the number of their arguments.
pub(super) const FUNCTIONS: [(&str, u8, Function); 9] = [
    ("time.parse_rfc3339_ns", 1, |arguments| Ok(first_text(arguments).and_then(rfc3339))),
    ("time.parse_duration_ns", 1, |arguments| Ok(first_text(arguments).and_then(duration))),
    ("time.date", 1, date),
    ("time.clock", 1, clock),
    ("time.weekday", 1, weekday),
    ("time.add_date", 4, add_date),
    ("time.diff", 2, diff),
    ("time.format", 1, format),
    ("time.parse_ns", 2, parse),
];

const NANOSECONDS: i64 = 1_000_000_000;

fn number(value: &Value) -> Option<i64> {
    value.as_i64().ok()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn first_text(arguments: &[Value]) -> Option<&str> {
    arguments.first().and_then(text)
}

fn nanoseconds(timestamp: Timestamp) -> Option<Value> {
    i64::try_from(timestamp.as_nanosecond()).ok().map(Value::from)
}

/// Reads a time: nanoseconds, or those with a zone, which has to be UTC.
fn datetime(value: Option<&Value>) -> Result<Option<DateTime>, NotThere> {
    let Some(value) = value else { return Ok(None) };
    let stated = match value.as_array() {
        Ok(list) => {
            match list.get(1) {
                Some(Value::String(zone)) if matches!(zone.as_ref(), "" | "UTC") => {}
                Some(Value::String(zone)) => {
                    let zone = zone.chars().take(NAME_CHARACTERS_MAX).collect();
                    return Err(NotThere::Zone(zone));
                }
                _ => return Ok(None),
            }
            list.first()
        }
        Err(_) => Some(value),
    };
    let timestamp =
        stated.and_then(number).and_then(|it| Timestamp::from_nanosecond(it.into()).ok());
    Ok(timestamp.map(|timestamp| Offset::UTC.to_datetime(timestamp)))
}

fn numbers(values: impl IntoIterator<Item = i64>) -> Value {
    Value::from(values.into_iter().map(Value::from).collect::<Vec<_>>())
}

fn rfc3339(text: &str) -> Option<Value> {
    nanoseconds(text.parse().ok()?)
}

/// Reads a time in a layout.
fn parse(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let texts = (arguments.first().and_then(text), arguments.get(1).and_then(text));
    let (Some(layout), Some(value)) = texts else { return Ok(None) };
    let of = |start: Option<DateTime>| nanoseconds(Offset::UTC.to_timestamp(start?).ok()?);
    Ok(match Layout::read(layout)? {
        Layout::Rfc3339 | Layout::Rfc3339Nano => rfc3339(value),
        Layout::Date => of(Date::strptime("%Y-%m-%d", value).ok().map(|day| day.at(0, 0, 0, 0))),
        Layout::DateTime => of(DateTime::strptime("%Y-%m-%d %H:%M:%S", value).ok()),
    })
}

/// Reads a duration as Go writes it: `1h30m`, `-2.5s`, `10ms`.
fn duration(text: &str) -> Option<Value> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Value::from(0));
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(digits);
        let unit_length = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit_length.unwrap_or(after.len()));
        let scale: i64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOSECONDS,
            "m" => 60 * NANOSECONDS,
            "h" => 3_600 * NANOSECONDS,
            _ => return None,
        };
        total = total.checked_add(scaled(amount, scale)?)?;
        rest = after;
    }
    let is_empty = text.trim_start_matches(['-', '+']).is_empty();
    (!is_empty).then_some(())?;
    i64::try_from(sign * total).ok().map(Value::from)
}

/// Multiplies a decimal number.
fn scaled(amount: &str, scale: i64) -> Option<i128> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = i128::from(whole) * i128::from(scale);
    let mut unit = i128::from(scale);
    for digit in part.chars().take(18) {
        unit /= 10;
        total += i128::from(digit.to_digit(10)?) * unit;
    }
    Some(total)
}

fn date(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let of = |time: DateTime| numbers([time.year().into(), time.month().into(), time.day().into()]);
    Ok(datetime(arguments.first())?.map(of))
}

fn clock(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let of =
        |time: DateTime| numbers([time.hour().into(), time.minute().into(), time.second().into()]);
    Ok(datetime(arguments.first())?.map(of))
}

fn weekday(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let name = |time: DateTime| match time.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    Ok(datetime(arguments.first())?.map(|time| Value::from(name(time))))
}

fn add_date(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let Some(time) = datetime(arguments.first())? else { return Ok(None) };
    let number = |at: usize| arguments.get(at).and_then(number);
    let (Some(years), Some(months), Some(days)) = (number(1), number(2), number(3)) else {
        return Ok(None);
    };
    Ok(later(time, years, months, days))
}

/// Adds to a date as Go does: a day that its month does not have is one of the next month.
fn later(time: DateTime, years: i64, months: i64, days: i64) -> Option<Value> {
    let months = (i64::from(time.month()) - 1).checked_add(months)?;
    let year = i64::from(time.year()).checked_add(years)?.checked_add(months.div_euclid(12))?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
    let days = (i64::from(time.day()) - 1).checked_add(days)?;
    let date = first.checked_add(Span::new().try_days(days).ok()?).ok()?;
    nanoseconds(Offset::UTC.to_timestamp(date.to_datetime(time.time())).ok()?)
}

/// Returns years, months, days, hours, minutes and seconds between two times, whichever is the earlier.
fn diff(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let times = (datetime(arguments.first())?, datetime(arguments.get(1))?);
    let (Some(one), Some(other)) = times else { return Ok(None) };
    let (early, late) = if one < other { (one, other) } else { (other, one) };
    let of = |span: Span| {
        numbers([
            span.get_years().into(),
            span.get_months().into(),
            span.get_days().into(),
            span.get_hours().into(),
            span.get_minutes(),
            span.get_seconds(),
        ])
    };
    Ok(early.until((jiff::Unit::Year, late)).ok().map(of))
}

/// Writes a time; its third part is a layout, as with OPA.
fn format(arguments: &[Value]) -> Result<Option<Value>, NotThere> {
    let Some(time) = datetime(arguments.first())? else { return Ok(None) };
    let list = arguments.first().and_then(|value| value.as_array().ok());
    let layout = match list.and_then(|list| list.get(2)) {
        None => Layout::Rfc3339Nano,
        Some(Value::String(name)) => Layout::read(name)?,
        Some(_) => return Ok(None),
    };
    let Ok(timestamp) = Offset::UTC.to_timestamp(time) else { return Ok(None) };
    Ok(Some(Value::from(match layout {
        Layout::Rfc3339 => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Layout::Rfc3339Nano => timestamp.to_string(),
        Layout::Date => time.strftime("%Y-%m-%d").to_string(),
        Layout::DateTime => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls a function, and returns what it gives as JSON.
    fn call(name: &str, arguments: &str) -> Result<Option<String>, NotThere> {
        let (_, count, function) = FUNCTIONS.iter().find(|(known, ..)| *known == name).unwrap();
        let arguments = Value::from_json_str(arguments).unwrap();
        let arguments: Vec<Value> = arguments.as_array().unwrap().iter().cloned().collect();
        assert_eq!(arguments.len(), usize::from(*count), "{name}");
        Ok(function(&arguments)?.map(|value| serde_json::to_string(&value).unwrap()))
    }

    #[test]
    fn times_are_as_opa_has_them() {
        for (name, arguments, expected) in [
            ("time.parse_rfc3339_ns", r#"["2026-01-01T00:00:00Z"]"#, "1767225600000000000"),
            ("time.parse_rfc3339_ns", r#"["1970-01-01T01:00:00.5+01:00"]"#, "500000000"),
            ("time.parse_ns", r#"["2006-01-02", "1970-01-02"]"#, "86400000000000"),
            ("time.parse_ns", r#"["RFC3339", "1970-01-01T00:00:01Z"]"#, "1000000000"),
            ("time.parse_duration_ns", r#"["1h30m"]"#, "5400000000000"),
            ("time.parse_duration_ns", r#"["-2.5s"]"#, "-2500000000"),
            ("time.parse_duration_ns", r#"["1ms1us1ns"]"#, "1001001"),
            ("time.parse_duration_ns", r#"["0"]"#, "0"),
            ("time.date", "[1767225600000000000]", "[2026,1,1]"),
            ("time.date", r#"[[1767225600000000000, "UTC"]]"#, "[2026,1,1]"),
            ("time.clock", "[3661000000000]", "[1,1,1]"),
            ("time.weekday", "[0]", "\"Thursday\""),
            ("time.add_date", "[0, 1, 1, 1]", "34300800000000000"),
            // The 31st of January and a month: the 3rd of March.
            ("time.add_date", "[1769817600000000000, 0, 1, 0]", "1772496000000000000"),
            // The 29th of February and a year: the 1st of March.
            ("time.add_date", "[1709164801000000000, 1, 0, 0]", "1740787201000000000"),
            ("time.add_date", "[0, 0, -1, -1]", "-2764800000000000"),
            ("time.add_date", "[0, 0, 25, 0]", "65750400000000000"),
            ("time.add_date", "[0, 0, 0, 400]", "34560000000000000"),
            ("time.diff", "[0, 34300800000000000]", "[1,1,1,0,0,0]"),
            ("time.diff", "[3661000000000, 0]", "[0,0,0,1,1,1]"),
            ("time.format", "[0]", "\"1970-01-01T00:00:00Z\""),
            ("time.format", "[1500000000]", "\"1970-01-01T00:00:01.5Z\""),
            ("time.format", r#"[[1500000000, "UTC"]]"#, "\"1970-01-01T00:00:01.5Z\""),
            ("time.format", r#"[[1500000000, "", "RFC3339"]]"#, "\"1970-01-01T00:00:01Z\""),
            ("time.format", r#"[[1500000000, "", "2006-01-02"]]"#, "\"1970-01-01\""),
            (
                "time.format",
                r#"[[1500000000, "UTC", "2006-01-02 15:04:05"]]"#,
                "\"1970-01-01 00:00:01\"",
            ),
            ("time.parse_ns", r#"["2006-01-02 15:04:05", "1970-01-01 00:01:00"]"#, "60000000000"),
        ] {
            let found = call(name, arguments).unwrap();
            assert_eq!(found.as_deref(), Some(expected), "{name}{arguments}");
        }
    }

    #[test]
    fn what_can_t_be_gives_nothing() {
        for (name, arguments) in [
            ("time.parse_rfc3339_ns", r#"["soon"]"#),
            ("time.parse_rfc3339_ns", "[5]"),
            ("time.parse_rfc3339_ns", r#"["9999-01-01T00:00:00Z"]"#),
            ("time.parse_ns", r#"["2006-01-02", "soon"]"#),
            ("time.parse_ns", r#"["2006-01-02", "1970-01-01T00:00:00Z"]"#),
            ("time.parse_ns", "[1, 2]"),
            ("time.format", r#"[[0, "UTC", 5]]"#),
            ("time.format", r#"["now"]"#),
            ("time.parse_ns", r#"["2006-01-02", "1970-02-30"]"#),
            ("time.parse_duration_ns", r#"[""]"#),
            ("time.parse_duration_ns", r#"["-"]"#),
            ("time.parse_duration_ns", r#"["5"]"#),
            ("time.parse_duration_ns", r#"["1.2.3s"]"#),
            ("time.parse_duration_ns", r#"["1d"]"#),
            ("time.parse_duration_ns", r#"["99999999999999999999h"]"#),
            ("time.parse_duration_ns", r#"["9000000h"]"#),
            ("time.date", "[[0, 5]]"),
            ("time.date", r#"["now"]"#),
            ("time.clock", "[[]]"),
            ("time.add_date", "[0, 100000000, 0, 0]"),
            ("time.add_date", "[0, 1.5, 0, 0]"),
            ("time.diff", r#"[0, "x"]"#),
        ] {
            assert_eq!(call(name, arguments), Ok(None), "{name}{arguments}");
        }
    }
    #[test]
    fn what_others_have_is_told() {
        for (name, arguments, expected) in [
            ("time.date", r#"[[0, "Europe/Vienna"]]"#, "the time zone \"Europe/Vienna\""),
            ("time.clock", r#"[[0, "Local"]]"#, "the time zone \"Local\""),
            ("time.weekday", r#"[[0, "utc"]]"#, "the time zone \"utc\""),
            ("time.add_date", r#"[[0, "Asia/Tokyo"], 0, 0, 1]"#, "the time zone"),
            ("time.diff", r#"[0, [0, "Asia/Tokyo"]]"#, "the time zone"),
            ("time.format", r#"[[0, "Asia/Tokyo", "RFC3339"]]"#, "the time zone"),
            ("time.format", r#"[[0, "UTC", "Jan 2"]]"#, "the layout \"Jan 2\""),
            ("time.format", r#"[[0, "UTC", ""]]"#, "the layout \"\""),
            ("time.parse_ns", r#"["Jan 2", "Jan 3"]"#, "the layout \"Jan 2\""),
            ("time.parse_ns", r#"["RFC1123", "x"]"#, "the layout \"RFC1123\""),
        ] {
            let error = call(name, arguments).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{name}{arguments}: {error}");
        }
    }
}
