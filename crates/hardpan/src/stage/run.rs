// SPDX-License-Identifier: Apache-2.0
//! Running stages: each has a fresh root, its steps run in the sandbox one after the other, and what they
//! changed is taken. A stage whose inputs gave a result before is not run again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use hardpan_definition::{CacheSharing, Platform};
use hardpan_image::canonical_json;
use hardpan_tree::{Contents as _, Digest, Kind, Metadata, Node, Origin, Tree, TreePath};
use serde::Serialize;

use super::error::StageError;
use super::log::StepLog;
use super::plan::{PlannedStage, PlannedStep};
use super::record::{GivenSecret, RecordError, record};
use super::result::StageChanges;
use crate::action::ACTION_DIRECTORY;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::layers::tree_digest;
use crate::materialize::materialize;
use crate::observer::Event;
use crate::sandbox::{
    Exit, Identity, LayeredRoot, Limits, Mount, MountKind, Network, Owner, Program, Root, Sandbox,
    Streams, host_owner,
};
use crate::session::Session;
use crate::store::Scratch;

/// Changes with what a stage gives for the same inputs: the sandbox's view, and the form of results.
const FORMAT: &str = "hardpan stage 1";
/// How many differences of a stage that is not reproducible are shown.
const DIFFERENCES_MAX: usize = 20;
/// The longest passwd file that users are looked up in, in bytes.
const PASSWD_BYTES_MAX: u64 = 1 << 20;
/// The shells that are looked for where a stage names none, best first.
const SHELLS: [&str; 2] = ["bin/bash", "bin/sh"];

/// A stage with its fresh root.
pub(crate) struct ReadyStage<'s> {
    /// The stage.
    pub stage: &'s PlannedStage,
    /// The platform whose programs it runs.
    pub platform: Platform,
    /// Its root before the first step.
    pub root: &'s Tree,
    /// What every step finds in its environment.
    pub environment: &'s BTreeMap<String, String>,
    /// The definition's name in its catalog, for caches that are nobody else's.
    pub definition: &'s str,
    /// The time of everything that hardpan makes.
    pub epoch: i64,
}

impl Session<'_> {
    /// Returns what the steps of a stage change: from the store, if the same stage ran before.
    pub(crate) fn stage_changes(&self, ready: &ReadyStage<'_>) -> Result<StageChanges, Error> {
        let key = stage_key(ready);
        let stage = &ready.stage.name;
        if !self.stages.check_reproducible {
            // A record that can't be read, or whose files are gone, is as good as none.
            let known: Option<StageChanges> =
                self.store.read_record("stages", &key).unwrap_or_default();
            let is_whole = |changes: &StageChanges| {
                changes.blobs().all(|(digest, size_bytes)| self.store.has_blob(digest, size_bytes))
            };
            if let Some(changes) = known.filter(is_whole) {
                let platform = ready.platform.name();
                self.observer.event(Event::StageKnown { platform, stage });
                return Ok(changes);
            }
        }
        let changes = self.run_stage(ready)?;
        if self.stages.check_reproducible {
            let again = self.run_stage(ready)?;
            compare(ready, &changes, &again)?;
        }
        // The record says that the files are there.
        self.store.sync()?;
        self.store.write_record("stages", &key, &changes)?;
        Ok(changes)
    }

    fn run_stage(&self, ready: &ReadyStage<'_>) -> Result<StageChanges, Error> {
        if ready.stage.steps.is_empty() {
            return Ok(StageChanges::default());
        }
        self.check_network(ready)?;
        let lower = self.root_on_disk(ready.root)?;
        let scratch = self.store.scratch_directory()?;
        let root = LayeredRoot::new(&lower, scratch.path()).with_lower_owners(owners(ready.root));
        let mut left_out = Vec::new();
        for step in &ready.stage.steps {
            if let Err(error) = self.run_step(ready, step, &root, &mut left_out) {
                return Err(self.keep_failed(ready, &root, error));
            }
        }
        let mut changes = self.record(ready, &root)?;
        changes.left_out.extend(left_out);
        changes.left_out.sort();
        drop(root);
        drop::<Scratch>(scratch);
        Ok(changes)
    }

    /// Returns a tree as files on the disk, written once for all who need it.
    pub(crate) fn root_on_disk(&self, tree: &Tree) -> Result<std::path::PathBuf, Error> {
        let owner = host_owner();
        let key = Digest::of(&canonical_json(&(FORMAT, tree_digest(tree), owner)));
        let contents = StoreContents { store: self.store };
        Ok(self.store.root_file_system(&key, self.now, |directory| {
            materialize(tree, contents, directory, owner, self.threads)
        })?)
    }

    fn check_network(&self, ready: &ReadyStage<'_>) -> Result<(), Error> {
        let with_network = ready.stage.steps.iter().find(|step| step.network);
        match with_network {
            Some(step) if self.remote.is_none() => Err(Box::new(StageError::Offline {
                stage: ready.stage.name.clone(),
                step: step.label.clone(),
                reason: step.network_reason.clone(),
                span: step.span,
            })
            .into()),
            _ => Ok(()),
        }
    }

    fn run_step(
        &self,
        ready: &ReadyStage<'_>,
        step: &PlannedStep,
        root: &LayeredRoot,
        left_out: &mut Vec<String>,
    ) -> Result<(), Error> {
        let stage = ready.stage.name.as_str();
        let platform = ready.platform.name();
        self.observer.event(Event::Step { platform, stage, step: &step.label });
        let secrets = self.secrets_of(ready, step)?;
        let mut locks = Vec::new();
        let mut mounts = self.cache_mounts(ready, step, &mut locks)?;
        let action_files = self.action_files(step)?;
        mounts.extend(action_files.as_ref().map(|files| Mount {
            target: TreePath::parse(ACTION_DIRECTORY).unwrap_or_default(),
            kind: MountKind::Bind { source: files.path().to_path_buf(), is_read_only: true },
        }));
        let sandbox = Sandbox {
            root: Root::Layered(root),
            mounts,
            identity: identity(ready, step, StoreContents { store: self.store })?,
            network: if step.network { Network::Host } else { Network::None },
            limits: Limits {
                time: self.stages.step_time,
                memory_bytes: self.stages.step_memory_bytes,
                ..Limits::default()
            },
            emulators: self.stages.emulators.clone(),
            hostname: "build".to_owned(),
        };
        let program = Program {
            arguments: arguments(ready, step)?,
            environment: environment(ready, step, &secrets),
            work_dir: TreePath::parse(&step.work_dir).unwrap_or_default(),
        };
        let mut give = |line: &str| {
            self.observer.event(Event::StepLine { platform, stage, step: &step.label, line });
        };
        let values = secrets.iter().map(|secret| secret.1.value).collect();
        let mut log = StepLog::new(values, &mut give);
        let mut take = |_, piece: &[u8]| log.feed(piece);
        let finished = sandbox.run(&program, Streams::Captured(&mut take)).map_err(|source| {
            Error::from(Box::new(StageError::Sandbox {
                stage: stage.to_owned(),
                step: step.label.clone(),
                span: step.span,
                source,
            }))
        })?;
        let tail = log.finish();
        left_out.extend(finished.devices.iter().map(|device| {
            format!("{} is a device ({}:{})", device.path, device.major, device.minor)
        }));
        let how = match finished.exit {
            Exit::Code(0) => return Ok(()),
            Exit::Code(code) => format!("failed with exit code {code}"),
            Exit::Signal(signal) => format!("was killed by signal {signal}"),
            Exit::TimedOut => "took too long and was killed".to_owned(),
            Exit::TooMuchOutput => "printed too much and was killed".to_owned(),
        };
        Err(Box::new(StageError::Failed {
            stage: stage.to_owned(),
            step: step.label.clone(),
            how,
            log: tail,
            kept: None,
            not_kept: None,
            span: step.span,
        })
        .into())
    }

    /// Returns the secrets that a step asks for, by the variable that gets each.
    fn secrets_of<'a>(
        &'a self,
        ready: &ReadyStage<'_>,
        step: &'a PlannedStep,
    ) -> Result<Vec<(&'a str, GivenSecret<'a>)>, Error> {
        let mut given = Vec::new();
        for secret in &step.secrets {
            let id = secret.id.value.as_str();
            match self.stages.secrets.get(id) {
                Some(value) => {
                    // A file's last newline is not a part of what is in it.
                    let value = GivenSecret { id, value: value.0.trim_ascii_end() };
                    given.push((secret.env.value.as_str(), value));
                }
                None if secret.optional => {}
                None => {
                    return Err(Box::new(StageError::SecretMissing {
                        stage: ready.stage.name.clone(),
                        step: step.label.clone(),
                        id: id.to_owned(),
                        span: secret.span,
                    })
                    .into());
                }
            }
        }
        Ok(given)
    }

    /// Writes the files that an action's script reads, for as long as it runs.
    fn action_files(&self, step: &PlannedStep) -> Result<Option<Scratch>, Error> {
        if step.files.is_empty() {
            return Ok(None);
        }
        let scratch = self.store.scratch_directory()?;
        let mut tree = Tree::new();
        let fail = |path: &str, why: &dyn std::fmt::Display| Error::Io {
            action: "write",
            path: std::path::PathBuf::from(path),
            source: std::io::Error::other(why.to_string()),
        };
        for (name, text) in &step.files {
            let path = TreePath::parse(name).map_err(|error| fail(name, &error))?;
            let parent = path.parent().unwrap_or_default();
            let file = hardpan_tree::File::inline(text.as_bytes());
            let node = Node {
                metadata: Metadata::root(0o644, 0),
                kind: Kind::File(file),
                origin: Origin::Definition,
            };
            tree.make_directories(&parent, &Metadata::root(0o755, 0), Origin::Definition)
                .and_then(|()| tree.insert(path, node))
                .map_err(|error| fail(name, &error))?;
        }
        let contents = StoreContents { store: self.store };
        materialize(&tree, contents, scratch.path(), host_owner(), self.threads)?;
        Ok(Some(scratch))
    }

    /// Returns the directories that a step keeps from build to build, locked where one at a time may.
    fn cache_mounts(
        &self,
        ready: &ReadyStage<'_>,
        step: &PlannedStep,
        locks: &mut Vec<std::fs::File>,
    ) -> Result<Vec<Mount>, Error> {
        // Sorted, so that two steps never wait for each other, and each directory once.
        let caches: BTreeMap<String, CacheSharing> = step
            .caches
            .iter()
            .map(|cache| (super::definition::in_stage(&cache.path), cache.sharing))
            .collect();
        let owner = host_owner();
        let mut mounts = Vec::new();
        for (path, sharing) in caches {
            let whose = match sharing {
                CacheSharing::Private => format!("{} {}", ready.definition, ready.stage.name),
                _ => String::new(),
            };
            let distribution = ready.stage.definition.syntax.distribution.to_string();
            let parts = ("cache 1", &path, whose, distribution, ready.platform.name(), owner);
            let key = Digest::of(&canonical_json(&parts));
            if sharing != CacheSharing::Shared {
                locks.push(self.store.lock_name(&key)?);
            }
            let source = self.store.cache_directory(&key, self.now)?;
            if let Some((uid, gid)) = owner {
                let action = "change the owner of";
                std::os::unix::fs::chown(&source, Some(uid), Some(gid))
                    .map_err(|error| Error::Io { action, path: source.clone(), source: error })?;
            }
            let target = TreePath::parse(&path).map_err(|source| Error::Alias { path, source })?;
            mounts.push(Mount { target, kind: MountKind::Bind { source, is_read_only: false } });
        }
        Ok(mounts)
    }

    fn record(&self, ready: &ReadyStage<'_>, root: &LayeredRoot) -> Result<StageChanges, Error> {
        let mut secrets = Vec::new();
        for step in &ready.stage.steps {
            secrets.extend(self.secrets_of(ready, step)?.into_iter().map(|(_, secret)| secret));
        }
        let changes = root.changes()?;
        record(self.store, &changes, &secrets, ready.epoch).map_err(|error| match error {
            RecordError::Store(error) => error.into(),
            RecordError::Secret { id, path } => Box::new(StageError::SecretLeaked {
                stage: ready.stage.name.clone(),
                id,
                path,
                span: ready.stage.span,
            })
            .into(),
            RecordError::TooMany => Box::new(StageError::Unsupported {
                what: "a stage that changes so many paths".to_owned(),
                span: ready.stage.span,
            })
            .into(),
        })
    }

    /// Leaves the root of a stage that failed where the user wants it.
    fn keep_failed(&self, ready: &ReadyStage<'_>, root: &LayeredRoot, error: Error) -> Error {
        let Some(directory) = &self.stages.keep_failed else { return error };
        let keep = || -> Result<(), Error> {
            let changes = self.record(ready, root)?;
            let tree = changes.apply(ready.root, 0, ready.epoch).map_err(|source| Error::Io {
                action: "write",
                path: directory.clone(),
                source: std::io::Error::other(source),
            })?;
            let io = |source| Error::Io { action: "create", path: directory.clone(), source };
            std::fs::create_dir_all(directory).map_err(io)?;
            if std::fs::read_dir(directory).map_err(io)?.next().is_some() {
                return Err(io(std::io::ErrorKind::DirectoryNotEmpty.into()));
            }
            let contents = StoreContents { store: self.store };
            Ok(materialize(&tree, contents, directory, None, self.threads)?)
        };
        let Error::Stage(mut stage) = error else { return error };
        // The step's own failure is what matters; what became of the root is a word beside it.
        if let StageError::Failed { kept, not_kept, .. } = &mut *stage {
            match keep() {
                Ok(()) => *kept = Some(directory.clone()),
                Err(error) => *not_kept = Some(with_reason(&error)),
            }
        }
        Error::Stage(stage)
    }
}

/// Returns who owns what of a tree, where that is not root: on the disk one user owns all of it.
fn owners(tree: &Tree) -> BTreeMap<TreePath, Owner> {
    tree.walk()
        .filter(|(_, node)| (node.metadata.uid, node.metadata.gid) != (0, 0))
        .map(|(path, node)| {
            let Metadata { uid, gid, .. } = node.metadata;
            (path.clone(), Owner { uid, gid })
        })
        .collect()
}

/// Returns an error in one line, with what caused it.
fn with_reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |reason| format!("{error}: {reason}"))
}

/// Says where two runs of a stage differ.
fn compare(ready: &ReadyStage<'_>, one: &StageChanges, other: &StageChanges) -> Result<(), Error> {
    let mut differences: Vec<String> =
        one.differences(other).into_iter().map(|(path, how)| format!("{path}: {how}")).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    let more = count.saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    Err(Box::new(StageError::NotReproducible {
        stage: ready.stage.name.clone(),
        count,
        differences,
        span: ready.stage.span,
    })
    .into())
}

/// Digest of all that decides what a stage gives.
fn stage_key(ready: &ReadyStage<'_>) -> Digest {
    #[derive(Serialize)]
    struct Key<'k> {
        format: &'static str,
        platform: &'k str,
        root: Digest,
        environment: &'k BTreeMap<String, String>,
        steps: &'k [PlannedStep],
        epoch: i64,
    }
    Digest::of(&canonical_json(&Key {
        format: FORMAT,
        platform: ready.platform.name(),
        root: tree_digest(ready.root),
        environment: ready.environment,
        steps: &ready.stage.steps,
        epoch: ready.epoch,
    }))
}

/// Returns the shell's words and the script.
fn arguments(ready: &ReadyStage<'_>, step: &PlannedStep) -> Result<Vec<OsString>, Error> {
    let shell = if let Some(words) = &step.shell {
        words.clone()
    } else {
        let is_there = |path: &&&str| {
            let path = TreePath::parse(path.as_bytes()).unwrap_or_default();
            let place = ready.root.resolve(&path);
            place.is_ok_and(|place| {
                ready.root.file(&place).is_some_and(|(node, _)| node.metadata.mode & 0o111 != 0)
            })
        };
        let Some(shell) = SHELLS.iter().find(is_there) else {
            return Err(Box::new(StageError::NoShell {
                stage: ready.stage.name.clone(),
                step: step.label.clone(),
                span: step.span,
            })
            .into());
        };
        vec![format!("/{shell}")]
    };
    let mut arguments: Vec<OsString> = shell.into_iter().map(OsString::from).collect();
    arguments.extend([OsString::from("-c"), OsString::from(&step.script)]);
    Ok(arguments)
}

/// Returns the whole environment of a step.
fn environment(
    ready: &ReadyStage<'_>,
    step: &PlannedStep,
    secrets: &[(&str, GivenSecret<'_>)],
) -> BTreeMap<OsString, OsString> {
    let mut texts = ready.environment.clone();
    texts.insert("SOURCE_DATE_EPOCH".to_owned(), ready.epoch.to_string());
    for (name, value) in &step.environment {
        let text = with_variables(value, |name| texts.get(name).map(String::as_str));
        texts.insert(name.clone(), text);
    }
    let mut environment: BTreeMap<OsString, OsString> =
        texts.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    for (name, secret) in secrets {
        let value = std::ffi::OsStr::from_bytes(secret.value);
        environment.insert(OsString::from(name), value.to_owned());
    }
    environment
}

/// Finds the user of a step in the stage's `/etc/passwd`; a number needs no entry.
fn identity(
    ready: &ReadyStage<'_>,
    step: &PlannedStep,
    contents: StoreContents<'_>,
) -> Result<Identity, Error> {
    let Some(user) = step.run_as.as_deref().filter(|user| *user != "root" && *user != "0") else {
        return Ok(Identity { uid: 0, gid: 0 });
    };
    let accounts = &ready.stage.definition.accounts;
    let declared = accounts.users.iter().find(|known| {
        known.name.value == user || user.parse().is_ok_and(|uid: u32| known.uid == uid)
    });
    if let Some(known) = declared {
        return Ok(Identity { uid: known.uid, gid: known.gid });
    }
    if let Some(identity) = passwd_identity(ready.root, user, contents) {
        return Ok(identity);
    }
    match user.parse() {
        Ok(uid) => Ok(Identity { uid, gid: uid }),
        Err(_) => Err(Box::new(StageError::NoUser {
            stage: ready.stage.name.clone(),
            step: step.label.clone(),
            user: user.to_owned(),
            span: step.span,
        })
        .into()),
    }
}

/// Looks a user up by name in a tree's passwd file: hardpan's own, or that of the stage's base.
fn passwd_identity(root: &Tree, user: &str, contents: StoreContents<'_>) -> Option<Identity> {
    let (_, file) = root.file(&TreePath::literal("etc/passwd"))?;
    let bytes = (file.size_bytes <= PASSWD_BYTES_MAX).then(|| contents.read(file).ok())??;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut fields = text
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 4 && fields[0] == user)?
        .into_iter()
        .skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Identity { uid, gid })
}

/// Puts variables into a text, as `$NAME` or `${NAME}`; a name without a value stays as it is written.
fn with_variables<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, length) = if let Some((name, _)) = braced {
            (name, name.len() + 2)
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let end = end.unwrap_or(after.len());
            (&after[..end], end)
        };
        match value(name) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[at..at + 1 + length]),
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_a_base_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(directory.path()).unwrap();
        let contents = StoreContents { store: &store };
        let text = b"root:x:0:0:root:/root:/bin/sh\nbroken\npostgres:x:70:71:::\nbad:x:no:1:::\n";
        let digest = store.put_blob(text).unwrap();
        let file = hardpan_tree::File {
            size_bytes: text.len() as u64,
            digest,
            content: hardpan_tree::Content::Blob,
            facts: None,
        };
        for (summary, kind, user, expected) in [
            ("in the store", Kind::File(file.clone()), "postgres", Some((70, 71))),
            ("no such user", Kind::File(file.clone()), "post", None),
            ("no number", Kind::File(file.clone()), "bad", None),
            (
                "too long",
                Kind::File(hardpan_tree::File { size_bytes: 1 << 40, ..file }),
                "postgres",
                None,
            ),
            ("no file", Kind::Symlink(b"x".to_vec()), "postgres", None),
        ] {
            let mut tree = Tree::new();
            let directory = Metadata::root(0o755, 0);
            let (etc, passwd) = (TreePath::literal("etc"), TreePath::literal("etc/passwd"));
            tree.make_directories(&etc, &directory, Origin::Definition).unwrap();
            let metadata = Metadata::root(0o644, 0);
            tree.insert(passwd, Node { metadata, kind, origin: Origin::Definition }).unwrap();
            let found = passwd_identity(&tree, user, contents);
            assert_eq!(found.map(|found| (found.uid, found.gid)), expected, "{summary}");
        }
    }

    #[test]
    fn variables_are_put_in() {
        let value = |name: &str| match name {
            "PATH" => Some("/bin"),
            "A_1" => Some("a"),
            _ => None,
        };
        for (text, expected) in [
            ("plain", "plain"),
            ("/go/bin:$PATH", "/go/bin:/bin"),
            ("${PATH}:${A_1}x", "/bin:ax"),
            ("$A_1/$PATH", "a//bin"),
            ("$OTHER ${OTHER} $ ${", "$OTHER ${OTHER} $ ${"),
            ("cost: 5$", "cost: 5$"),
            ("${PATH", "${PATH"),
            ("$PATHS", "$PATHS"),
            ("é$PATH", "é/bin"),
        ] {
            assert_eq!(with_variables(text, value), expected, "{text}");
        }
    }
}
