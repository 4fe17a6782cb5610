// SPDX-License-Identifier: Apache-2.0
//! The one form of a marshaled code object.
//!
//! CPython marks an object that it may meet again while it writes, and decides by the number of
//! references to it. That number depends on what else the process has done: on the order of files, on
//! modules that were imported, on the machine. So the same source may give files that differ in such
//! marks, though not in meaning. Here the marks that nothing refers to are taken away, and the others
//! numbered anew. What is left depends on the source alone.

/// How deep objects may be nested; CPython itself stops at 2,000.
const DEPTH_MAX: usize = 2_000;
/// The mark on a type: the object gets the next number, and may be referred to by it.
const MARK: u8 = 0x80;

/// Why bytes are no marshaled object of a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MarshalError {
    /// They end too early.
    #[error("the object is cut short")]
    Short,
    /// More follows.
    #[error("there are bytes after the object")]
    Rest,
    /// A type that is not known.
    #[error("{0:#04x} is no known type of object")]
    Type(u8),
    /// A reference to an object that was not there before.
    #[error("a reference leads nowhere")]
    Reference,
    /// Nested too deeply.
    #[error("objects are nested more than {DEPTH_MAX} deep")]
    Deep,
    /// A length below zero.
    #[error("a length is below zero")]
    Length,
}

/// Brings a marshaled object into the form that does not depend on the process that wrote it. Its
/// length stays the same.
pub(super) fn normalize(bytes: &mut [u8]) -> Result<(), MarshalError> {
    let mut scan = Scan { bytes, position: 0, marks: Vec::new(), references: Vec::new() };
    scan.run()?;
    let Scan { marks, references, .. } = scan;
    let mut is_used = vec![false; marks.len()];
    for &(_, number) in &references {
        is_used[number] = true;
    }
    let mut numbers = vec![0_u32; marks.len()];
    let mut next = 0;
    for (old, &place) in marks.iter().enumerate() {
        if is_used[old] {
            numbers[old] = next;
            next += 1;
        } else {
            bytes[place] &= !MARK;
        }
    }
    for (place, number) in references {
        bytes[place..place + 4].copy_from_slice(&numbers[number].to_le_bytes());
    }
    Ok(())
}

/// What is still to be read.
enum Todo {
    /// So many objects.
    Objects(usize),
    /// Pairs of objects until the end mark.
    Pairs,
    /// The rest of a code object after these of its objects: a number.
    Line,
}

struct Scan<'b> {
    bytes: &'b [u8],
    position: usize,
    /// Where each marked type stands, in the order of their numbers.
    marks: Vec<usize>,
    /// Where each reference's number stands, and the number.
    references: Vec<(usize, usize)>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), MarshalError> {
        // With a stack of its own: a file must not decide how much of the program's is used.
        let mut stack = vec![Todo::Objects(1)];
        while let Some(todo) = stack.pop() {
            match todo {
                Todo::Objects(0) => continue,
                Todo::Objects(left) => stack.push(Todo::Objects(left - 1)),
                Todo::Line => {
                    self.take(4)?;
                    continue;
                }
                Todo::Pairs => {
                    if self.bytes.get(self.position) == Some(&b'0') {
                        self.position += 1;
                        continue;
                    }
                    stack.push(Todo::Pairs);
                    stack.push(Todo::Objects(1));
                }
            }
            self.object(&mut stack)?;
            if stack.len() > 3 * DEPTH_MAX {
                return Err(MarshalError::Deep);
            }
        }
        if self.position == self.bytes.len() { Ok(()) } else { Err(MarshalError::Rest) }
    }

    /// Reads one object but for what is in it, which goes on the stack.
    fn object(&mut self, stack: &mut Vec<Todo>) -> Result<(), MarshalError> {
        let place = self.position;
        let byte = self.take(1)?[0];
        let kind = byte & !MARK;
        if byte & MARK != 0 && kind != b'r' {
            self.marks.push(place);
        }
        match kind {
            b'N' | b'F' | b'T' | b'S' | b'.' => {}
            b'i' => drop(self.take(4)?),
            b'I' | b'g' => drop(self.take(8)?),
            b'y' => drop(self.take(16)?),
            b'l' => {
                let digits = self.number()?.unsigned_abs() as usize;
                self.take(digits.checked_mul(2).ok_or(MarshalError::Short)?)?;
            }
            b's' | b't' | b'u' | b'a' | b'A' => {
                let length = self.length()?;
                self.take(length)?;
            }
            b'z' | b'Z' | b'f' => {
                let length = usize::from(self.take(1)?[0]);
                self.take(length)?;
            }
            b'x' => {
                for _ in 0..2 {
                    let length = usize::from(self.take(1)?[0]);
                    self.take(length)?;
                }
            }
            b'r' => {
                let number_place = self.position;
                let number = self.length()?;
                if number >= self.marks.len() {
                    return Err(MarshalError::Reference);
                }
                self.references.push((number_place, number));
            }
            b')' => stack.push(Todo::Objects(usize::from(self.take(1)?[0]))),
            b'(' | b'[' | b'<' | b'>' => {
                let length = self.length()?;
                stack.push(Todo::Objects(length));
            }
            b':' => stack.push(Todo::Objects(3)),
            b'{' => stack.push(Todo::Pairs),
            b'c' => {
                // argcount, posonlyargcount, kwonlyargcount, stacksize, flags
                self.take(20)?;
                // linetable, exceptiontable after the line; before it code, consts, names, localsplusnames,
                // localspluskinds, filename, name, qualname (CPython 3.11 and later)
                stack.extend([Todo::Objects(2), Todo::Line, Todo::Objects(8)]);
            }
            other => return Err(MarshalError::Type(other)),
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], MarshalError> {
        let end = self.position.checked_add(count).ok_or(MarshalError::Short)?;
        let bytes = self.bytes.get(self.position..end).ok_or(MarshalError::Short)?;
        self.position = end;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<i32, MarshalError> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn length(&mut self) -> Result<usize, MarshalError> {
        usize::try_from(self.number()?).map_err(|_| MarshalError::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn normal(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        normalize(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn marks_that_nothing_refers_to_go_and_the_others_are_numbered_anew() {
        for (summary, input, expected) in [
            ("a marked constant", &b"\xce"[..], &b"\x4e"[..]),
            (
                "a mark that is used stays",
                b")\x02\xe9\x01\0\0\0r\0\0\0\0",
                b")\x02\xe9\x01\0\0\0r\0\0\0\0",
            ),
            (
                "numbers close up",
                b"\xa9\x03\xfa\x01a\xfa\x01br\x02\0\0\0",
                b")\x03z\x01a\xfa\x01br\0\0\0\0",
            ),
            ("a reference to the outer tuple", b"\xa9\x01r\0\0\0\0", b"\xa9\x01r\0\0\0\0"),
            ("a dictionary", b"{\xfa\x01a\xe9\x05\0\0\x000", b"{z\x01ai\x05\0\0\x000"),
            (
                "a long number",
                b"\xec\xfe\xff\xff\xff\x01\0\x02\0",
                b"l\xfe\xff\xff\xff\x01\0\x02\0",
            ),
            (
                "a set, a float, a complex number",
                b"\xbe\x02\0\0\0\xe7\0\0\0\0\0\0\0\0\xf9\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                b">\x02\0\0\0g\0\0\0\0\0\0\0\0y\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
        ] {
            assert_eq!(normal(input), expected, "{summary}");
            assert_eq!(normal(expected), expected, "{summary}: twice is once");
        }
    }

    #[test]
    fn a_code_object_is_read_to_its_end() {
        let mut code = vec![b'c' | MARK];
        code.extend([0; 20]);
        for text in ["code", "consts", "names", "plus", "kinds", "file", "name", "qualname"] {
            code.extend([b'z' | MARK, u8::try_from(text.len()).unwrap()]);
            code.extend(text.bytes());
        }
        code.extend(7_u32.to_le_bytes());
        code.extend(b"s\x01\0\0\0lr\x06\0\0\0");
        let normal = normal(&code);
        assert_eq!(normal.len(), code.len());
        assert!(normal.ends_with(b"r\0\0\0\0"));
        let marks: Vec<usize> =
            (0..normal.len()).filter(|&place| normal[place] == b'z' | MARK).collect();
        assert_eq!(marks.len(), 1);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (input, expected) in [
            (&b""[..], MarshalError::Short),
            (b"i\0\0", MarshalError::Short),
            (b"s\xff\xff\xff\x7f", MarshalError::Short),
            (b"s\xff\xff\xff\xff", MarshalError::Length),
            (b"(\xff\xff\xff\x7fN", MarshalError::Short),
            (b"l\x00\x00\x00\x80", MarshalError::Short),
            (b"NN", MarshalError::Rest),
            (b"?", MarshalError::Type(b'?')),
            (b"0", MarshalError::Type(b'0')),
            (b"{N", MarshalError::Short),
            (b"c\0\0\0\0", MarshalError::Short),
            (b"r\0\0\0\0", MarshalError::Reference),
            (b")\x02Nr\0\0\0\0", MarshalError::Reference),
            (b")\x02r\0\0\0\0\xce", MarshalError::Reference),
        ] {
            assert_eq!(normalize(&mut input.to_vec()), Err(expected), "{input:?}");
        }
        let deep: Vec<u8> = b")\x01".repeat(10_000_000);
        assert_eq!(normalize(&mut deep.clone()), Err(MarshalError::Deep));
    }
}
