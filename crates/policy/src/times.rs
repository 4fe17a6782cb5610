// SPDX-License-Identifier: Apache-2.0
//! Rego's functions of time. The engine's own need two more crates and a table of time zones, and ask the machine for the
//! present; here UTC is the only zone.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp};
use regorus::Value;

/// A function: its arguments, and what it gives.
pub(super) type Function = fn(&[Value]) -> Option<Value>;

/// All of them, with the number of their arguments.
pub(super) const FUNCTIONS: [(&str, u8, Function); 9] = [
    ("time.parse_rfc3339_ns", 1, parse_rfc3339),
    ("time.parse_duration_ns", 1, parse_duration),
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

fn nanoseconds(timestamp: Timestamp) -> Option<Value> {
    i64::try_from(timestamp.as_nanosecond()).ok().map(Value::from)
}

/// Reads a time: nanoseconds, or those with a zone, which has to be UTC.
fn datetime(value: &Value) -> Option<DateTime> {
    let stated = match value.as_array() {
        Ok(list) => {
            if !matches!(list.get(1).and_then(text), Some("" | "UTC")) {
                return None;
            }
            list.first()?
        }
        Err(_) => value,
    };
    let timestamp = Timestamp::from_nanosecond(number(stated)?.into()).ok()?;
    Some(Offset::UTC.to_datetime(timestamp))
}

fn numbers(values: impl IntoIterator<Item = i64>) -> Value {
    Value::from(values.into_iter().map(Value::from).collect::<Vec<_>>())
}

fn parse_rfc3339(arguments: &[Value]) -> Option<Value> {
    nanoseconds(text(arguments.first()?)?.parse().ok()?)
}

/// Reads a time with the layout of RFC 3339, which is the only one: layouts of Go have a language of their own.
fn parse(arguments: &[Value]) -> Option<Value> {
    let layout = text(arguments.first()?)?;
    let value = text(arguments.get(1)?)?;
    match layout {
        "RFC3339" | "RFC3339Nano" | "2006-01-02T15:04:05Z07:00" => nanoseconds(value.parse().ok()?),
        "2006-01-02" | "DateOnly" => {
            let date: jiff::civil::Date = value.parse().ok()?;
            let start = date.at(0, 0, 0, 0);
            nanoseconds(Offset::UTC.to_timestamp(start).ok()?)
        }
        _ => None,
    }
}

/// Reads a duration as Go writes it: `1h30m`, `-2.5s`, `10ms`.
fn parse_duration(arguments: &[Value]) -> Option<Value> {
    let text = text(arguments.first()?)?;
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

fn date(arguments: &[Value]) -> Option<Value> {
    let time = datetime(arguments.first()?)?;
    Some(numbers([time.year().into(), time.month().into(), time.day().into()]))
}

fn clock(arguments: &[Value]) -> Option<Value> {
    let time = datetime(arguments.first()?)?;
    Some(numbers([time.hour().into(), time.minute().into(), time.second().into()]))
}

fn weekday(arguments: &[Value]) -> Option<Value> {
    let name = match datetime(arguments.first()?)?.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    Some(Value::from(name))
}

fn add_date(arguments: &[Value]) -> Option<Value> {
    let time = datetime(arguments.first()?)?;
    let number = |at: usize| number(arguments.get(at)?);
    let span = Span::new()
        .try_years(number(1)?)
        .ok()?
        .try_months(number(2)?)
        .ok()?
        .try_days(number(3)?)
        .ok()?;
    nanoseconds(Offset::UTC.to_timestamp(time.checked_add(span).ok()?).ok()?)
}

/// Returns years, months, days, hours, minutes and seconds between two times, whichever is the earlier.
fn diff(arguments: &[Value]) -> Option<Value> {
    let (one, other) = (datetime(arguments.first()?)?, datetime(arguments.get(1)?)?);
    let (early, late) = if one < other { (one, other) } else { (other, one) };
    let span = early.until((jiff::Unit::Year, late)).ok()?;
    Some(numbers([
        span.get_years().into(),
        span.get_months().into(),
        span.get_days().into(),
        span.get_hours().into(),
        span.get_minutes(),
        span.get_seconds(),
    ]))
}

fn format(arguments: &[Value]) -> Option<Value> {
    let time = datetime(arguments.first()?)?;
    let timestamp = Offset::UTC.to_timestamp(time).ok()?;
    // The furthest that a number of nanoseconds can be is far inside of what a timestamp holds.
    let shown = timestamp.checked_add(SignedDuration::ZERO).ok()?;
    Some(Value::from(shown.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls a function, and returns what it gives as JSON.
    fn call(name: &str, arguments: &str) -> Option<String> {
        let (_, count, function) = FUNCTIONS.iter().find(|(known, ..)| *known == name).unwrap();
        let arguments = Value::from_json_str(arguments).unwrap();
        let arguments: Vec<Value> = arguments.as_array().unwrap().iter().cloned().collect();
        assert_eq!(arguments.len(), usize::from(*count), "{name}");
        function(&arguments).map(|value| serde_json::to_string(&value).unwrap())
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
            ("time.diff", "[0, 34300800000000000]", "[1,1,1,0,0,0]"),
            ("time.diff", "[3661000000000, 0]", "[0,0,0,1,1,1]"),
            ("time.format", "[0]", "\"1970-01-01T00:00:00Z\""),
        ] {
            assert_eq!(call(name, arguments).as_deref(), Some(expected), "{name}{arguments}");
        }
    }

    #[test]
    fn what_can_t_be_gives_nothing() {
        for (name, arguments) in [
            ("time.parse_rfc3339_ns", r#"["soon"]"#),
            ("time.parse_rfc3339_ns", "[5]"),
            ("time.parse_rfc3339_ns", r#"["9999-01-01T00:00:00Z"]"#),
            ("time.parse_ns", r#"["Jan 2", "Jan 3"]"#),
            ("time.parse_ns", r#"["2006-01-02", "1970-02-30"]"#),
            ("time.parse_duration_ns", r#"[""]"#),
            ("time.parse_duration_ns", r#"["-"]"#),
            ("time.parse_duration_ns", r#"["5"]"#),
            ("time.parse_duration_ns", r#"["1.2.3s"]"#),
            ("time.parse_duration_ns", r#"["1d"]"#),
            ("time.parse_duration_ns", r#"["99999999999999999999h"]"#),
            ("time.parse_duration_ns", r#"["9000000h"]"#),
            ("time.date", r#"[[0, "Europe/Vienna"]]"#),
            ("time.date", r#"["now"]"#),
            ("time.clock", "[[]]"),
            ("time.add_date", "[0, 100000000, 0, 0]"),
            ("time.add_date", "[0, 1.5, 0, 0]"),
            ("time.diff", r#"[0, "x"]"#),
        ] {
            assert_eq!(call(name, arguments), None, "{name}{arguments}");
        }
    }
}
