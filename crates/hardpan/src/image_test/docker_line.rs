// SPDX-License-Identifier: Apache-2.0
//! Lines such as `docker run --rm ${DHI_TEST_IMAGE} python --version`, which tests of public definitions
//! have: no docker is asked, the options are understood and the program runs in the sandbox.

use std::collections::BTreeMap;

use super::words::{self, CommandError, CommandLine};

/// How definitions write the image that is tested.
const PLACEHOLDERS: [&str; 2] = ["${DHI_TEST_IMAGE}", "$DHI_TEST_IMAGE"];
/// What stands for it while a line is split: nobody writes this character.
const IMAGE: char = '\u{f8ff}';

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct DockerLine {
    /// `--env`.
    pub(super) environment: BTreeMap<String, String>,
    /// `--user`.
    pub(super) user: Option<String>,
    /// `--entrypoint`; an empty one is none.
    pub(super) entrypoint: Option<String>,
    /// `--workdir`.
    pub(super) work_dir: Option<String>,
    /// `--network`.
    pub(super) network: Option<DockerNetwork>,
    /// `--read-only`.
    pub(super) is_read_only: bool,
    /// `--tmpfs`, without options.
    pub(super) temporary: Vec<String>,
    /// `--volume`.
    pub(super) volumes: Vec<DockerVolume>,
    /// What follows the image.
    pub(super) arguments: Vec<String>,
}

/// `--network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DockerNetwork {
    /// `none`.
    None,
    /// `bridge` and `default`.
    Bridge,
    /// `host`.
    Host,
}

/// `--volume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DockerVolume {
    /// A path on the host.
    pub(super) source: String,
    /// A path in the container.
    pub(super) target: String,
}

/// Why a line is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DockerLineError {
    /// Its words.
    #[error(transparent)]
    Words(#[from] CommandError),
    /// More than words.
    #[error("the line needs a shell beside `docker run`, and none runs here")]
    Script,
    /// Another command than `run`.
    #[error("`docker {0}` is not understood here, only `docker run`")]
    Command(String),
    /// An option.
    #[error("the option {0} of `docker run` is not understood here")]
    Option(String),
    /// An option without its value.
    #[error("the option {0} has no value")]
    NoValue(String),
    /// A value.
    #[error("the option {option} has the value {value:?}, which is not understood here")]
    Value {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// Another image.
    #[error("the line runs another image than ${{DHI_TEST_IMAGE}}: {0:?}")]
    Image(String),
    /// None.
    #[error("the line names no image")]
    NoImage,
}

/// Understands a line, if it begins with `docker`.
pub(super) fn parse(text: &str) -> Option<Result<DockerLine, DockerLineError>> {
    let rest = text.trim_start().strip_prefix("docker")?;
    rest.starts_with([' ', '\t']).then(|| parse_docker(text))
}

fn parse_docker(text: &str) -> Result<DockerLine, DockerLineError> {
    let mut marked = text.to_owned();
    for placeholder in PLACEHOLDERS {
        marked = marked.replace(placeholder, &IMAGE.to_string());
    }
    let CommandLine::Words(words) = words::split(&marked)? else {
        return Err(DockerLineError::Script);
    };
    let mut words = words.into_iter().skip(1);
    let command = words.next().unwrap_or_default();
    if command != "run" {
        return Err(DockerLineError::Command(command));
    }
    let mut line = DockerLine::default();
    while let Some(word) = words.next() {
        if word == IMAGE.to_string() {
            line.arguments = words.collect();
            return Ok(line);
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            line.long(name, value, &mut words)?;
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            line.short(short, &mut words)?;
        } else {
            return Err(DockerLineError::Image(word));
        }
    }
    Err(DockerLineError::NoImage)
}

impl DockerLine {
    /// `-it`, `-e NAME=value`, `-eNAME=value`.
    fn short(
        &mut self,
        letters: &str,
        words: &mut dyn Iterator<Item = String>,
    ) -> Result<(), DockerLineError> {
        for (at, letter) in letters.char_indices() {
            let name = match letter {
                // A test has neither a terminal nor anything to read.
                'i' | 't' => continue,
                'e' => "env",
                'u' => "user",
                'w' => "workdir",
                'v' => "volume",
                _ => return Err(DockerLineError::Option(format!("-{letter}"))),
            };
            let rest = letters[at + letter.len_utf8()..].trim_start_matches('=');
            let value = (!rest.is_empty()).then(|| rest.to_owned());
            return self.long(name, value, words);
        }
        Ok(())
    }

    fn long(
        &mut self,
        name: &str,
        value: Option<String>,
        words: &mut dyn Iterator<Item = String>,
    ) -> Result<(), DockerLineError> {
        let flag = |option: &'static str, value: &Option<String>| match value.as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(DockerLineError::Value { option, value: other.to_owned() }),
        };
        match name {
            "rm" => flag("--rm", &value).map(drop),
            "interactive" => flag("--interactive", &value).map(drop),
            "tty" => flag("--tty", &value).map(drop),
            "read-only" => flag("--read-only", &value).map(|is_set| self.is_read_only = is_set),
            "env" | "user" | "entrypoint" | "workdir" | "network" | "net" | "tmpfs" | "volume" => {
                let value = value
                    .or_else(|| words.next())
                    .ok_or_else(|| DockerLineError::NoValue(format!("--{name}")))?;
                self.value(name, value)
            }
            _ => Err(DockerLineError::Option(format!("--{name}"))),
        }
    }

    fn value(&mut self, name: &str, value: String) -> Result<(), DockerLineError> {
        let refuse = |option: &'static str, value: &str| {
            Err(DockerLineError::Value { option, value: value.to_owned() })
        };
        match name {
            "env" => match value.split_once('=') {
                Some((name, text)) if words::is_name(name) => {
                    self.environment.insert(name.to_owned(), text.to_owned());
                }
                // `--env NAME` would pass on what the caller has: a test depends on nothing of that.
                _ => return refuse("--env", &value),
            },
            "user" => self.user = Some(value),
            "entrypoint" => self.entrypoint = Some(value),
            "workdir" => self.work_dir = Some(value),
            "network" | "net" => {
                self.network = Some(match value.as_str() {
                    "none" => DockerNetwork::None,
                    "bridge" | "default" => DockerNetwork::Bridge,
                    "host" => DockerNetwork::Host,
                    _ => return refuse("--network", &value),
                });
            }
            "tmpfs" => {
                let path = value.split(':').next().unwrap_or_default();
                if !path.starts_with('/') {
                    return refuse("--tmpfs", &value);
                }
                self.temporary.push(path.to_owned());
            }
            _ => match value.split(':').collect::<Vec<_>>()[..] {
                // Only for reading, whatever the line says: a test changes nothing beside itself.
                [source, target] | [source, target, "ro" | "rw" | "z" | "Z" | "ro,z" | "ro,Z"]
                    if !source.is_empty() && target.starts_with('/') =>
                {
                    let (source, target) = (source.to_owned(), target.to_owned());
                    self.volumes.push(DockerVolume { source, target });
                }
                _ => return refuse("--volume", &value),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<DockerLine, DockerLineError> {
        parse(text).expect("the line begins with docker")
    }

    fn with(arguments: &[&str], change: impl FnOnce(&mut DockerLine)) -> DockerLine {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut line = DockerLine { arguments, ..DockerLine::default() };
        change(&mut line);
        line
    }

    #[test]
    fn lines_of_other_commands_are_not_ours() {
        for text in ["curl --version", "dockerize x", "docker-compose up", "docker", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn options_are_understood() {
        for (text, expected) in [
            ("docker run --rm ${DHI_TEST_IMAGE} a --b", with(&["a", "--b"], |_| {})),
            ("  docker run -it $DHI_TEST_IMAGE", with(&[], |_| {})),
            ("docker run --rm=true \"${DHI_TEST_IMAGE}\" 'a b'", with(&["a b"], |_| {})),
            (
                "docker run -i -t --tty --interactive ${DHI_TEST_IMAGE} --rm",
                with(&["--rm"], |_| {}),
            ),
            (
                "docker run -e A=1 --env B=2=3 --env=C= -eD=4 -e=E=5 ${DHI_TEST_IMAGE}",
                with(&[], |line| {
                    line.environment =
                        [("A", "1"), ("B", "2=3"), ("C", ""), ("D", "4"), ("E", "5")]
                            .map(|(name, value)| (name.to_owned(), value.to_owned()))
                            .into();
                }),
            ),
            (
                "docker run -ite A=1 ${DHI_TEST_IMAGE}",
                with(&[], |line| {
                    line.environment.insert("A".to_owned(), "1".to_owned());
                }),
            ),
            (
                "docker run -u 0 --entrypoint /bin/sh -w /tmp ${DHI_TEST_IMAGE} -c 'a | b'",
                with(&["-c", "a | b"], |line| {
                    line.user = Some("0".to_owned());
                    line.entrypoint = Some("/bin/sh".to_owned());
                    line.work_dir = Some("/tmp".to_owned());
                }),
            ),
            (
                "docker run --entrypoint= --network none --read-only ${DHI_TEST_IMAGE}",
                with(&[], |line| {
                    line.entrypoint = Some(String::new());
                    line.network = Some(DockerNetwork::None);
                    line.is_read_only = true;
                }),
            ),
            (
                "docker run --tmpfs /tmp:size=1m --tmpfs=/x -v ./a:/b:ro ${DHI_TEST_IMAGE}",
                with(&[], |line| {
                    line.temporary = vec!["/tmp".to_owned(), "/x".to_owned()];
                    let (source, target) = ("./a".to_owned(), "/b".to_owned());
                    line.volumes = vec![DockerVolume { source, target }];
                }),
            ),
        ] {
            assert_eq!(line(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("docker run --rm ${DHI_TEST_IMAGE} a | grep b", "needs a shell"),
            ("docker run ${DHI_TEST_IMAGE} $HOME", "needs a shell"),
            ("docker run ${DHI_TEST_IMAGE} 'a", "quote ' is never closed"),
            ("docker pull ${DHI_TEST_IMAGE}", "`docker pull`"),
            ("docker run --privileged ${DHI_TEST_IMAGE}", "option --privileged"),
            ("docker run --cap-add=ALL ${DHI_TEST_IMAGE}", "option --cap-add"),
            ("docker run -d ${DHI_TEST_IMAGE}", "option -d"),
            ("docker run -p 80:80 ${DHI_TEST_IMAGE}", "option -p"),
            ("docker run -itd ${DHI_TEST_IMAGE}", "option -d"),
            ("docker run --rm=maybe ${DHI_TEST_IMAGE}", "\"maybe\""),
            ("docker run -e HOME ${DHI_TEST_IMAGE}", "\"HOME\""),
            ("docker run -e 1=2 ${DHI_TEST_IMAGE}", "\"1=2\""),
            ("docker run --network container:x ${DHI_TEST_IMAGE}", "\"container:x\""),
            ("docker run --tmpfs tmp ${DHI_TEST_IMAGE}", "\"tmp\""),
            ("docker run -v data ${DHI_TEST_IMAGE}", "\"data\""),
            ("docker run -v a:b ${DHI_TEST_IMAGE}", "\"a:b\""),
            ("docker run -v a:/b:shared ${DHI_TEST_IMAGE}", "\"a:/b:shared\""),
            ("docker run --rm alpine a", "another image"),
            ("docker run --rm ${DHI_TEST_IMAGE}-dev a", "another image"),
            ("docker run --rm", "names no image"),
            ("docker run --user", "--user has no value"),
            ("docker run --user ${DHI_TEST_IMAGE}", "names no image"),
        ] {
            let error = line(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
