// SPDX-License-Identifier: Apache-2.0
//! CVSS vectors as numbers: nearly all have the base metrics in their usual order, and so are one of few.

use std::borrow::Cow;

use super::wire::{Reader, Reason, put_bytes, put_count, put_number};

/// How vectors begin, and which values each metric has.
type Shape = (&'static str, &'static [(&'static str, &'static str)]);

const BASE_3: &[(&str, &str)] = &[
    ("AV", "NALP"),
    ("AC", "LH"),
    ("PR", "NLH"),
    ("UI", "NR"),
    ("S", "UC"),
    ("C", "NLH"),
    ("I", "NLH"),
    ("A", "NLH"),
];
const BASE_4: &[(&str, &str)] = &[
    ("AV", "NALP"),
    ("AC", "LH"),
    ("AT", "NP"),
    ("PR", "NLH"),
    ("UI", "NPA"),
    ("VC", "NLH"),
    ("VI", "NLH"),
    ("VA", "NLH"),
    ("SC", "NLH"),
    ("SI", "NLH"),
    ("SA", "NLH"),
];
const BASE_2: &[(&str, &str)] =
    &[("AV", "NAL"), ("AC", "LMH"), ("Au", "NSM"), ("C", "NPC"), ("I", "NPC"), ("A", "NPC")];

/// Part of the format: a shape's number is its place here, from 1 on. 0 is a text.
const SHAPES: [Shape; 4] =
    [("CVSS:3.1/", BASE_3), ("CVSS:3.0/", BASE_3), ("CVSS:4.0/", BASE_4), ("", BASE_2)];

/// Adds a vector.
pub(super) fn put_vector(bytes: &mut Vec<u8>, vector: &str) {
    let packed =
        SHAPES.iter().enumerate().find_map(|(index, shape)| Some((index, pack(shape, vector)?)));
    if let Some((index, number)) = packed {
        put_count(bytes, index + 1);
        put_number(bytes, number);
    } else {
        put_count(bytes, 0);
        put_bytes(bytes, vector.as_bytes());
    }
}

/// Reads one.
pub(super) fn vector<'d>(reader: &mut Reader<'d>) -> Result<Cow<'d, str>, Reason> {
    let Some(index) = reader.number()?.checked_sub(1) else { return reader.cow() };
    let shape = usize::try_from(index).ok().and_then(|index| SHAPES.get(index));
    let shape = shape.ok_or("a vector has an unknown shape")?;
    unpack(shape, reader.number()?).map(Cow::Owned).ok_or("a vector is none of its shape")
}

fn pack((start, metrics): &Shape, vector: &str) -> Option<u64> {
    let mut parts = vector.strip_prefix(start)?.split('/');
    let mut number = 0;
    for (name, values) in *metrics {
        let value = parts.next()?.strip_prefix(name)?.strip_prefix(':')?;
        let position = (value.len() == 1).then(|| values.find(value))??;
        number = number * values.len() as u64 + position as u64;
    }
    parts.next().is_none().then_some(number)
}

fn unpack((start, metrics): &Shape, mut number: u64) -> Option<String> {
    let mut values = Vec::with_capacity(metrics.len());
    for (_, possible) in metrics.iter().rev() {
        let count = possible.len() as u64;
        values.push(possible.chars().nth(usize::try_from(number % count).ok()?)?);
        number /= count;
    }
    let parts = metrics.iter().zip(values.iter().rev());
    let parts: Vec<String> = parts.map(|((name, _), value)| format!("{name}:{value}")).collect();
    (number == 0).then(|| format!("{start}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back() {
        for (text, bytes_max) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 3),
            ("CVSS:3.0/AV:P/AC:H/PR:H/UI:R/S:C/C:H/I:H/A:H", 3),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 4),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 3),
            // Not in the usual order, too few, too many, unknown: as they are.
            ("CVSS:3.1/AC:L/AV:N/PR:N/UI:N/S:U/C:H/I:H/A:H", 60),
            ("CVSS:3.1/AV:N", 60),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P", 60),
            ("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 60),
            ("CVSS:3.1/AV:NA/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 60),
            ("", 2),
        ] {
            let mut bytes = Vec::new();
            put_vector(&mut bytes, text);
            let mut reader = Reader::new(&bytes);
            assert_eq!(vector(&mut reader).as_deref(), Ok(text));
            assert!(reader.left() == 0 && bytes.len() <= bytes_max, "{text}: {}", bytes.len());
        }
    }

    #[test]
    fn bad_vectors() {
        for (bytes, expected) in [
            (vec![5, 0], "a vector has an unknown shape"),
            (vec![4, 0x80, 0x80, 1], "a vector is none of its shape"),
            (vec![1], "it ends too early"),
        ] {
            assert_eq!(vector(&mut Reader::new(&bytes)), Err(expected), "{bytes:?}");
        }
    }
}
