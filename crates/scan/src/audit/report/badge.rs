// SPDX-License-Identifier: Apache-2.0
//! A badge for a page of a repository.

use std::fmt::Write as _;

use crate::audit::model::{AuditReport, Grade};

/// What the left half says.
const LABEL: &str = "hardened";
/// Width of a letter of the badge's font, in tenths of a pixel, for those that are as wide as most.
const LETTER_TENTHS: usize = 66;
/// What is left free at either side of a text, in pixels.
const MARGIN: usize = 7;

/// Draws a badge: an image of its own, without script, fonts or links.
pub fn badge(report: &AuditReport) -> String {
    let value = value(report);
    let width = |text: &str| text.chars().count() * LETTER_TENTHS / 10 + 2 * MARGIN;
    let (left, right) = (width(LABEL), width(&value));
    let total = left + right;
    let middle = |from: usize, width: usize| from + width / 2;
    let (first, second) = (middle(0, left), middle(left, right));
    let colour = colour(report.grade);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"20\" role=\"img\" aria-label=\"{LABEL}: {value}\">\
         <title>{LABEL}: {value}</title>\
         <clipPath id=\"r\"><rect width=\"{total}\" height=\"20\" rx=\"4\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#24292f\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{first}\" y=\"14\">{LABEL}</text><text x=\"{second}\" y=\"14\" font-weight=\"bold\">{value}</text></g></svg>\n"
    )
}

/// Returns the line that shows a badge in Markdown, leading to the report.
pub fn badge_markdown(report: &AuditReport, image: &str, target: &str) -> String {
    // Parentheses and blanks would end the address.
    let address = |text: &str| {
        let mut address = String::new();
        for letter in text.chars() {
            match letter {
                '(' => address.push_str("%28"),
                ')' => address.push_str("%29"),
                ' ' => address.push_str("%20"),
                '<' => address.push_str("%3C"),
                '>' => address.push_str("%3E"),
                letter if letter.is_control() => {}
                letter => address.push(letter),
            }
        }
        address
    };
    format!("[![{LABEL}: {}]({})]({})", value(report), address(image), address(target))
}

fn value(report: &AuditReport) -> String {
    let grade = report.grade;
    let mut value = if report.hardened { grade.to_string() } else { format!("no, {grade}") };
    for (number, what) in
        [(report.sum.unmeasured, "not measured"), (report.sum.accepted, "accepted")]
    {
        if number > 0 {
            let _ = write!(value, ", {number} {what}");
        }
    }
    value
}

/// Colours on which white can be read.
fn colour(grade: Grade) -> &'static str {
    match grade {
        Grade::A => "#0a7a4b",
        Grade::B => "#3d7a1e",
        Grade::C => "#8a6100",
        Grade::D => "#a84a00",
        Grade::E => "#b3361b",
        Grade::F => "#b3123f",
    }
}
