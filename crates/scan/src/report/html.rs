// SPDX-License-Identifier: Apache-2.0
//! One page for a browser, which fetches nothing and runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hardpan_attest::is_obeyed;

use super::{InventoryOrigin, PackageFacts, Row, RowStatus, ScanReport, link};
use crate::advisory::Severity;

const STYLE: &str = include_str!("style.css");
/// How many updates are listed: those that help most.
const UPDATES_MAX: usize = 10;
/// How many of a package's files are listed.
const PATHS_MAX: usize = 5;

/// Writes a report as a page.
pub fn html(report: &ScanReport) -> String {
    let title = format!("Vulnerabilities of {}", escaped(&report.subject.name));
    // A long name of an image breaks where its parts end.
    let mut page = format!("<main>\n<h1>{}</h1>\n", title.replace('/', "/<wbr>"));
    let (counting, excused): (Vec<&Row>, Vec<&Row>) =
        report.rows.iter().partition(|row| row.counts());
    page += &verdict(&counting, excused.len());
    page += &totals(report, counting.len());
    for warning in &report.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", text(&warning.text));
    }
    page += &updates(&counting);
    for severity in Severity::ALL.into_iter().rev() {
        let rows: Vec<&&Row> = counting.iter().filter(|row| row.severity == severity).collect();
        if rows.is_empty() {
            continue;
        }
        let word = severity.as_str();
        let number = rows.len();
        let _ = writeln!(page, "<h2 id=\"{word}\">{} <small>{number}</small></h2>", capital(word));
        page.extend(rows.into_iter().map(|row| article(row)));
    }
    if !excused.is_empty() {
        let number = excused.len();
        let _ = writeln!(page, "<h2 id=\"excused\">Excused <small>{number}</small></h2>");
        page += "<p class=\"quiet\">These do not count, because somebody states why.</p>\n";
        page.extend(excused.into_iter().map(article));
    }
    page += &facts(report);
    page += "</main>\n";
    document(&title, "", &page)
}

/// Makes a page of a title that is escaped, further styles, and a body. It may use nothing but its own styles.
pub(crate) fn document(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Says what came of it, in a sentence.
fn verdict(counting: &[&Row], excused: usize) -> String {
    let mut said = Vec::new();
    let class = if counting.is_empty() {
        said.push("<b>No known vulnerability.</b>".to_owned());
        "good"
    } else {
        let ids: BTreeSet<&str> = counting.iter().map(|row| row.id.as_str()).collect();
        let packages: BTreeSet<(&str, &str)> = (counting.iter())
            .map(|row| (row.package.name.as_str(), row.package.version.as_str()))
            .collect();
        let vulnerabilities = count(ids.len(), "vulnerability", "vulnerabilities");
        let packages = count(packages.len(), "package", "packages");
        said.push(format!("<b>{vulnerabilities} in {packages}.</b>"));
        match counting.iter().filter(|row| row.fix.version().is_some()).count() {
            0 => said.push("Nothing has a fix yet.".to_owned()),
            all if all == counting.len() => said.push("All have a fix.".to_owned()),
            some => said.push(format!("{some} of {} findings have a fix.", counting.len())),
        }
        let exploited = counting.iter().filter(|row| row.exploited_since.is_some());
        let exploited: BTreeSet<&str> = exploited.map(|row| row.id.as_str()).collect();
        match exploited.len() {
            0 => {}
            1 => said.push("1 is known to be exploited.".to_owned()),
            number => said.push(format!("{number} are known to be exploited.")),
        }
        "bad"
    };
    if excused > 0 {
        let findings = count(excused, "finding is", "findings are");
        said.push(format!("<a href=\"#excused\">{findings} excused</a>."));
    }
    format!("<p class=\"verdict {class}\">{}</p>\n", said.join(" "))
}

/// Draws how many there are of each severity.
fn totals(report: &ScanReport, all: usize) -> String {
    let mut bar = String::new();
    let mut list = String::new();
    for (severity, number) in report.totals() {
        let word = severity.as_str();
        if number == 0 {
            let _ = writeln!(list, "<li class=\"none\"><span><b>0</b> {word}</span></li>");
            continue;
        }
        let _ = write!(bar, "<i class=\"{word}\" style=\"flex-grow:{number}\"></i>");
        let _ = writeln!(
            list,
            "<li class=\"{word}\"><a href=\"#{word}\"><b>{number}</b> {word}</a></li>"
        );
    }
    let bar = if all == 0 {
        String::new()
    } else {
        format!("<div class=\"bar\" aria-hidden=\"true\">{bar}</div>\n")
    };
    format!("{bar}<ul class=\"totals\">\n{list}</ul>\n")
}

/// Lists the updates that fix something, those that fix most first.
fn updates(counting: &[&Row]) -> String {
    let mut by_update: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in counting {
        if let Some(version) = row.fix.version() {
            let name = row.package.source_name.as_deref().unwrap_or(&row.package.name);
            by_update.entry((name, version)).or_default().push(row);
        }
    }
    if by_update.is_empty() {
        return String::new();
    }
    let worst = |rows: &[&Row]| rows.iter().map(|row| row.severity).max();
    let mut updates: Vec<_> = by_update.into_iter().collect();
    updates.sort_by_key(|(_, rows)| std::cmp::Reverse((worst(rows), rows.len())));
    let mut list = String::new();
    for ((name, version), rows) in updates.iter().take(UPDATES_MAX) {
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let word = worst(rows).unwrap_or(Severity::Unknown).as_str();
        let _ = writeln!(
            list,
            "<li class=\"{word}\"><span><b>{}</b> to <code>{}</code></span> <span class=\"quiet\">fixes {}, the worst is {word}</span></li>",
            text(name),
            text(version),
            ids.len(),
        );
    }
    let more = updates.len().saturating_sub(UPDATES_MAX);
    if more > 0 {
        let _ = writeln!(list, "<li class=\"quiet\">and {more} more below</li>");
    }
    format!("<h2>What to update</h2>\n<ul class=\"updates\">\n{list}</ul>\n")
}

/// Tells what was looked at, and with what.
fn facts(report: &ScanReport) -> String {
    let subject = &report.subject;
    let from = match &report.inventory {
        InventoryOrigin::Files => "the files of the image".to_owned(),
        InventoryOrigin::AttachedSbom { signed_by, .. } => {
            format!("the attached SBOM, signed by {}", text(signed_by))
        }
        InventoryOrigin::Document => "an SBOM".to_owned(),
    };
    let sources = report.database.sources.iter().map(|source| {
        let time = source.time.as_deref().unwrap_or("of unknown age");
        format!("{} <span class=\"quiet\">{}</span>", text(&source.name), text(time))
    });
    let code = |text: String| format!("<code>{text}</code>");
    let all = [
        ("Digest", subject.digest.as_ref().map(|digest| code(digest.to_string()))),
        ("Platform", subject.platform.as_deref().map(text)),
        ("Distribution", report.distribution.as_deref().map(text)),
        ("Packages", Some(format!("{} from {from}", report.packages))),
        ("Database", Some(code(report.database.digest.to_string()))),
        ("Sources", Some(sources.collect::<Vec<_>>().join("<br>"))),
    ];
    let rows = all.into_iter().filter_map(|(name, value)| Some(entry(name, &value?)));
    format!("<h2>What was looked at</h2>\n<dl>\n{}</dl>\n", rows.collect::<String>())
}

fn entry(name: &str, value: &str) -> String {
    format!("<dt>{name}</dt><dd>{value}</dd>\n")
}

fn article(row: &Row) -> String {
    let word = row.severity.as_str();
    let class = if row.counts() { word.to_owned() } else { format!("{word} excused") };
    let mut page = format!("<article class=\"{class}\">\n<h3>{} ", named(&row.id));
    let score = row.score().map(|score| format!(" {score}")).unwrap_or_default();
    let _ = write!(page, "<span class=\"badge {word}\">{word}{score}</span>");
    if let Some(since) = &row.exploited_since {
        let by = if row.in_ransomware { " by ransomware" } else { "" };
        let _ = write!(
            page,
            " <span class=\"badge exploited\">exploited{by} since {}</span>",
            text(since)
        );
    }
    if let Some(millionths) = row.epss_millionths {
        let (whole, tenth) = (millionths / 10_000, millionths / 1_000 % 10);
        let _ = write!(page, " <span class=\"quiet\">EPSS {whole}.{tenth} %</span>");
    }
    page += "</h3>\n";
    page += &place(row);
    if let Some(summary) = &row.summary {
        let _ = writeln!(page, "<p>{}</p>", text(summary));
    }
    if let Some(decision) = &row.decision {
        let reason = Some(text(&decision.reason)).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(
            page,
            "<p class=\"said\">The distribution decided <b>{}</b>{reason}</p>",
            decision.kind
        );
    }
    page += &stated(row);
    page += &details(row);
    page += "</article>\n";
    page
}

/// Says which package has it, and what to do.
fn place(row: &Row) -> String {
    let PackageFacts { name, version, source_name, .. } = &*row.package;
    let source = source_name.as_deref().filter(|source| source != name);
    let source = source.map(|source| format!(" <span class=\"quiet\">of {}</span>", text(source)));
    let fix = match row.fix.version() {
        Some(fixed) => {
            format!("<span class=\"fix\">fixed in <code>{}</code></span>", text(fixed))
        }
        None => "<span class=\"quiet\">no fix yet</span>".to_owned(),
    };
    format!(
        "<p class=\"place\"><span><b>{}</b> <code>{}</code>{}</span> {fix}</p>\n",
        text(name),
        text(version),
        source.unwrap_or_default()
    )
}

/// Says what somebody states.
fn stated(row: &Row) -> String {
    let Some(statement) = row.statement() else { return String::new() };
    let verb = match row.status {
        RowStatus::Suppressed { .. } => "Excused",
        RowStatus::UnderInvestigation { .. } | RowStatus::Affected { .. } => "Stated",
    };
    let words = [statement.justification.as_deref(), statement.text.as_deref()];
    let words: Vec<String> =
        words.into_iter().flatten().map(|word| text(&word.replace('_', " "))).collect();
    let why = if words.is_empty() { String::new() } else { format!(": {}", words.join("; ")) };
    let when = statement.time.as_deref().map(|time| format!(", {}", text(time)));
    format!(
        "<p class=\"said\">{verb} as <b>{}</b>{why} <span class=\"quiet\">by {}{}, {}</span></p>\n",
        text(&statement.status.replace('_', " ")),
        if statement.author.is_empty() { "somebody".to_owned() } else { text(&statement.author) },
        when.unwrap_or_default(),
        text(&statement.origin)
    )
}

/// Tells everything else, for whoever wants to know.
fn details(row: &Row) -> String {
    let list = |names: &[String]| names.iter().map(|name| named(name)).collect::<Vec<_>>();
    let code = |text_: &str| format!("<code>{}</code>", text(text_));
    let mut paths: Vec<String> =
        row.package.paths.iter().take(PATHS_MAX).map(|path| code(path)).collect();
    if row.package.paths.len() > PATHS_MAX {
        paths.push(format!("and {} more", row.package.paths.len() - PATHS_MAX));
    }
    let filled =
        |parts: Vec<String>, between: &str| (!parts.is_empty()).then(|| parts.join(between));
    let all = [
        ("Also called", filled(list(&row.aliases), ", ")),
        ("Announced in", filled(list(&row.announcements), ", ")),
        ("Severity by", Some(text(&row.severity_by))),
        ("Vector", row.vector.as_deref().map(code)),
        ("Package", row.package.purl.as_deref().map(code)),
        ("Found in", filled(paths, "<br>")),
        ("Said by", Some(text(&row.source))),
    ];
    let facts = all.into_iter().filter_map(|(name, value)| Some(entry(name, &value?)));
    let steps = row.why.lines();
    let steps = steps.iter().map(|step| format!("<li>{}</li>\n", text(step)));
    format!(
        "<details><summary>Why, and where</summary>\n<ol>\n{}</ol>\n<dl>\n{}</dl>\n</details>\n",
        steps.collect::<String>(),
        facts.collect::<String>()
    )
}

/// Returns the name of a vulnerability or an announcement, with where to read about it.
fn named(id: &str) -> String {
    match link(id) {
        Some(link) => {
            format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escaped(&link), escaped(id))
        }
        None => text(id),
    }
}

fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
        .unwrap_or_default()
}

/// Makes a text of others a part of the page, which writes in its own direction without turning what is around it.
fn text(text: &str) -> String {
    let escaped = escaped(text);
    if text.is_ascii() { escaped } else { format!("<bdi>{escaped}</bdi>") }
}

/// Makes a text harmless in elements and in attributes, of HTML and of XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() => escaped.push(' '),
            // What turns or joins text by itself is shown as what it is: nothing to be seen.
            c if is_obeyed(c) => escaped.push('\u{fffd}'),
            // No document may have these.
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
