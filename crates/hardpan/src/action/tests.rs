// SPDX-License-Identifier: Apache-2.0

use super::*;

#[test]
fn built_in_actions_have_no_errors() {
    for (name, text) in built_in::FILES {
        let source = Source::new(*name, *text);
        let (action, diagnostics) = parse_action(&source);
        let found: Vec<String> =
            diagnostics.iter().map(|found| found.render_plain(std::slice::from_ref(&source))).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        let action = action.unwrap();
        let expected = format!("{}-{}.yaml", action.name.replace('/', "-"), action.version);
        assert_eq!(*name, expected);
    }
}
