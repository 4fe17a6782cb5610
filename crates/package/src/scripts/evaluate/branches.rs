// SPDX-License-Identifier: Apache-2.0
//! Conditions and loops: every way that may be taken is followed.

use super::super::expand::{Value, glob_matches};
use super::super::syntax::{List, Part, Word};
use super::{Evaluator, Flow, State, Status, goes_on};

impl Evaluator<'_> {
    pub(super) fn branches(
        &mut self,
        branches: &[(List, List)],
        otherwise: Option<&List>,
    ) -> (Flow, Status) {
        let Some(((condition, body), rest)) = branches.split_first() else {
            return match otherwise {
                Some(list) => self.list(list),
                None => (Flow::Next, Some(true)),
            };
        };
        let outer = self.may_fail;
        self.may_fail = true;
        let (flow, status) = self.list(condition);
        self.may_fail = outer;
        if flow != Flow::Next {
            return (flow, status);
        }
        match status {
            Some(true) => self.list(body),
            Some(false) => self.branches(rest, otherwise),
            None => {
                let was_uncertain = self.state.is_uncertain;
                self.state.is_uncertain = true;
                let before = self.state.clone();
                let (flow, _) = self.list(body);
                let taken = std::mem::replace(&mut self.state, before);
                let (other, _) = self.branches(rest, otherwise);
                let joined = self.join(taken, flow, other);
                if joined == Flow::Next && [flow, other].into_iter().all(goes_on) {
                    self.state.is_uncertain = was_uncertain;
                }
                (joined, None)
            }
        }
    }

    pub(super) fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, List)]) -> (Flow, Status) {
        let subject = self.value(subject);
        let was_uncertain = self.state.is_uncertain;
        let before = self.state.clone();
        let mut joined: Option<(State, Flow)> = None;
        let mut is_decided = false;
        let mut may_leave = false;
        for (patterns, body) in arms {
            let patterns: Vec<Value> = patterns.iter().map(|word| self.pattern(word)).collect();
            let is_match = match &subject {
                None if patterns.iter().any(|pattern| pattern.as_deref() == Some("*")) => {
                    is_decided = true;
                    None
                }
                None => None,
                Some(text) => {
                    let known = |pattern: &Value| {
                        pattern.as_ref().map(|pattern| glob_matches(pattern, text))
                    };
                    let results: Vec<Option<bool>> = patterns.iter().map(known).collect();
                    if results.contains(&Some(true)) {
                        Some(true)
                    } else if results.contains(&None) {
                        None
                    } else {
                        Some(false)
                    }
                }
            };
            if is_match == Some(false) {
                continue;
            }
            if is_match == Some(true) && joined.is_none() {
                return self.list(body);
            }
            is_decided |= is_match == Some(true);
            self.state = before.clone();
            self.state.is_uncertain = true;
            let (flow, _) = self.list(body);
            may_leave |= !goes_on(flow);
            let flow = match joined.take() {
                None => flow,
                Some((other, other_flow)) => self.join(other, other_flow, flow),
            };
            joined = Some((self.state.clone(), flow));
            if is_match == Some(true) {
                break;
            }
        }
        let Some((state, flow)) = joined else {
            self.state = before;
            return (Flow::Next, Some(true));
        };
        self.state = state;
        let flow = if is_decided { flow } else { self.join(before, Flow::Next, flow) };
        if flow == Flow::Next && !may_leave {
            self.state.is_uncertain = was_uncertain;
        }
        (flow, None)
    }

    /// Expands a pattern of `case`: what is quoted has no special characters.
    pub(super) fn pattern(&mut self, word: &Word) -> Value {
        let mut pattern = String::new();
        for part in word {
            match part {
                Part::Literal(text) => pattern.push_str(text),
                other => {
                    let text = self.value(&vec![other.clone()])?;
                    for character in text.chars() {
                        if "*?[\\".contains(character) {
                            pattern.push('\\');
                        }
                        pattern.push(character);
                    }
                }
            }
        }
        Some(pattern)
    }

    pub(super) fn each(
        &mut self,
        variable: &str,
        values: Vec<Value>,
        body: &List,
    ) -> (Flow, Status) {
        // A word that is not known may stand for any number of words.
        for value in values {
            let is_known = value.is_some();
            let before = (!is_known).then(|| self.state.clone());
            self.state.variables.insert(variable.to_owned(), value);
            self.state.is_uncertain |= !is_known;
            let (mut flow, _) = self.list(body);
            if let Some(before) = before {
                let was_uncertain = before.is_uncertain;
                let is_next = matches!(flow, Flow::Next | Flow::Continue);
                flow = self.join(before, Flow::Next, if is_next { Flow::Next } else { flow });
                self.state.is_uncertain = was_uncertain || !is_next;
            }
            match flow {
                Flow::Next | Flow::Continue => {}
                Flow::Break => break,
                Flow::Return | Flow::Exit | Flow::Fail => return (flow, None),
            }
        }
        (Flow::Next, Some(true))
    }

    pub(super) fn repeat(
        &mut self,
        condition: &List,
        body: &List,
        is_until: bool,
    ) -> (Flow, Status) {
        let (_, status) = self.list(condition);
        if status == Some(is_until) {
            return (Flow::Next, Some(true));
        }
        // How often is not known: what the body sets is not known afterwards, so once is enough.
        let before = self.state.clone();
        self.state.is_uncertain = true;
        let (flow, _) = self.list(body);
        let flow = match flow {
            Flow::Return | Flow::Exit | Flow::Fail => flow,
            _ => Flow::Next,
        };
        let was_uncertain = before.is_uncertain;
        let flow = self.join(before, Flow::Next, flow);
        if flow == Flow::Next {
            self.state.is_uncertain = was_uncertain;
        }
        (flow, None)
    }
}
