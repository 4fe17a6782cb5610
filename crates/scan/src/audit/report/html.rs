// SPDX-License-Identifier: Apache-2.0
//! One page for a browser, which fetches nothing and runs nothing.

use std::fmt::Write as _;

use super::{Beside, Totals, broken, size, source_text};
use crate::audit::benchmark::{CisRow, SrgRow, Verdict, cis, srg};
use crate::audit::health::{HealthVerdict, health};
use crate::audit::mappings::mapping;
use crate::audit::model::{AuditFinding, AuditReport, ControlResult, Grade, Outcome};
use crate::audit::surface::{FORMULA, Factor};
use crate::controls::{Group, controls};
use crate::report::html::{document, escaped};

/// What the page adds to the style of all pages.
pub(super) const STYLE: &str = include_str!("audit.css");
/// The most paths of a finding that stand open; the others are folded.
const PATHS_OPEN_MAX: usize = 8;
/// How far it is around the ring of points, in its units: 2π · 52.
const RING: f64 = 326.7;

/// Writes a report as a page.
pub fn html(report: &AuditReport, beside: &Beside<'_>) -> String {
    let mut page = format!("<main class=\"grade-{}\">\n", report.grade);
    page += &hero(report);
    for warning in &report.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escaped(warning));
    }
    page += &ledger(report);
    page += &failures(report);
    page += &accepted(report);
    page += &surface(report, beside);
    page += &traits(report);
    page += &scout(report);
    page += &cis_table(&cis(report));
    page += &srg_table(&srg(report));
    page += &removed(report);
    page += &modules(beside);
    page += &all(report);
    let _ = write!(
        page,
        "<footer><p>hardpan {}. The tables are derived from guides of others; nobody certified this image, and no STIG for containers is published.</p></footer>\n</main>\n",
        env!("CARGO_PKG_VERSION")
    );
    document(&format!("Audit of {}", escaped(&report.image.name)), STYLE, &page)
}

fn hero(report: &AuditReport) -> String {
    let image = &report.image;
    let mut chips = vec![format!(
        "profile {}, {}",
        escaped(&report.profile.name),
        source_text(report.profile.source)
    )];
    chips.extend(image.platform.as_deref().map(escaped));
    chips.extend(image.distribution.as_deref().map(escaped));
    chips.push(match image.layers {
        1 => "1 layer".to_owned(),
        layers => format!("{layers} layers"),
    });
    chips.extend(image.digest.map(|digest| format!("<code>{digest}</code>")));
    let chips = items(chips);
    let gaps = report.sum.gaps();
    let gaps = gaps.iter().map(|gap| format!("<p class=\"warning\">{}.</p>\n", escaped(gap)));
    let gaps: String = gaps.collect();
    format!(
        "<header class=\"hero\">\n{}<div>\n<p class=\"eyebrow\">hardpan audit</p>\n<h1>{}</h1>\n<p class=\"verdict\"><b>{}</b> {}</p>\n{gaps}<p class=\"soft\">{}.</p>\n<ul class=\"chips\">\n{chips}</ul>\n</div>\n</header>\n",
        seal(report),
        escaped(&image.name),
        if report.hardened { "Hardened." } else { "Not hardened." },
        verdict_text(report.grade, report.hardened),
        Totals::of(report).text(),
    )
}

/// Says what a letter means.
fn verdict_text(grade: Grade, is_hardened: bool) -> &'static str {
    match (grade, is_hardened) {
        (Grade::A, _) => "Whoever breaks in finds next to nothing to work with.",
        (_, true) => "It keeps the promise of its profile, and some things should be looked at.",
        (Grade::B, false) => "One promise is broken. Mend it, and this is a hardened image.",
        (Grade::C | Grade::D, false) => "Some promises are broken, each with its evidence below.",
        (_, false) => "Whoever breaks in finds a workshop. The list below says where to begin.",
    }
}

fn items(all: impl IntoIterator<Item = String>) -> String {
    all.into_iter().fold(String::new(), |list, item| list + "<li>" + &item + "</li>\n")
}

/// Draws the letter in a ring that is as full as there are points.
pub(super) fn seal(report: &AuditReport) -> String {
    let points = report.sum.points;
    let filled = RING * f64::from(points) / 100.0;
    let ring = if points == 0 {
        String::new()
    } else {
        format!(
            "<circle class=\"points\" cx=\"60\" cy=\"60\" r=\"52\" stroke-dasharray=\"{filled:.1} {RING}\" transform=\"rotate(-90 60 60)\"/>"
        )
    };
    format!(
        "<svg class=\"seal\" viewBox=\"0 0 120 120\" role=\"img\" aria-label=\"grade {}, {points} of 100 points\"><circle class=\"track\" cx=\"60\" cy=\"60\" r=\"52\"/>{ring}<text x=\"60\" y=\"74\">{}</text><text class=\"small\" x=\"60\" y=\"94\">{points} / 100</text></svg>\n",
        report.grade, report.grade
    )
}

fn ledger(report: &AuditReport) -> String {
    let mut page = "<h2>How the grade came to be</h2>\n<dl class=\"ledger\">\n<dt>100</dt><dd>what an image has that breaks nothing</dd>\n".to_owned();
    for one in &report.sum.deductions {
        let title = one.control.control().title;
        let _ = writeln!(
            page,
            "<dt>− {}</dt><dd><a href=\"#{}\">{}</a> <span class=\"soft\">promises {}</span></dd>",
            one.points,
            one.control,
            one.control,
            escaped(title),
        );
    }
    let cap = report.sum.cap.as_deref().map(|cap| format!(", {}", escaped(cap)));
    let _ = writeln!(
        page,
        "<dt class=\"sum\">= {}</dt><dd class=\"sum\">grade {}{}</dd>\n</dl>",
        report.sum.points,
        report.grade,
        cap.unwrap_or_default()
    );
    page + "<p class=\"soft\">A failed control costs 20 points, a warning 5. An A has 90 and no failure, a B 75, C 60, D 45, E 30. What is accepted, only informs or could not be measured costs nothing.</p>\n"
}

fn failures(report: &AuditReport) -> String {
    let broken = broken(report);
    if broken.is_empty() {
        return "<h2>What does not hold</h2>\n<p>Nothing. Every control that could be measured holds.</p>\n".to_owned();
    }
    let mut page = format!("<h2>What does not hold ({})</h2>\n", broken.len());
    for control in broken {
        page += &article(control, true);
    }
    page
}

fn article(control: &ControlResult, named: bool) -> String {
    let known = control.id.control();
    let guides = mapping(control.id);
    let anchor = if named { format!(" id=\"{}\"", control.id) } else { String::new() };
    let mut page = format!(
        "<article class=\"{}\"{anchor}>\n<h3>{} {}</h3>\n<p>Promise: {}. <span class=\"why\">{}</span></p>\n",
        class(&control.outcome),
        control.id,
        word(&control.outcome),
        escaped(known.title),
        escaped(known.why),
    );
    if let Outcome::Unmeasured(why) = &control.outcome {
        let _ = writeln!(page, "<p>Not measured: {}</p>", escaped(why));
    }
    for finding in &control.findings {
        page += &evidence(finding);
    }
    if control.outcome.is_broken() {
        let _ = writeln!(page, "<p class=\"todo\"><b>To do:</b> {}</p>", escaped(known.fix));
    }
    let tags = (guides.cis.iter().map(ToString::to_string))
        .chain(guides.nist.iter().map(ToString::to_string))
        .chain(guides.srg.iter().map(ToString::to_string));
    let tags = items(tags);
    page + &format!("<ul class=\"chips\">\n{tags}</ul>\n</article>\n")
}

fn evidence(finding: &AuditFinding) -> String {
    let mut page = format!("<p>{}", escaped(&finding.message));
    let mut origin = Vec::new();
    origin
        .extend(finding.package.as_deref().map(|package| format!("package {}", escaped(package))));
    origin.extend(finding.layer.map(|layer| format!("layer {layer}")));
    if !origin.is_empty() {
        let _ = write!(page, " <span class=\"soft\">({})</span>", origin.join(", "));
    }
    page += "</p>\n";
    let paths: Vec<String> = (finding.paths.iter())
        .map(|path| format!("<li><code>{}</code></li>\n", escaped(&path.to_string())))
        .collect();
    let (open, folded) = paths.split_at(paths.len().min(PATHS_OPEN_MAX));
    if !open.is_empty() {
        let _ = writeln!(page, "<ul>\n{}</ul>", open.concat());
    }
    if !folded.is_empty() {
        let _ = writeln!(
            page,
            "<details><summary>{} more</summary>\n<ul>\n{}</ul></details>",
            folded.len(),
            folded.concat()
        );
    }
    if let Some(accepted) = &finding.accepted {
        let until = accepted.until.as_deref().map(|day| format!(", until {}", escaped(day)));
        let _ = writeln!(
            page,
            "<p><b>Accepted:</b> {} <span class=\"soft\">({}{})</span></p>",
            escaped(&accepted.reason),
            escaped(&accepted.source),
            until.unwrap_or_default()
        );
    } else if !finding.help.is_empty() {
        let _ = writeln!(page, "<p class=\"soft\">{}</p>", escaped(&finding.help));
    }
    page
}

fn accepted(report: &AuditReport) -> String {
    let of: Vec<&ControlResult> =
        report.controls.iter().filter(|one| one.outcome == Outcome::Excepted).collect();
    if of.is_empty() {
        return String::new();
    }
    let mut page = format!("<h2>Accepted ({})</h2>\n", of.len());
    for control in of {
        page += &article(control, false);
    }
    page
}

fn surface(report: &AuditReport, beside: &Beside<'_>) -> String {
    let surface = &report.surface;
    let mut page = "<h2>Attack surface</h2>\n<ul class=\"numbers\">\n".to_owned();
    for (number, what) in [
        (surface.packages.to_string(), "packages"),
        (surface.executables.to_string(), "executables"),
        (surface.elf.to_string(), "ELF files"),
        (surface.setuid.to_string(), "setuid files"),
        (surface.interpreters.to_string(), "interpreters"),
        (surface.files.to_string(), "files"),
        (size(surface.bytes), "on disk"),
    ] {
        let _ = writeln!(page, "<li><b>{number}</b><span>{what}</span></li>");
    }
    page += "</ul>\n";
    let (Some((name, _)), Some(reduction)) = (beside.standard, beside.reduction(report)) else {
        return page;
    };
    let name = escaped(name);
    let _ = writeln!(
        page,
        "<p class=\"big\"><b>{}</b> to attack than in {name}</p>\n<div class=\"bars\">",
        reduction.text()
    );
    for factor in &reduction.factors {
        page += &bar(factor);
    }
    let _ = writeln!(
        page,
        "</div>\n<p class=\"soft\">The upper bar is this image, the lower one {name}. {FORMULA}</p>"
    );
    page
}

/// Draws two bars, the larger one as long as there is room.
pub(super) fn bar(factor: &Factor) -> String {
    let shown =
        |number: u64| if factor.measure == "bytes" { size(number) } else { number.to_string() };
    let longest = factor.image.max(factor.standard).max(1);
    let length = |number: u64| {
        let tenths = u128::from(number) * 1000 / u128::from(longest);
        if number > 0 { tenths.max(4) } else { 0 }
    };
    let line = |class: &str, number: u64| {
        format!(
            "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"room\" width=\"1000\" height=\"10\"/><rect class=\"{class}\" width=\"{}\" height=\"10\"/></svg>",
            length(number)
        )
    };
    format!(
        "<div><p><span>{}</span><span>{} <span class=\"soft\">of {}</span> {}</span></p>{}{}</div>\n",
        factor.measure,
        shown(factor.image),
        shown(factor.standard),
        factor.change(),
        line("this", factor.image),
        line("other", factor.standard),
    )
}

fn traits(report: &AuditReport) -> String {
    let traits = &report.traits;
    let user =
        if traits.user.is_empty() { "none, so root".to_owned() } else { escaped(&traits.user) };
    let uid = traits.uid.map(|uid| format!(" (number {uid})")).unwrap_or_default();
    let mut rows = vec![("user".to_owned(), format!("{user}{uid}"))];
    for (kind, paths) in &traits.tools {
        let list: Vec<String> = (paths.iter().take(PATHS_OPEN_MAX))
            .map(|path| format!("<code>{}</code>", escaped(&path.to_string())))
            .collect();
        let more = match paths.len().saturating_sub(PATHS_OPEN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let list = if list.is_empty() { none() } else { list.join(" ") + &more };
        rows.push((words(kind), list));
    }
    for (what, number) in [
        ("setuid and setgid files", traits.setuid),
        ("files with capabilities", traits.capabilities),
        ("writable by everybody", traits.world_writable),
    ] {
        rows.push((what.to_owned(), if number == 0 { none() } else { number.to_string() }));
    }
    let rows = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    format!("<h2>What it is</h2>\n<dl class=\"facts\">\n{}</dl>\n", rows.collect::<String>())
}

/// Takes a name of JSON apart: `packageManager` is `package manager`.
pub(crate) fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn none() -> String {
    "<span class=\"word pass\">none</span>".to_owned()
}

fn scout(report: &AuditReport) -> String {
    let health = health(report);
    let mut page = format!(
        "<h2>Health score</h2>\n<p><b>{}</b>, as Docker Scout counts. What can't be measured is in neither number.</p>\n<table class=\"rows\">\n<thead><tr><th>policy</th><th class=\"number\">points</th><th></th></tr></thead>\n<tbody>\n",
        health.text()
    );
    for policy in &health.policies {
        let (class, what, why) = match &policy.verdict {
            HealthVerdict::Met => ("met", "met", ""),
            HealthVerdict::Excepted(why) => ("excepted", "accepted", why.as_str()),
            HealthVerdict::Info(why) => ("info", "met, with remarks", why.as_str()),
            HealthVerdict::Missed(why) => ("missed", "missed", why.as_str()),
            HealthVerdict::NotMeasured(why) => ("quiet", "not measured", why.as_str()),
        };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"number\">{}</td><td><span class=\"word {class}\">{what}</span> <span class=\"soft\">{}</span></td></tr>",
            policy.title,
            policy.weight,
            escaped(why)
        );
    }
    page + "</tbody>\n</table>\n"
}

fn verdict(verdict: &Verdict) -> String {
    let class = match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Excepted(_) => "excepted",
        Verdict::Info(_) => "info",
        Verdict::NotMeasured(_) | Verdict::Manual(_) => "quiet",
    };
    format!(
        "<span class=\"word {class}\">{}</span> <span class=\"soft\">{}</span>",
        verdict.word(),
        escaped(verdict.why())
    )
}

fn cis_table(rows: &[CisRow]) -> String {
    let mut page = "<h2>CIS Docker Benchmark 1.6, section 4</h2>\n<table class=\"rows\">\n<thead><tr><th>item</th><th>asks for</th><th></th></tr></thead>\n<tbody>\n".to_owned();
    for row in rows {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.item,
            escaped(row.title),
            verdict(&row.verdict)
        );
    }
    page + "</tbody>\n</table>\n"
}

fn srg_table(rows: &[SrgRow]) -> String {
    let mut page = "<h2>Derived from the GPOS SRG</h2>\n<p class=\"soft\">Requirements of DISA's guide for operating systems that controls are evidence for. This is not a STIG, and not a certification.</p>\n<table class=\"rows\">\n<thead><tr><th>requirement</th><th>asks for</th><th></th></tr></thead>\n<tbody>\n".to_owned();
    for row in rows {
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            row.requirement,
            escaped(row.title),
            verdict(&row.verdict)
        );
    }
    page + "</tbody>\n</table>\n"
}

/// The table of what a hardened image is without.
fn removed(report: &AuditReport) -> String {
    let mut page = "<h2>What is left out</h2>\n<table class=\"rows\">\n<thead><tr><th>left out</th><th></th></tr></thead>\n<tbody>\n".to_owned();
    for control in controls() {
        let Some(what) = mapping(control.id).removes else { continue };
        let result = report.controls.iter().find(|one| one.id == control.id);
        let state = match result.map(|one| &one.outcome) {
            Some(Outcome::Pass) => "<span class=\"word pass\">gone</span>",
            Some(Outcome::Fail | Outcome::Warn | Outcome::Info) => {
                "<span class=\"word fail\">there</span>"
            }
            Some(Outcome::Excepted) => "<span class=\"word excepted\">there, accepted</span>",
            Some(Outcome::Unmeasured(_)) => "<span class=\"word quiet\">not measured</span>",
            Some(Outcome::NotApplicable) | None => "<span class=\"word quiet\">allowed</span>",
        };
        let _ = writeln!(page, "<tr><td>{}</td><td>{state}</td></tr>", escaped(what));
    }
    page + "</tbody>\n</table>\n"
}

fn modules(beside: &Beside<'_>) -> String {
    let Some(modules) = beside.modules else { return String::new() };
    let mut page = "<h2>Cryptographic modules</h2>\n".to_owned();
    if modules.is_empty() {
        return page + "<p>None that is known.</p>\n";
    }
    page += "<p class=\"soft\">That a module is there does not mean that it is validated under FIPS 140. Only a certificate says so, for one build on one platform.</p>\n<table class=\"rows\">\n<thead><tr><th>module</th><th>files</th><th></th></tr></thead>\n<tbody>\n";
    for module in modules {
        let package =
            module.package.as_ref().map(|package| format!("{} {}", package.name, package.version));
        let paths: Vec<String> = (module.paths.iter().take(PATHS_OPEN_MAX))
            .map(|path| format!("<code>{}</code>", escaped(&path.to_string())))
            .collect();
        let _ = writeln!(
            page,
            "<tr><td>{} <span class=\"soft\">{}</span></td><td>{}</td><td>{}</td></tr>",
            module.name,
            escaped(
                &package.into_iter().chain(module.details.clone()).collect::<Vec<_>>().join("; ")
            ),
            paths.join(" "),
            escaped(&module.status())
        );
    }
    page + "</tbody>\n</table>\n"
}

fn all(report: &AuditReport) -> String {
    let mut page = "<h2>All controls</h2>\n".to_owned();
    for group in Group::ALL {
        let of: Vec<&ControlResult> =
            report.controls.iter().filter(|one| one.group == group).collect();
        if of.is_empty() {
            continue;
        }
        let held = of.iter().filter(|one| one.outcome == Outcome::Pass).count();
        let _ = writeln!(
            page,
            "<details><summary><b>{group}</b> <span class=\"soft\">{held} of {} hold</span></summary>",
            of.len()
        );
        for control in of {
            page += &article(control, false);
        }
        page += "</details>\n";
    }
    page
}

fn class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Warn => "warn",
        Outcome::Info => "info",
        Outcome::Excepted => "excepted",
        Outcome::Unmeasured(_) | Outcome::NotApplicable => "quiet",
    }
}

fn word(outcome: &Outcome) -> String {
    format!("<span class=\"word {}\">{}</span>", class(outcome), outcome.word())
}
