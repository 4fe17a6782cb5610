// SPDX-License-Identifier: Apache-2.0
//! `tests` and `x-hardpan.tests`.

use super::{Decoder, Fields};
use crate::check;
use crate::diagnostic::Code;
use crate::model::{Ask, ContainerTest, Test};
use crate::source::Spanned;
use crate::template::{LOOSE, SHELL, STRICT};
use crate::yaml::{Entry, Node};

impl<'n> Decoder<'n> {
    /// An entry of `tests`.
    pub(crate) fn test(&mut self, node: &'n Node) -> Option<Spanned<Test>> {
        let mut fields = Fields::new(self, node, "a test", node.span)?;
        let name = self.optional(&mut fields, "name", LOOSE);
        let directory = self.test_directory(fields.take("directory"));
        let commands = self.texts(fields.take("commands"), "a command", SHELL);
        let exit_code = fields
            .require(self, "exit-code")
            .and_then(|entry| self.integer(&entry.value, "`exit-code`"));
        let timeout =
            fields.take("timeout").and_then(|entry| self.integer(&entry.value, "`timeout`"));
        let output = self.optional(&mut fields, "output", SHELL);
        fields.finish(self);
        let exit_code = exit_code.unwrap_or_default();
        let test = Test { name, directory, commands, exit_code, timeout, output };
        Some(Spanned::new(test, node.span))
    }

    /// An entry of `x-hardpan.tests`.
    pub(crate) fn container_test(&mut self, node: &'n Node) -> Option<Spanned<ContainerTest>> {
        let mut fields = Fields::new(self, node, "a test", node.span)?;
        let on = self.condition(fields.take("if"));
        let test = self.gated_by(on, &mut fields, Self::container_test_fields);
        fields.finish(self);
        Some(Spanned::new(test??, node.span))
    }

    fn container_test_fields(&mut self, fields: &mut Fields<'n>) -> Option<ContainerTest> {
        let name =
            fields.require(self, "name").and_then(|entry| self.text(&entry.value, "`name`", LOOSE));
        let directory = self.test_directory(fields.take("directory"));
        let user = self.optional(fields, "user", STRICT);
        let environment = self.environment(fields.take("environment"));
        let writable = self.list(fields.take("writable"), |decoder, node| {
            decoder.valid(node, "a path", STRICT, Code::BadPath, check::absolute_path)
        });
        let before = self.texts(fields.take("before"), "a command", SHELL);
        let service = self.flag(fields, "service");
        let commands = self.texts(fields.take("commands"), "a command", SHELL);
        let ask = fields.take("ask").and_then(|entry| self.ask(entry));
        let exit_code =
            fields.take("exit-code").and_then(|entry| self.integer(&entry.value, "`exit-code`"));
        let timeout =
            fields.take("timeout").and_then(|entry| self.integer(&entry.value, "`timeout`"));
        let output = self.optional(fields, "output", SHELL);
        if commands.is_empty() && ask.is_none() {
            let message = "the test has neither `commands` nor `ask`";
            self.error(Code::MissingKey, fields.span(), message);
        }
        if ask.is_some() && !service {
            let message = "`ask` needs `service: true`: nobody else would answer";
            self.error(Code::MissingKey, fields.span(), message);
        }
        Some(ContainerTest {
            name: name?.value,
            directory,
            user,
            environment,
            writable,
            before,
            service,
            commands,
            ask,
            exit_code: exit_code.unwrap_or_default(),
            timeout,
            output,
        })
    }

    fn test_directory(&mut self, entry: Option<&'n Entry>) -> Option<Spanned<String>> {
        let entry = entry?;
        self.valid(&entry.value, "`directory`", LOOSE, Code::BadPath, check::catalog_path)
    }

    fn ask(&mut self, entry: &'n Entry) -> Option<Ask> {
        let mut fields = Fields::new(self, &entry.value, "`ask`", entry.key_span)?;
        let port: Option<u16> =
            fields.require(self, "port").and_then(|entry| self.integer(&entry.value, "`port`"));
        let send = self.optional(&mut fields, "send", SHELL);
        fields.finish(self);
        if port == Some(0) {
            self.error(Code::BadPort, entry.value.span, "nothing listens on port 0");
        }
        Some(Ask { port: port?, send: send.unwrap_or_default() })
    }
}
