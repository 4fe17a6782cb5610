// SPDX-License-Identifier: Apache-2.0
//! The pages in a browser: readable on a telephone and on a screen, in light and in dark, and nothing is asked of anybody.

use hardpan_testkit::browser::{Browser, Look};

use super::tests::{beside, comparison};
use super::*;
use crate::audit::testing::{report, report_of};

#[test]
fn pages_are_easy_to_read_and_ask_nobody() {
    let Some(browser) = Browser::find() else {
        println!("skipped: pages_are_easy_to_read_and_ask_nobody, because there is no chromium");
        return;
    };
    for (name, page) in [
        ("an audit with failures and hostile texts", html(&report(), &beside())),
        ("an audit without any", html(&report_of(&[]), &Beside::default())),
        ("a comparison", comparison_html(&comparison())),
    ] {
        for look in Look::ALL {
            let rendered = browser.render(&page, look);
            let at = format!("{name} at {} pixels, dark {}", rendered.width, rendered.is_dark);
            assert_eq!(rendered.faults(), [""; 0], "{at}");
            assert_eq!((rendered.scripts, rendered.requests.len()), (0, 0), "{at}");
        }
    }
}
