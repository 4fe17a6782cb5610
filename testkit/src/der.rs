// SPDX-License-Identifier: Apache-2.0
//! Writes the few values of ASN.1 in DER that certificates and timestamps are made of, rightly or wrongly.

/// Writes a value with its tag and length.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        Ok(long) => bytes.extend([0x81, long]),
        Err(_) => {
            let [.., high, low] = length.to_be_bytes();
            bytes.extend([0x82, high, low]);
        }
    }
    bytes.extend(content);
    bytes
}

/// Writes a sequence.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Writes a set of values, which must be sorted.
pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x31, parts)
}

/// Writes an octet string.
pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, &[content])
}

/// Writes a bit string of whole bytes.
pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], content])
}

/// Writes a positive number.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let bytes = &bytes[start..];
    let zero: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
    tlv(2, &[zero, bytes])
}

/// Writes an object identifier, `1.2.840.10045.4.3.2`.
///
/// # Panics
///
/// If it is none.
pub fn oid(dotted: &str) -> Vec<u8> {
    let numbers = dotted.split('.').map(str::parse::<u64>);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().expect("an identifier has numbers");
    let mut content = Vec::new();
    let first = numbers[0] * 40 + numbers[1];
    for number in std::iter::once(first).chain(numbers[2..].iter().copied()) {
        let groups = (1..10).find(|groups| number >> (7 * groups) == 0).unwrap_or(9);
        for group in (0..groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            content.push(u8::try_from(number >> (7 * group) & 0x7f).unwrap_or(0) | more);
        }
    }
    tlv(6, &[&content])
}

/// Writes a text in UTF-8.
pub fn text(text: &str) -> Vec<u8> {
    tlv(12, &[text.as_bytes()])
}

/// Writes a time as `GeneralizedTime`; `seconds` are since 1970.
pub fn time(seconds: i64) -> Vec<u8> {
    tlv(24, &[compact_time(seconds).as_bytes()])
}

/// Writes `20261126120000Z`.
fn compact_time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`, for years from 1970 on.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

/// Returns the content of the first value, and what comes after it.
///
/// # Panics
///
/// If there is none.
pub fn read(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, length) = (bytes[0], usize::from(bytes[1]));
    let (length, head) = match length {
        0x81 => (usize::from(bytes[2]), 3),
        0x82 => (usize::from(bytes[2]) << 8 | usize::from(bytes[3]), 4),
        short => (short, 2),
    };
    (tag, &bytes[head..head + length], &bytes[head + length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(oid("1.2.840.10045.4.3.2"), [6, 8, 42, 134, 72, 206, 61, 4, 3, 2]);
        assert_eq!(oid("1.3.6.1.4.1.57264.1.8")[2..], [43, 6, 1, 4, 1, 131, 191, 48, 1, 8]);
        assert_eq!(integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
        assert_eq!(compact_time(0), "19700101000000Z");
        assert_eq!(compact_time(1_764_158_400), "20251126120000Z");
        assert_eq!(compact_time(1_709_210_096), "20240229123456Z");
        let long = octets(&[7; 300]);
        assert_eq!(read(&long).1, [7; 300]);
        assert_eq!(read(&octets(&[7; 200])).1, [7; 200]);
    }
}
