// SPDX-License-Identifier: Apache-2.0
//! Pages as people see them: in Chromium, without a window, at a width, in a colour scheme, and without a network.

mod png;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use png::Picture;

const MEASURE: &str = include_str!("measure.html");
/// Where distributions have it.
const PROGRAMS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/snap/bin/chromium"];
/// How long one run may take: a busy machine takes some seconds.
const TIME_MAX: Duration = Duration::from_secs(90);
/// The least width of its windows, in pixels.
const WINDOW_MIN: u32 = 500;
/// How much of a page is on the picture, in pixels from above.
const PICTURE_HEIGHT: u32 = 3_000;

/// A browser.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The width of what the page sees, in pixels.
    pub width: u32,
    /// Whether the user wants dark colours.
    pub is_dark: bool,
}

impl Look {
    /// A telephone and a screen, with light and with dark colours.
    pub const ALL: [Self; 4] = [
        Self { width: 360, is_dark: false },
        Self { width: 360, is_dark: true },
        Self { width: 1280, is_dark: false },
        Self { width: 1280, is_dark: true },
    ];
}

/// Something of a page that has the least of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Least {
    /// How much.
    pub value: f64,
    /// The element.
    pub tag: String,
    /// The text in it, its beginning.
    pub text: String,
}

/// A page that was looked at, with all of its `<details>` open.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The width that it was given, in pixels.
    pub width: u32,
    /// The width and height that it takes, in pixels.
    pub content: (u32, u32),
    /// Whether it believes that dark colours are wanted.
    pub is_dark: bool,
    /// The smallest letters, in pixels.
    pub smallest: Option<Least>,
    /// The weakest contrast of letters to what is behind them, from 1 to 21.
    pub weakest: Option<Least>,
    /// Texts that are not inside of the width.
    pub outside: Vec<String>,
    /// How many scripts, handlers of events and addresses of scripts it has.
    pub scripts: u64,
    /// What it tried to fetch.
    pub requests: Vec<String>,
    /// Its title.
    pub title: String,
    /// Its text as it is shown.
    pub text: String,
    /// Its elements, as HTML.
    pub dom: String,
    /// What its beginning looks like.
    pub picture: Picture,
    /// The window that it is in, as a PNG.
    pub png: Vec<u8>,
}

impl Rendered {
    /// Returns everything that keeps people from reading it: a page to scroll sideways, letters below 12 pixels, a contrast
    /// below 4.5, and a blank picture.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.content.0 > self.width {
            faults.push(format!(
                "it is {} pixels wide, and {} there are",
                self.content.0, self.width
            ));
        }
        for text in &self.outside {
            faults.push(format!("{text:?} is not inside of it"));
        }
        for (least, min, what) in
            [(&self.smallest, 12.0, "pixels high"), (&self.weakest, 4.5, "of contrast")]
        {
            match least {
                None => faults.push("it has no text".to_owned()),
                Some(it) if it.value < min => {
                    faults.push(format!("{:?} in <{}> is {:.2} {what}", it.text, it.tag, it.value));
                }
                Some(_) => {}
            }
        }
        if self.picture.is_blank() {
            faults.push("its picture is blank".to_owned());
        }
        faults
    }
}

impl Browser {
    /// Returns it where there is one.
    pub fn find() -> Option<Self> {
        let program = PROGRAMS.iter().map(PathBuf::from).find(|path| path.is_file())?;
        Some(Self { program })
    }

    /// Shows a page.
    ///
    /// It is in a frame of its own, as a file: its width may be less than that of a window, and what measures it is not in
    /// it, so that its own policy holds.
    ///
    /// # Panics
    /// If the browser fails, or takes too long.
    pub fn render(&self, html: &str, look: Look) -> Rendered {
        let folder = tempfile::tempdir().expect("a folder for pages");
        fs::write(folder.path().join("page.html"), html).expect("a page is written");
        let (found, png) = self.run(folder.path(), look);
        let number =
            |key: &str| u32::try_from(found[key].as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
        let picture = Picture::parse(&png).unwrap_or_else(|error| panic!("{error}"));
        // Around the page is the window.
        let picture = picture.corner(look.width as usize, number("height") as usize);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let least = |value: &Value| {
            let size = value["value"].as_f64()?;
            Some(Least { value: size, tag: text(&value["tag"]), text: text(&value["text"]) })
        };
        let outside = found["outside"].as_array().into_iter().flatten();
        Rendered {
            width: number("width"),
            content: (number("content"), number("height")),
            is_dark: found["is_dark"] == true,
            smallest: least(&found["smallest"]),
            weakest: least(&found["weakest"]),
            outside: outside.map(|it| text(&it["text"])).collect(),
            scripts: found["scripts"].as_u64().unwrap_or_default(),
            requests: requests(&fs::read(folder.path().join("net.json")).unwrap_or_default()),
            title: text(&found["title"]),
            text: text(&found["text"]),
            dom: text(&found["dom"]),
            picture,
            png,
        }
    }

    /// Returns what was measured, and a picture.
    fn run(&self, folder: &Path, look: Look) -> (Value, Vec<u8>) {
        let frame = MEASURE
            .replace("WIDTH", &look.width.to_string())
            .replace("HEIGHT", &PICTURE_HEIGHT.to_string());
        fs::write(folder.join("frame.html"), frame).expect("a frame is written");
        let place = |name: &str| folder.join(name).display().to_string();
        let profile = tempfile::tempdir_in(folder).expect("a folder for a profile");
        let scheme = u8::from(!look.is_dark);
        let mut command = Command::new(&self.program);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars"])
            // The page is a file in a file.
            .args(["--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--log-net-log={}", place("net.json")))
            .arg(format!("--window-size={},{PICTURE_HEIGHT}", look.width.max(WINDOW_MIN)))
            .arg(format!("--screenshot={}", place("picture.png")))
            .arg("--dump-dom")
            .arg(format!("file://{}", place("frame.html")))
            .env_clear()
            .env("HOME", profile.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(File::create(place("output")).expect("a file for its output"))
            .stderr(File::create(place("complaints")).expect("a file for its complaints"));
        let mut child = command.spawn().expect("it starts");
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is waited for") {
                break status;
            }
            if start.elapsed() > TIME_MAX {
                child.kill().expect("it ends");
                child.wait().expect("it has ended");
                panic!("the browser takes too long: {}", complaints(folder));
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}: {}", complaints(folder));
        let dom = fs::read_to_string(place("output")).expect("its output");
        let found = dom.split_once("data-found=\"").and_then(|(_, rest)| rest.split_once('"'));
        let (found, _) = found.unwrap_or_else(|| panic!("the page was not measured: {dom}"));
        let found = serde_json::from_slice(&decoded(found));
        let found = found.unwrap_or_else(|error| panic!("{error}: {dom}"));
        (found, fs::read(place("picture.png")).expect("a picture"))
    }
}

fn complaints(folder: &Path) -> String {
    fs::read_to_string(folder.join("complaints")).unwrap_or_default()
}

/// Returns what a page fetched, of the log of the network: what the browser asks for itself has no origin.
fn requests(log: &[u8]) -> Vec<String> {
    let log: Value = serde_json::from_slice(log).expect("a whole log");
    let kind = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(kind.is_number(), "the log has other events");
    let events = log["events"].as_array().expect("events").iter();
    let mut found: Vec<String> = events
        .filter(|event| event["type"] == *kind && event["params"]["initiator"] != "not an origin")
        .filter_map(|event| Some(event["params"]["url"].as_str()?.to_owned()))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits =
            [bytes.next(), bytes.next()].map(|it| char::from(it.unwrap_or(b'x')).to_digit(16));
        let [Some(high), Some(low)] = digits else { panic!("{text} is not escaped") };
        decoded.push(u8::try_from(high * 16 + low).expect("two digits"));
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(test: &str) -> Option<Browser> {
        let found = Browser::find();
        if found.is_none() {
            println!("skipped: {test}, because there is no chromium");
        }
        found
    }

    fn page(head: &str, body: &str) -> String {
        format!(
            "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>\
             <title>A & b</title>{head}</head><body>{body}</body></html>"
        )
    }

    const TELEPHONE: Look = Look { width: 360, is_dark: false };

    #[test]
    fn a_good_page_has_no_fault_in_any_look() {
        let Some(browser) = browser("a_good_page_has_no_fault_in_any_look") else { return };
        let html = page(
            "<style>:root{color-scheme:light dark} @media(max-width:400px){h1{color:#b00}}</style>",
            "<h1>Grüße</h1><p>text</p><details><summary>more</summary><p>inside</p></details>",
        );
        for look in Look::ALL {
            let rendered = browser.render(&html, look);
            if look.is_dark && look.width == 360 {
                // Dark red on nearly black.
                assert_eq!(rendered.faults().len(), 1, "{:?}", rendered.faults());
            } else {
                assert_eq!(rendered.faults(), [""; 0], "{look:?}");
            }
            assert_eq!((rendered.width, rendered.is_dark), (look.width, look.is_dark));
            assert_eq!((rendered.title.as_str(), rendered.scripts), ("A & b", 0));
            assert!(rendered.text.contains("Grüße") && rendered.text.contains("inside"));
            assert_eq!(rendered.requests, [""; 0]);
            assert_eq!(rendered.picture.width, look.width as usize);
        }
    }

    #[test]
    fn faults_are_found() {
        let Some(browser) = browser("faults_are_found") else { return };
        for (head, body, expected) in [
            ("", "<p style=width:500px>wide</p>", "pixels wide"),
            (
                "",
                "<pre style=overflow:hidden>a line that is by far too long for a telephone, and cut</pre>",
                "not inside",
            ),
            ("", "<p style=font-size:11px>small</p>", "\"small\" in <p> is 11.00 pixels high"),
            ("", "<p style=color:#999>pale</p>", "\"pale\" in <p> is 2.85 of contrast"),
            ("", "<p style='background:#000a'>on grey</p>", "\"on grey\""),
            ("<style>:root{color-scheme:dark}</style>", "<p style=color:#333>dark</p>", "\"dark\""),
            (
                "",
                "<details><summary>a</summary><p style=font-size:9px>hidden</p></details>",
                "hidden",
            ),
            ("", "", "it has no text"),
            ("", " ", "its picture is blank"),
        ] {
            let faults = browser.render(&page(head, body), TELEPHONE).faults();
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{body}: {faults:?}");
        }
        let hidden = "<p>text</p><p style=display:none;font-size:1px>x</p><p style=visibility:hidden;color:#fff>y</p>";
        assert_eq!(browser.render(&page("", hidden), TELEPHONE).faults(), [""; 0]);
    }

    #[test]
    fn whatever_a_page_fetches_is_seen() {
        let Some(browser) = browser("whatever_a_page_fetches_is_seen") else { return };
        let address = "http://a.example/x";
        for (head, body) in [
            ("", "<img src=http://a.example/x>"),
            ("", "<img srcset='http://a.example/x 1x'>"),
            ("", "<script src=http://a.example/x></script>"),
            ("", "<script>fetch('http://a.example/x')</script>"),
            ("", "<iframe src=http://a.example/x></iframe>"),
            ("", "<object data=http://a.example/x></object>"),
            ("", "<p style='background:url(http://a.example/x)'>a</p>"),
            ("<link rel=stylesheet href=http://a.example/x>", ""),
            ("<style>@import 'http://a.example/x'</style>", ""),
            (
                "<style>@font-face{font-family:f;src:url(http://a.example/x)} p{font-family:f}</style>",
                "<p>a</p>",
            ),
        ] {
            let rendered = browser.render(&page(head, &format!("<p>text</p>{body}")), TELEPHONE);
            assert_eq!(rendered.requests, [address], "{head}{body}");
        }
        // Its own policy holds: what it forbids is not fetched, and not run.
        let policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">";
        let body = "<p>text</p><img src=http://a.example/x onerror=a()><script>document.title='run'</script><a href=javascript:a()>b</a>";
        let rendered = browser.render(&page(policy, body), TELEPHONE);
        assert_eq!(rendered.requests, [""; 0]);
        assert_eq!((rendered.title.as_str(), rendered.scripts), ("A & b", 3));
        let free = browser.render(&page("", body), TELEPHONE);
        assert_eq!((free.title.as_str(), free.requests.len()), ("run", 1));
    }
}
