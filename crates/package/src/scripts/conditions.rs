// SPDX-License-Identifier: Apache-2.0
//! `test` and `[`.

use super::Look;
use super::evaluate::{Evaluator, Status};
use super::expand::Value;

/// Answers `test` with these arguments, if that is possible.
pub(super) fn test(evaluator: &Evaluator<'_>, arguments: &[Value]) -> Status {
    let mut position = 0;
    let result = disjunction(evaluator, arguments, &mut position);
    if position == arguments.len() { result } else { None }
}

fn is_word(arguments: &[Value], position: usize, word: &str) -> bool {
    arguments.get(position).and_then(Option::as_deref) == Some(word)
}

fn disjunction(evaluator: &Evaluator<'_>, arguments: &[Value], position: &mut usize) -> Status {
    let mut result = conjunction(evaluator, arguments, position);
    while is_word(arguments, *position, "-o") {
        *position += 1;
        let right = conjunction(evaluator, arguments, position);
        result = match (result, right) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
    }
    result
}

fn conjunction(evaluator: &Evaluator<'_>, arguments: &[Value], position: &mut usize) -> Status {
    let mut result = primary(evaluator, arguments, position);
    while is_word(arguments, *position, "-a") {
        *position += 1;
        let right = primary(evaluator, arguments, position);
        result = match (result, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
    result
}

const BINARY: &[&str] =
    &["=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">"];

fn primary(evaluator: &Evaluator<'_>, arguments: &[Value], position: &mut usize) -> Status {
    let rest = &arguments[(*position).min(arguments.len())..];
    // A binary operator in second place goes before everything else, as POSIX orders it for three arguments.
    if let [left, Some(operator), right, ..] = rest
        && BINARY.contains(&operator.as_str())
    {
        *position += 3;
        return binary(left, operator, right);
    }
    match rest {
        [] => Some(false),
        [Some(not), _, ..] if not == "!" => {
            *position += 1;
            primary(evaluator, arguments, position).map(|status| !status)
        }
        [Some(open), _, ..] if open == "(" => {
            *position += 1;
            let result = disjunction(evaluator, arguments, position);
            *position += 1;
            result
        }
        [Some(operator), operand, ..]
            if operator.len() == 2 && operator.starts_with('-') && operator != "-o" =>
        {
            *position += 2;
            unary(evaluator, operator, operand)
        }
        [value, ..] => {
            *position += 1;
            value.as_ref().map(|text| !text.is_empty())
        }
    }
}

fn unary(evaluator: &Evaluator<'_>, operator: &str, operand: &Value) -> Status {
    let operand = operand.as_deref()?;
    match operator {
        "-n" => return Some(!operand.is_empty()),
        "-z" => return Some(operand.is_empty()),
        // No terminal is attached.
        "-t" => return Some(false),
        _ => {}
    }
    if operand.is_empty() {
        return Some(false);
    }
    let is_link_question = matches!(operator, "-L" | "-h");
    let look = evaluator.look(operand, !is_link_question);
    match (operator, look) {
        (_, Look::Unknown) => None,
        ("-f", look) => Some(matches!(look, Look::File { .. })),
        ("-d", look) => Some(matches!(look, Look::Directory { .. })),
        ("-L" | "-h", look) => Some(look == Look::Symlink),
        ("-s", Look::File { is_empty, .. }) => Some(!is_empty),
        ("-x", Look::File { is_executable, .. }) => Some(is_executable),
        ("-e" | "-r" | "-w" | "-s" | "-x", look) => Some(look != Look::Missing),
        // Devices, sockets and pipes do not exist in an image.
        ("-b" | "-c" | "-p" | "-S", _) | (_, Look::Missing) => Some(false),
        _ => None,
    }
}

fn binary(left: &Value, operator: &str, right: &Value) -> Status {
    let (left, right) = (left.as_deref()?, right.as_deref()?);
    let numbers = || Some((left.trim().parse::<i64>().ok()?, right.trim().parse::<i64>().ok()?));
    Some(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "-eq" => numbers().map(|(left, right)| left == right)?,
        "-ne" => numbers().map(|(left, right)| left != right)?,
        "-lt" => numbers().map(|(left, right)| left < right)?,
        "-le" => numbers().map(|(left, right)| left <= right)?,
        "-gt" => numbers().map(|(left, right)| left > right)?,
        "-ge" => numbers().map(|(left, right)| left >= right)?,
        _ => return None,
    })
}
