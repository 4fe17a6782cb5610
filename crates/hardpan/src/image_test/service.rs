// SPDX-License-Identifier: Apache-2.0
//! Tests of servers: the image's own program runs, and meanwhile commands and a port are asked.
//!
//! Commands run in containers of their own. They share the test's writable paths with the service, and
//! so its sockets there, but not its loopback; a port is asked by hardpan itself.

use std::io::{self, Read as _, Write as _};
use std::thread;
use std::time::Duration;

use hardpan_definition::Ask;

use super::observe::Output;
use super::{Run, Stop};
use crate::sandbox::{Exit, Service};

/// How long to wait before a service that is not up yet is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How much longer than its test a service may run.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait for a service that says nothing.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How much of an answer is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Run<'_> {
    /// Starts the image's program, asks, and ends it.
    pub(super) fn beside_service(&mut self) -> Result<(), Stop> {
        let mut options = self.options()?;
        // The test's time is what it has to be asked in; it ends with that.
        options.limits.time = options.limits.time.map(|time| time + GRACE);
        let (session, image) = (self.session, self.image);
        let mut log = Output::default();
        let asked = session.run_container_beside(
            image,
            &options,
            &mut |_, bytes| log.take(bytes),
            |service| self.ask_all(service),
        );
        self.output.append(&log);
        match asked? {
            (Err(Stop::Error(error)), _) => Err(Stop::Error(error)),
            (_, Some(exit)) => {
                Err(Stop::Failed(format!("the image's own program {}", ended(exit))))
            }
            (answer, None) => answer,
        }
    }

    fn ask_all(&mut self, service: &Service) -> Result<(), Stop> {
        for (number, command) in self.case.commands.iter().enumerate() {
            self.output.end();
            loop {
                match self.command(command, self.case.exit_code) {
                    // The first may come before the service is up.
                    Err(Stop::Failed(reason)) if number == 0 && !service.has_ended() => {
                        self.pause(&reason)?;
                        self.output.forget();
                    }
                    result => break result?,
                }
            }
        }
        let Some(ask) = &self.case.ask else { return self.check_output() };
        let before = std::mem::take(&mut self.output);
        loop {
            self.output.append(&before);
            let reason = match self.ask(ask, service) {
                Ok(()) => match self.check_output() {
                    Ok(()) => return Ok(()),
                    Err(Stop::Failed(_)) => format!("the answer of port {} is another", ask.port),
                    Err(stop) => return Err(stop),
                },
                Err(error) => format!("port {} does not answer: {error}", ask.port),
            };
            if service.has_ended() {
                return Err(Stop::Failed(reason));
            }
            self.pause(&reason)?;
            self.output.forget();
        }
    }

    /// Waits a bit; where no time is left, the test failed for this reason.
    fn pause(&self, reason: &str) -> Result<(), Stop> {
        thread::sleep(PAUSE);
        self.deadline.left().map(drop).map_err(|_| {
            let seconds = self.deadline.seconds();
            Stop::Failed(format!("{reason}, after {seconds} s"))
        })
    }

    /// Sends what is to be sent, and reads until the answer has what it should have, or ends.
    fn ask(&mut self, ask: &Ask, service: &Service) -> io::Result<()> {
        let mut stream = service.connect(ask.port)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        stream.write_all(ask.send.as_bytes())?;
        let mut buffer = [0; 16 << 10];
        let mut length = 0;
        loop {
            if self.case.output.as_deref().is_none_or(|text| self.output.contains(text)) {
                return Ok(());
            }
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.output.take(&buffer[..count]);
                    length += count;
                    if length > ANSWER_BYTES_MAX {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It may keep the connection open for more questions.
                Err(error)
                    if length > 0
                        && matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                        ) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("was killed by signal {signal}"),
        Exit::TimedOut => "was still running when the time was up".to_owned(),
        Exit::TooMuchOutput => "printed too much".to_owned(),
    }
}
