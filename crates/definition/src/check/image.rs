// SPDX-License-Identifier: Apache-2.0
//! Image names, references, tags and ports.

use super::{Refusal, quote};
use crate::model::{ImageReference, Port, Protocol};

/// Longest repository name (distribution specification, `<name>` with its host).
const MAX_NAME_BYTES: usize = 255;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn tag(text: &str) -> Result<(), Refusal> {
    let help = "a tag has letters, digits, `_`, `.` and `-`, begins with neither `.` nor `-`, and has at most 128 characters";
    if text.is_empty() {
        return Err(Refusal::new("a tag cannot be empty").help(help));
    }
    if text.len() > 128 {
        return Err(Refusal::new(format!("a tag with {} characters", text.len())).help(help));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if text.bytes().all(fits) && !text.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not a valid tag", quote(text))).help(help))
}

/// A repository name with an optional registry: `dhi.io/python`, `localhost:5000/a/b`.
pub(crate) fn image_name(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("an image name cannot be empty"));
    }
    if text.contains('@') {
        return Err(Refusal::new(format!("{} has a digest", quote(text)))
            .help("the image is named without tag and digest"));
    }
    let mut parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 1 && is_registry(parts[0]) {
        let host = parts.remove(0);
        if !is_host(host) {
            return Err(Refusal::new(format!("{} is no registry host", quote(host))));
        }
    } else if text.contains(':') {
        return Err(
            Refusal::new(format!("{} has a tag", quote(text))).help("tags belong under `tags`")
        );
    }
    if parts.last().is_some_and(|last| last.contains(':')) {
        return Err(
            Refusal::new(format!("{} has a tag", quote(text))).help("tags belong under `tags`")
        );
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(Refusal::new(format!("an image name of {} bytes", text.len())));
    }
    match parts.iter().find(|part| !is_component(part)) {
        None => Ok(()),
        Some(part) => {
            Err(Refusal::new(format!("{} is not a valid image name", quote(text))).help(format!(
                "{} is not lower-case letters and digits separated by `.`, `_`, `__` or `-`",
                quote(part)
            )))
        }
    }
}

fn is_registry(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    if !(bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric)) {
        return false;
    }
    let mut rest = part;
    while let Some(start) = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())) {
        let tail = &rest[start..];
        let length =
            tail.find(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).unwrap_or(tail.len());
        let separator = &tail[..length];
        let dashes = separator.bytes().all(|byte| byte == b'-');
        if !(dashes || matches!(separator, "." | "_" | "__")) {
            return false;
        }
        rest = &tail[length..];
    }
    true
}

/// A reference to an image: `name[:tag][@sha256:…]`.
pub(crate) fn image_reference(text: &str) -> Result<ImageReference, Refusal> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        let lengths = [("sha256", 64), ("sha512", 128)];
        let valid = digest.split_once(':').is_some_and(|(algorithm, digits)| {
            lengths.contains(&(algorithm, digits.len()))
                && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if !valid {
            return Err(Refusal::new(format!("{} is not a digest", quote(digest)))
                .help("a digest is `sha256:` and 64 lower-case hexadecimal digits"));
        }
    }
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag_text) = match rest[slash..].split_once(':') {
        Some((last, tag)) => (&rest[..slash + last.len()], Some(tag)),
        None => (rest, None),
    };
    image_name(name)?;
    if let Some(text) = tag_text {
        tag(text)?;
    }
    Ok(ImageReference {
        name: name.to_owned(),
        tag: tag_text.map(str::to_owned),
        digest: digest.map(str::to_owned),
    })
}

/// A port: `8080`, `8080/tcp`, `4510-4559/udp`.
pub(crate) fn port(text: &str) -> Result<Port, Refusal> {
    let refuse = |message: String| {
        Refusal::new(message).help("a port is `8080`, `8080/tcp` or `4510-4559/udp`")
    };
    let (numbers, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((numbers, "tcp")) => (numbers, Protocol::Tcp),
        Some((numbers, "udp")) => (numbers, Protocol::Udp),
        Some((numbers, "sctp")) => (numbers, Protocol::Sctp),
        Some((_, other)) => return Err(refuse(format!("unknown protocol {}", quote(other)))),
    };
    let number = |digits: &str| -> Result<u16, Refusal> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain {
            return Err(refuse(format!("{} is not a port", quote(text))));
        }
        match digits.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(refuse(format!("port {} is not from 1 to 65535", quote(digits)))),
        }
    };
    let (first, last) = match numbers.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(numbers)?, number(numbers)?),
    };
    if first > last {
        return Err(refuse(format!("the range {} runs backwards", quote(text))));
    }
    Ok(Port { first, last, protocol })
}

#[cfg(test)]
mod tests {
    use super::super::assert_grammar;
    use super::*;

    #[test]
    fn grammars() {
        let long = "a".repeat(129);
        assert_grammar(
            tag,
            &["1", "3.13-debian13", "_x", "A.b_c-d"],
            &["", ".a", "-a", "a b", "a/b", "ä", &long],
        );
        assert_grammar(
            image_name,
            &["python", "dhi.io/python", "localhost:5000/a/b", "a/b__c.d-e--f", "dhi/golang"],
            &[
                "",
                "Python",
                "dhi.io/Python",
                "a//b",
                "a/",
                "/a",
                "python:3",
                "dhi.io/python:3",
                "a@sha256:00",
                "a..b",
                "-a",
                "a___b",
                "dhi_.io:x/a",
            ],
        );
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, good) in [
            (format!("dhi.io/rust:1.95@{digest}"), true),
            (format!("localhost:5000/a@{digest}"), true),
            ("dhi.io/rust:1.95".to_owned(), true),
            ("dhi.io/rust@sha256:00".to_owned(), false),
            (format!("dhi.io/rust@md5:{}", "0".repeat(32)), false),
            ("dhi.io/rust:".to_owned(), false),
            (String::new(), false),
        ] {
            let parsed = image_reference(&text);
            assert_eq!(parsed.is_ok(), good, "{text}");
            if let Ok(reference) = parsed {
                assert_eq!(reference.to_string(), text);
            }
        }
        assert_grammar(
            port,
            &["80", "8080/tcp", "53/udp", "4510-4559", "1-1/sctp"],
            &["", "0", "65536", "80/", "80/icmp", "a", "-1", "9-8", "80-", "+80", " 80"],
        );
    }
}
