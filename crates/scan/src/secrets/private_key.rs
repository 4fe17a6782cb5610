// SPDX-License-Identifier: Apache-2.0
//! What tells a private key from a text about private keys.

/// The shortest first line of a key's body in PEM, in characters: an Ed25519 key has 64, and lines of 64 to 76 are usual.
const LINE_CHARACTERS_MIN: usize = 40;

/// Returns whether a line is the first one of a private key, and nothing else.
fn is_header(line: &[u8]) -> bool {
    let Some(label) = line.strip_prefix(b"-----BEGIN ") else { return false };
    label.strip_suffix(b"-----").is_some_and(|label| {
        label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")
    })
}

/// Returns whether a PEM or OpenSSH private key stands at the start of a line, and not just its header in the
/// text of a program.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    // Compiled code may have a key in it as a test's text; a key file is text alone.
    if bytes.contains(&0) {
        return false;
    }
    let mut lines = bytes.split(|&byte| byte == b'\n');
    while let Some(line) = lines.next() {
        if !is_header(line.trim_ascii()) {
            continue;
        }
        // The next line of a real one is base64, or a header such as "Proc-Type: 4,ENCRYPTED";
        // that of a PGP key is empty.
        let next = lines.clone().next().map(<[u8]>::trim_ascii);
        let has_body = next.is_some_and(|line| line.is_empty() || line.len() >= 16);
        if has_body {
            return true;
        }
    }
    false
}

/// Returns whether what stands after the header of a key, anywhere in a text, is a key: its first line is as long as
/// lines of keys are, and not words of a sentence.
pub(super) fn is_body(body: &[u8]) -> bool {
    // In the text of a program or of JSON, the end of a line is `\n`.
    let body = body.trim_ascii();
    let end = body.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'\\');
    end.unwrap_or(body.len()) >= LINE_CHARACTERS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
        for (text, expected) in [
            (format!("-----BEGIN PRIVATE KEY-----\n{body}\n"), true),
            (format!("x\n-----BEGIN OPENSSH PRIVATE KEY-----\r\n{body}\n"), true),
            (format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{body}\n"), true),
            (format!("-----BEGIN CERTIFICATE-----\n{body}\n"), false),
            (format!("-----BEGIN PUBLIC KEY-----\n{body}\n"), false),
            ("if line == '-----BEGIN PRIVATE KEY-----':\n    go()\n".to_owned(), false),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), false),
            ("-----BEGIN PRIVATE KEY-----\n...\n".to_owned(), false),
            (format!("\0-----BEGIN PRIVATE KEY-----\n{body}\n"), false),
            (format!("\0\n-----BEGIN PRIVATE KEY-----\n{body}\n"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_in(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn bodies() {
        let line = "A1b2".repeat(16);
        for (text, expected) in [
            (line.clone(), true),
            (format!("{line}\\n{line}"), true),
            (format!("\n{line}\n{line}"), true),
            ("words of a sentence that goes on and on and on and on".to_owned(), false),
            ("A1b2\nA1b2".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_body(text.as_bytes()), expected, "{text}");
        }
    }
}
