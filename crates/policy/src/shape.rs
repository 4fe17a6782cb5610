// SPDX-License-Identifier: Apache-2.0
//! Limits on the form of a module, before the engine reads it: nested brackets take it twice as long for each level, and long
//! chains of operators fill its stack.

/// How deep brackets and braces may nest: one of buildx's inputs in a test has six.
const DEPTH_MAX: usize = 12;
/// How many operators one expression may have.
const OPERATORS_MAX: usize = 256;

/// Returns what is too much in a text.
pub(super) fn too_much(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut depth, mut operators) = (0, 1, 0_usize, 0_usize);
    // Whether the last thing was the end of a line: an operator in the next one goes on with the expression.
    let mut is_new_line = true;
    let mut last_is_operator = false;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\n' => {
                line += 1;
                is_new_line = !last_is_operator;
                continue;
            }
            b' ' | b'\t' | b'\r' => continue,
            b'#' => {
                at +=
                    bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            _ => {}
        }
        let is_operator = b"+-*/%&|<>=!:".contains(&byte);
        if is_new_line && !is_operator {
            operators = 0;
        }
        is_new_line = false;
        last_is_operator = is_operator;
        match byte {
            b'"' | b'`' => {
                let (length, lines) = quoted(&bytes[at..], byte);
                at += length;
                line += lines;
            }
            b'[' | b'{' => {
                depth += 1;
                operators = 0;
                if depth > DEPTH_MAX {
                    return Some(format!(
                        "brackets nest deeper than {DEPTH_MAX} in line {line}; give what is inside a name"
                    ));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b';' => operators = 0,
            _ if is_operator => {
                operators += 1;
                if operators > OPERATORS_MAX {
                    return Some(format!(
                        "an expression has more than {OPERATORS_MAX} operators in line {line}"
                    ));
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns how long the rest of a text in quotes is, and how many ends of lines are in it.
fn quoted(rest: &[u8], quote: u8) -> (usize, usize) {
    let (mut at, mut lines) = (0, 0);
    while let Some(&byte) = rest.get(at) {
        at += 1;
        match byte {
            b'\n' => lines += 1,
            b'\\' if quote == b'"' => at += 1,
            byte if byte == quote => break,
            _ => {}
        }
    }
    (at.min(rest.len()), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told_with_its_line() {
        for (text, expected) in [
            (format!("x := {}{}", "[".repeat(13), "]".repeat(13)), "line 1"),
            (format!("# {}\nx := {}", "[".repeat(50), "{\n".repeat(13)), "line 14"),
            (format!("x := 1{}", " + 1".repeat(300)), "operators in line 1"),
            (format!("x := 1{}", " +\n 1".repeat(300)), "operators"),
            (format!("x := 1{}", "\n + 1".repeat(300)), "operators"),
            (format!("x := {}1", "-".repeat(300)), "operators"),
            (format!("x := {}1", "- \n".repeat(300)), "operators"),
        ] {
            let found = too_much(&text).unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found:?}");
        }
        for text in [
            String::new(),
            "[[[]]]".repeat(100),
            format!("x := \"{}\"", "[".repeat(50)),
            format!("x := `{}`\ny := \"\\\"{}\"", "[{\n".repeat(50), "{".repeat(50)),
            "x := 1 + 1\n".repeat(1_000),
            format!("x := [{}]", "1 + 1, ".repeat(1_000)),
            format!("{}\n", "]".repeat(20)),
            "\"open".to_owned(),
            "\"\\".to_owned(),
        ] {
            assert_eq!(too_much(&text), None, "{text}");
        }
    }
}
