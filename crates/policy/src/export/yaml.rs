// SPDX-License-Identifier: Apache-2.0
//! Writes YAML: objects and lists as blocks, texts in quotes as JSON has them, and texts of several lines as they are.

use serde_json::Value;

/// Writes documents.
pub(super) fn documents(all: &[Value]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str("---\n");
        write(&mut text, one, 0);
    }
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                indent(text, depth);
                member(text, key, value, depth);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for item in list {
                indent(text, depth);
                text.push('-');
                match item {
                    Value::Object(object) if !object.is_empty() => {
                        for (number, (key, value)) in object.iter().enumerate() {
                            if number == 0 {
                                text.push(' ');
                            } else {
                                indent(text, depth + 1);
                            }
                            member(text, key, value, depth + 1);
                        }
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        write(text, item, depth + 1);
                    }
                    _ => scalar(text, item, depth + 1),
                }
            }
        }
        _ => scalar(text, value, depth),
    }
}

fn member(text: &mut String, key: &str, value: &Value, depth: usize) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts_well && key.chars().all(is_plain) && !is_word(key) {
        text.push_str(key);
    } else {
        text.push_str(&Value::from(key).to_string());
    }
    text.push(':');
    let is_block = match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if is_block {
        text.push('\n');
        write(text, value, depth + 1);
    } else {
        scalar(text, value, depth + 1);
    }
}

/// What YAML 1.1 takes for something else than a text.
fn is_word(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .contains(&text.to_ascii_lowercase().as_str())
}

fn scalar(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(lines) if is_lines(lines) => {
            text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in lines.lines() {
                if !line.is_empty() {
                    indent(text, depth);
                    text.push_str(line);
                }
                text.push('\n');
            }
        }
        // JSON is YAML, and escapes what can't be seen.
        other => {
            text.push(' ');
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

/// Whether a text can be written as lines: the first tells the indentation, and nothing may be lost.
fn is_lines(text: &str) -> bool {
    let is_seen = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text.chars().all(is_seen)
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_is_written_as_it_is() {
        let value = json!({
            "a": "x: y # z", "b": [], "c": {}, "d": [{"k": 1, "l": ["m", ["n"]]}, "two\nlines", null, [[1]]],
            "e": "one\n\n  two\n", "f": true, "no": "no", "0": 0, "g": "\u{7}\nx", "h": " x\ny", "i": "x \ny",
            "metadata.name/x": "{{ a }}", "j": "",
        });
        insta::assert_snapshot!(documents(&[value, json!({"a": 1})]));
    }
}
