// SPDX-License-Identifier: Apache-2.0
//! Packages to a finished tree.

use std::collections::BTreeMap;

use hardpan_definition::Definition;
use hardpan_package::merge::{Member, merge};
use hardpan_package::scripts::ScriptAction;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_tree::{Digest, Tree, TreePath};

use crate::contents::StoreContents;
use crate::demand::Demand;
use crate::distribution;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::finish::{self, Action, PathAlias, Warning};
use crate::graph::Graph;
use crate::lock::{LockedArchive, LockedPackage};
use crate::observer::Event;
use crate::project::CatalogRoot;
use crate::session::Session;

/// A platform's finished tree, and how it came about.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// The root file system.
    pub tree: Tree,
    /// The packages in it, sorted by name; origins in the tree count in this order.
    pub(crate) members: Vec<Prepared>,
    /// The time of all that hardpan made, in seconds since the epoch.
    pub epoch: i64,
    /// What finishers did.
    pub actions: Vec<Action>,
    /// What of the packages' scripts nothing covers.
    pub warnings: Vec<Warning>,
    /// What became of each command of every maintainer script.
    pub(crate) scripts: Vec<ScriptAction>,
    /// Environment variables that packages bring.
    pub environment: BTreeMap<String, String>,
    /// Who needs whom.
    pub graph: Graph,
}

impl Session<'_> {
    /// Puts a tree together: packages by dpkg's rules, then the finishers, with what `add` puts in after
    /// those that configure packages.
    #[expect(clippy::too_many_arguments, reason = "all are inputs of one pure function")]
    pub(crate) fn assemble(
        &self,
        definition: &Definition,
        catalog: &CatalogRoot,
        packages: &[LockedPackage],
        prepared: &BTreeMap<Digest, Prepared>,
        strip: &StripPolicy,
        epoch: i64,
        archives: &[LockedArchive],
        add: impl FnOnce(&mut Tree) -> Result<(), Error>,
    ) -> Result<Assembly, Error> {
        self.observer.event(Event::Assemble { platform: definition.platform.name() });
        // `prepare` made every package of the lock.
        let members: Vec<Prepared> =
            packages.iter().filter_map(|package| prepared.get(&package.sha256).cloned()).collect();
        let merge_members: Vec<Member<'_>> = members
            .iter()
            .map(|member| Member { unpacked: &member.unpacked, segment: member.segment.key() })
            .collect();
        let mut tree = merge(&merge_members)?.tree;
        let unpacked: Vec<_> = members.iter().map(|member| member.unpacked.clone()).collect();
        let inputs = finish::Inputs {
            definition,
            packages: &unpacked,
            contents: &StoreContents { store: self.store },
            epoch,
            catalog: &|path| catalog.read(path),
            aliases: &self.aliases()?,
            strip,
            archives: &distribution::alpine::settings(definition, archives),
            exact: false,
        };
        let mut added = finish::Report::default();
        let finished = finish::run_all_around(&mut tree, &inputs, |tree| {
            let additions = &self.workspace.paths.add;
            finish::paths::apply_additions(tree, additions, &inputs, &mut added)?;
            add(tree)
        })?;
        let demand = Demand::of(definition, self.workspace)?;
        let requested = demand.packages.iter().map(|package| package.name.clone()).collect();
        let packages: Vec<&Unpacked> = unpacked.iter().map(|package| &**package).collect();
        let graph = Graph::of(demand.architecture, &packages, &requested)?;
        Ok(Assembly {
            tree,
            members,
            epoch,
            actions: added.actions.into_iter().chain(finished.actions).collect(),
            warnings: finished.warnings,
            scripts: finished.scripts,
            environment: finished.environment,
            graph,
        })
    }
}

impl Session<'_> {
    /// Returns the workspace's second names of paths.
    fn aliases(&self) -> Result<Vec<PathAlias>, Error> {
        let parse = |text: &str| {
            TreePath::parse(text).map_err(|source| Error::Alias { path: text.to_owned(), source })
        };
        self.workspace
            .paths
            .alias
            .iter()
            .map(|alias| Ok(PathAlias { link: parse(&alias.from)?, target: parse(&alias.to)? }))
            .collect()
    }
}
