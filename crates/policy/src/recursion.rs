// SPDX-License-Identifier: Apache-2.0
//! Functions that call themselves. The engine finds rules that depend on themselves, but follows functions until its stack
//! is full. OPA refuses both.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Engine;
use regorus::unstable::{Expr, Literal, Module, Query, Ref, Rule, RuleHead};

/// Returns a function or rule that leads back to itself through a function.
pub(super) fn find(engine: &mut Engine) -> Option<String> {
    let modules: Vec<Ref<Module>> = engine.get_modules().clone();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for module in &modules {
        let scope = Scope::of(module);
        for rule in &module.policy {
            let name = scope.head(rule);
            uses.entry(name).or_default().extend(scope.used(rule));
        }
    }
    // What is used may be a part of a rule's value.
    let names: BTreeSet<String> = uses.keys().cloned().collect();
    for used in uses.values_mut() {
        *used = used.iter().filter_map(|path| known(&names, path)).collect();
    }
    names.into_iter().find(|name| leads_back(&uses, name))
}

/// Returns the rule that a path names, or is inside of.
fn known(names: &BTreeSet<String>, path: &str) -> Option<String> {
    let mut path = path;
    loop {
        if names.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once('.')?.0;
    }
}

fn leads_back(uses: &BTreeMap<String, BTreeSet<String>>, name: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = uses.get(name).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if next == name {
            return true;
        }
        if seen.insert(next) {
            open.extend(uses.get(next).into_iter().flatten());
        }
    }
    false
}

/// What names mean in a module.
struct Scope {
    package: String,
    /// Imports by the names that they have here.
    imports: BTreeMap<String, String>,
}

impl Scope {
    fn of(module: &Module) -> Self {
        let package = format!("data.{}", path(&module.package.refr).unwrap_or_default());
        let imports = module.imports.iter().filter_map(|import| {
            let meant = path(&import.refr)?;
            let name = match &import.r#as {
                Some(name) => name.text(),
                None => meant.rsplit('.').next().unwrap_or_default(),
            };
            Some((name.to_owned(), meant.clone()))
        });
        Self { package, imports: imports.collect() }
    }

    fn whole(&self, path: &str) -> String {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        match self.imports.get(first) {
            Some(meant) => format!("{meant}{rest}"),
            None if first == "data" => path.to_owned(),
            None => format!("{}.{path}", self.package),
        }
    }

    fn head(&self, rule: &Rule) -> String {
        let head = match rule {
            Rule::Spec { head, .. } => match head {
                RuleHead::Compr { refr, .. }
                | RuleHead::Set { refr, .. }
                | RuleHead::Func { refr, .. } => refr,
            },
            Rule::Default { refr, .. } => refr,
        };
        format!("{}.{}", self.package, path(head).unwrap_or_default())
    }

    /// Returns everything that a rule names: functions that it calls, and what may be rules.
    fn used(&self, rule: &Rule) -> BTreeSet<String> {
        let mut open: Vec<&Ref<Expr>> = Vec::new();
        let mut queries: Vec<&Ref<Query>> = Vec::new();
        let mut own: BTreeSet<String> = BTreeSet::new();
        match rule {
            Rule::Default { value, .. } => open.push(value),
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { assign, .. } => {
                        open.extend(assign.iter().map(|assign| &assign.value));
                    }
                    RuleHead::Set { key, .. } => open.extend(key),
                    RuleHead::Func { args, assign, .. } => {
                        // Arguments hide rules of the same name.
                        own.extend(args.iter().filter_map(path));
                        open.extend(assign.iter().map(|assign| &assign.value));
                    }
                }
                for body in bodies {
                    open.extend(body.assign.iter().map(|assign| &assign.value));
                    queries.push(&body.query);
                }
            }
        }
        let mut used = BTreeSet::new();
        loop {
            while let Some(expression) = open.pop() {
                if let Some(path) = path(expression) {
                    let first = path.split('.').next().unwrap_or_default();
                    if !own.contains(first) {
                        used.insert(self.whole(&path));
                    }
                }
                parts(expression, &mut open, &mut queries);
            }
            let Some(query) = queries.pop() else { break };
            for statement in &query.stmts {
                of_literal(&statement.literal, &mut open, &mut queries);
                open.extend(statement.with_mods.iter().map(|with| &with.r#as));
            }
        }
        used
    }
}

fn of_literal<'m>(
    literal: &'m Literal,
    open: &mut Vec<&'m Ref<Expr>>,
    queries: &mut Vec<&'m Ref<Query>>,
) {
    match literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            open.extend(key);
            open.extend([value, collection]);
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => open.push(expr),
        Literal::Every { domain, query, .. } => {
            open.push(domain);
            queries.push(query);
        }
    }
}

/// Adds what an expression is made of.
fn parts<'m>(
    expression: &'m Ref<Expr>,
    open: &mut Vec<&'m Ref<Expr>>,
    queries: &mut Vec<&'m Ref<Query>>,
) {
    match expression.as_ref() {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => {}
        Expr::Array { items, .. } | Expr::Set { items, .. } => open.extend(items),
        Expr::Object { fields, .. } => {
            open.extend(fields.iter().flat_map(|(_, key, value)| [key, value]));
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            open.push(term);
            queries.push(query);
        }
        Expr::ObjectCompr { key, value, query, .. } => {
            open.extend([key, value]);
            queries.push(query);
        }
        Expr::Call { fcn, params, .. } => {
            open.push(fcn);
            open.extend(params);
        }
        Expr::UnaryExpr { expr, .. } => open.push(expr),
        Expr::RefDot { refr, .. } => open.push(refr),
        Expr::RefBrack { refr, index, .. } => open.extend([refr, index]),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => open.extend([lhs, rhs]),
        Expr::Membership { key, value, collection, .. } => {
            open.extend(key);
            open.extend([value, collection]);
        }
    }
}

/// Returns a name with dots; nothing of what is more than that.
fn path(expression: &Ref<Expr>) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = expression;
    loop {
        match rest.as_ref() {
            Expr::RefDot { refr, field, .. } => {
                parts.push(field.0.text().to_owned());
                rest = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                if let Expr::String { span, .. } = index.as_ref() {
                    parts.push(span.text().trim_matches('"').to_owned());
                } else {
                    // What is chosen when it runs may be anything: the name before it is what is used.
                    parts.clear();
                }
                rest = refr;
            }
            Expr::Var { span, .. } => {
                parts.push(span.text().to_owned());
                parts.reverse();
                return Some(parts.join("."));
            }
            _ => return None,
        }
    }
}
