//! Finds files that depend on each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
};

/// Dependencies between files: from and to, and the names used.
pub type Edges = BTreeMap<(PathBuf, PathBuf), BTreeSet<String>>;

/// Returns the groups of files that depend on each other in a circle, each with the dependencies that
/// form it. A `mod.rs` or `lib.rs` and a file of its folder may use each other.
#[must_use]
pub fn circles(edges: &Edges) -> Vec<Edges> {
    let mut next: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let mut circular = Edges::new();
    for ((from, to), names) in edges {
        let direct =
            edges.contains_key(&(to.clone(), from.clone())) && !is_parent_and_child(from, to);
        if direct || has_detour(&next, to, from) {
            circular.insert((from.clone(), to.clone()), names.clone());
        }
    }
    let mut groups: Vec<Edges> = Vec::new();
    for (edge, names) in circular {
        let touches = |group: &Edges| {
            group
                .keys()
                .any(|(a, b)| [a, b].iter().any(|file| **file == edge.0 || **file == edge.1))
        };
        let (touching, mut others): (Vec<_>, Vec<_>) = groups.into_iter().partition(touches);
        let mut group: Edges = touching.into_iter().flatten().collect();
        group.insert(edge, names);
        others.push(group);
        groups = others;
    }
    groups
}

/// Checks for a path between two files that has at least one file in between.
fn has_detour(next: &BTreeMap<&Path, Vec<&Path>>, from: &Path, to: &Path) -> bool {
    let (mut seen, mut queue) = (BTreeSet::from([from]), VecDeque::from([from]));
    while let Some(file) = queue.pop_front() {
        for &after in next.get(file).into_iter().flatten() {
            if after == to {
                if file != from {
                    return true;
                }
            } else if seen.insert(after) {
                queue.push_back(after);
            }
        }
    }
    false
}

fn is_parent_and_child(one: &Path, other: &Path) -> bool {
    let is_parent = |parent: &Path, child: &Path| {
        let folder = parent.parent();
        ["mod.rs", "lib.rs"].iter().any(|name| parent.ends_with(name))
            && (child.parent() == folder
                || child.ends_with("mod.rs") && child.parent().and_then(Path::parent) == folder)
    };
    is_parent(one, other) || is_parent(other, one)
}
