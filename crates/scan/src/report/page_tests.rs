// SPDX-License-Identifier: Apache-2.0
//! The page in a browser: what is on it can be read, on a telephone and on a screen, in light and in dark.

use std::sync::Arc;

use hardpan_testkit::browser::{Browser, Look, Rendered};

use super::tests::{row, sample, statement};
use super::*;

fn browser(test: &str) -> Option<Browser> {
    let found = Browser::find();
    if found.is_none() {
        println!("skipped: {test}, because there is no chromium");
    }
    found
}

/// Shows a page in every look. Where `HARDPAN_TEST_PICTURES` names a folder, pictures of it stay there.
fn looked_at(browser: &Browser, name: &str, report: &ScanReport) -> Vec<Rendered> {
    let page = html(report);
    let look = |look: Look| {
        let rendered = browser.render(&page, look);
        if let Some(folder) = std::env::var_os("HARDPAN_TEST_PICTURES") {
            let scheme = if look.is_dark { "dark" } else { "light" };
            let folder = std::path::PathBuf::from(folder);
            let file = folder.join(format!("{name}-{}-{scheme}.png", look.width));
            std::fs::write(file, &rendered.png).expect("a picture");
            std::fs::write(folder.join(format!("{name}.html")), &page).expect("a page");
        }
        rendered
    };
    Look::ALL.map(look).into()
}

#[track_caller]
fn expect_good(name: &str, looks: &[Rendered]) {
    for rendered in looks {
        let at = format!("{name} at {} pixels, dark {}", rendered.width, rendered.is_dark);
        assert_eq!(rendered.faults(), [""; 0], "{at}");
        assert_eq!((rendered.scripts, rendered.requests.len()), (0, 0), "{at}");
    }
}

/// A report as that of an image that nobody looked after for some months.
fn many() -> ScanReport {
    let mut report = sample();
    report.subject.name = "registry.example/platform/services/authentication-gateway".to_owned();
    report.packages = 214;
    report.warnings = vec![
        Warning {
            kind: "old-data",
            text: "debian-tracker is of 2026-10-01, which is 57 days ago: what is newer is not found".to_owned(),
        },
        Warning {
            kind: "limited-support",
            text: "binutils: only suitable for trusted content; see https://lists.debian.example/msgid-search/87lfqsomtg.fsf@example.org".to_owned(),
        },
    ];
    report.rows = (0..48).map(row_of).collect();
    report.sort();
    report
}

/// Packages with their versions, sources and fixes.
const PACKAGES: [(&str, &str, &str, &str); 6] = [
    ("libssl3t64", "3.5.1-1", "openssl", "3.5.1-1+deb13u3"),
    ("openssl", "3.5.1-1", "openssl", "3.5.1-1+deb13u3"),
    ("libxml2", "2.12.7+dfsg+really2.9.14-2.1", "libxml2", "2.12.7+dfsg+really2.9.14-2.1+deb13u2"),
    (
        "golang-1.24-src-with-a-name-that-is-as-long-as-names-of-packages-get",
        "1.24.4-1",
        "golang-1.24",
        "",
    ),
    ("libc6", "2.41-12", "glibc", ""),
    ("python3.13-minimal", "3.13.5-2", "python3.13", "3.13.5-2+deb13u1"),
];

const SUMMARIES: [&str; 3] = [
    "A use after free in the parsing of certificates lets an attacker that a client connects to run code of their own.",
    "An out-of-bounds read.",
    "Very long input makes a quadratic algorithm busy for minutes, which is a denial of service for whoever waits for it; \
         the fix limits the length, and the limit can be set with an environment variable of its own.",
];

fn row_of(number: usize) -> Row {
    let (name, version, source, fixed) = PACKAGES[number % PACKAGES.len()];
    let severity = Severity::ALL[(number * 5 + 1) % Severity::ALL.len()];
    let status = match number % 9 {
        4 => RowStatus::Suppressed {
            statement: statement(
                "not_affected",
                Some("vulnerable_code_not_in_execute_path"),
                Some("the parser of that format is not compiled into this image"),
            ),
        },
        7 => RowStatus::UnderInvestigation {
            statement: statement("under_investigation", None, None),
        },
        _ => RowStatus::Affected { statement: None },
    };
    let mut one = row(&format!("CVE-2026-{}", 10_400 + number * 37), severity, name, status);
    let package = Arc::make_mut(&mut one.package);
    package.version = version.to_owned();
    package.source_name = Some(source.to_owned());
    let purl =
        format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-13&upstream={source}");
    package.purl = Some(purl.into());
    if !fixed.is_empty() && number % 4 != 3 {
        one.fix = Fix::Fixed { versions: vec![fixed.to_owned()] };
        one.announcements = vec![format!("DSA-60{number:02}-1")];
    }
    one.score_tenths = u8::try_from(20 + number * 7 % 79).ok();
    one.vector = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".to_owned());
    one.epss_millionths =
        number.is_multiple_of(3).then_some(4_200 * u32::try_from(number).expect("small"));
    one.exploited_since = (number == 5).then(|| "2026-09-14".to_owned());
    one.in_ransomware = number == 5;
    one.summary = (number % 5 != 2).then(|| SUMMARIES[number % 3].to_owned());
    if number % 6 == 3 {
        one.decision = Some(DecisionFacts {
            kind: "no-dsa",
            reason: "Minor issue; can be fixed in the next point release".to_owned(),
        });
    }
    one.why = Why::Lines(vec![
        format!("{source} {version} is in debian:13"),
        "debian-tracker says that all versions before the fix are affected".to_owned(),
    ]);
    one
}

#[test]
fn a_page_of_many_findings_is_easy_to_read() {
    let Some(browser) = browser("a_page_of_many_findings_is_easy_to_read") else { return };
    let report = many();
    let looks = looked_at(&browser, "many", &report);
    expect_good("many", &looks);
    for rendered in looks {
        for row in &report.rows {
            assert!(rendered.text.contains(&row.id) && rendered.text.contains(&row.package.name));
        }
        assert!(
            rendered.text.contains("What to update")
                && rendered.text.contains("5 findings are excused"),
            "{}",
            rendered.text
        );
    }
}

#[test]
fn a_page_without_findings_says_so() {
    let Some(browser) = browser("a_page_without_findings_says_so") else { return };
    let mut report = sample();
    report.rows.clear();
    report.warnings.clear();
    let looks = looked_at(&browser, "none", &report);
    expect_good("none", &looks);
    assert!(looks.iter().all(|it| it.text.contains("No known vulnerability.")));
    report.rows = sample().rows.into_iter().filter(|row| !row.counts()).collect();
    let looks = looked_at(&browser, "excused", &report);
    expect_good("excused", &looks);
    assert!(looks.iter().all(|it| it.text.contains("No known vulnerability.")
        && it.text.contains("2 findings are excused")));
}

/// What images and advisories write to be more than text.
const HOSTILE: [&str; 12] = [
    "<script>document.title='run'</script>",
    "</style></title></main></body><script>document.title='run'</script>",
    "\"><img src=http://a.example/x onerror=document.title='run'>",
    "' onmouseover='document.title=1",
    "javascript:document.title='run'",
    "<meta http-equiv=refresh content='0;url=http://a.example/'>",
    "<!-- --><![CDATA[ <b>bold</b>",
    "&lt;b&gt; &amp;amp; &#60;",
    "\u{202e}txet desrever\u{202c} \u{2067}isolated",
    "עברית and العربية beside each other",
    "a\u{0}b\u{1b}[31mred\r\n\tc",
    "longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong",
];

#[test]
fn hostile_texts_stay_texts_in_every_place() {
    let Some(browser) = browser("hostile_texts_stay_texts_in_every_place") else { return };
    let harmless: Vec<String> = (0..HOSTILE.len()).map(|number| format!("text {number}")).collect();
    let harmless: Vec<&str> = harmless.iter().map(String::as_str).collect();
    let harmless = browser.render(&html(&with_texts(&harmless)), Look::ALL[0]);
    let elements = |rendered: &Rendered| {
        let names = [
            "<a ", "<p", "<article", "<script", "<img", "<meta", "<b>", "<style", "<li", "<dd",
            "<wbr",
        ];
        names.map(|name| rendered.dom.matches(name).count())
    };
    let mut expected = elements(&harmless);
    // The name of the image may break at each of these.
    expected[10] = HOSTILE.iter().map(|text| text.matches('/').count()).sum();
    let looks = looked_at(&browser, "hostile", &with_texts(&HOSTILE));
    expect_good("hostile", &looks);
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    for rendered in looks {
        assert_eq!(elements(&rendered), expected, "{}", rendered.dom);
        assert!(rendered.title.starts_with("Vulnerabilities of <script>"), "{}", rendered.title);
        let shown = plain(&rendered.text);
        for text in HOSTILE {
            let times = shown.matches(&plain(text)).count();
            assert!(times >= 30, "{text} is there {times} times: {}", rendered.text);
        }
        // Nothing turns what is around it.
        assert!(!rendered.dom.contains(['\u{202e}', '\u{2067}']));
    }
}

/// A report that has texts wherever it has those of others: all of them in one where there is one, and two rows of each.
fn with_texts(texts: &[&str]) -> ScanReport {
    let all = || texts.join(" ");
    let mut report = sample();
    report.subject.name = all();
    report.subject.platform = Some(all());
    report.distribution = Some(all());
    report.inventory = InventoryOrigin::AttachedSbom { signed_by: all(), is_checked: false };
    report.database.sources = vec![SourceFacts { name: all(), time: Some(all()) }];
    let warning = |text: &&str| Warning { kind: "vex", text: (*text).to_owned() };
    report.warnings = texts.iter().map(warning).collect();
    report.rows = texts.iter().flat_map(|text| rows_with(text)).collect();
    report
}

fn rows_with(text: &str) -> [Row; 2] {
    let own = || text.to_owned();
    let mut facts = statement("not_affected", Some(text), Some(text));
    (facts.author, facts.time, facts.origin) = (own(), Some(own()), own());
    let status = RowStatus::Affected { statement: Some(facts.clone()) };
    let mut open = row(text, Severity::High, text, status);
    let package = Arc::make_mut(&mut open.package);
    package.version = own();
    package.source_name = Some(own() + "x");
    package.purl = Some(own().into());
    package.paths = vec![own()];
    open.fix = Fix::Fixed { versions: vec![own()] };
    open.aliases = vec![own()];
    open.announcements = vec![own()];
    open.vector = Some(own());
    open.severity_by = own();
    open.source = own();
    open.summary = Some(own());
    open.exploited_since = Some(own());
    open.decision = Some(DecisionFacts { kind: "no-dsa", reason: own() });
    open.why = Why::Lines(vec![own()]);
    let gone = Row { status: RowStatus::Suppressed { statement: facts }, ..open.clone() };
    [open, gone]
}
