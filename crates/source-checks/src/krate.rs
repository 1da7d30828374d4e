//! All modules of a crate, and the files that its paths lead to.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path as FilePath, PathBuf},
};

use crate::{
    circles::Edges,
    module::{File, Import, Module, Path},
};

/// Maximum number of re-exports between a path and the item that it means.
const MAX_REEXPORTS: usize = 16;

/// The modules of a crate by their paths, which have no `crate` in front.
#[derive(Debug)]
pub struct Crate {
    /// The name by which the crate's own binary refers to it.
    name: String,
    modules: BTreeMap<Path, Module>,
    files: BTreeMap<Path, PathBuf>,
    /// The files of test modules, without their extension.
    tests: Vec<PathBuf>,
}

/// A path that a file uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file that uses it.
    pub file: PathBuf,
    /// The module that uses it.
    pub module: Path,
    /// The path as written, with `crate`, `self` and `super` resolved.
    pub path: Path,
    /// The item that it means.
    pub target: Target,
}

/// The item that a path means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An item of this crate, by the module that defines it.
    Own(Path),
    /// An item of another crate.
    External,
}

/// The item that an imported name means.
enum Imported {
    Own(Path),
    External,
}

impl Crate {
    /// Reads a crate from its root files: `lib.rs`, `main.rs` or both in the folder `source` of the
    /// workspace `root`. The modules of `main.rs` stand below a module `main`.
    ///
    /// # Panics
    ///
    /// If a file is missing or is not valid Rust.
    #[must_use]
    pub fn read(name: &str, root: &FilePath, source: &FilePath) -> Self {
        let read = |path: &FilePath| fs::read_to_string(root.join(source).join(path)).ok();
        let mut this = Self::from_texts(name, &read);
        for file in this.files.values_mut() {
            *file = source.join(&*file);
        }
        for file in &mut this.tests {
            *file = source.join(&*file);
        }
        this
    }

    /// Reads a crate from texts by the paths of their files, relative to the root's folder.
    ///
    /// # Panics
    ///
    /// If a file is missing or is not valid Rust.
    #[must_use]
    pub fn from_texts(name: &str, text: &dyn Fn(&FilePath) -> Option<String>) -> Self {
        let (modules, files) = (BTreeMap::new(), BTreeMap::new());
        let mut this = Self { name: name.to_owned(), modules, files, tests: Vec::new() };
        let roots = [(Path::new(), "lib.rs"), (vec!["main".to_owned()], "main.rs")];
        for (path, root) in roots {
            if let Some(content) = text(FilePath::new(root)) {
                this.add(&path, FilePath::new(root), FilePath::new(""), &content, text);
            }
        }
        assert!(!this.modules.is_empty(), "{name} has neither a lib.rs nor a main.rs");
        this
    }

    /// Adds a file and the files of its modules, which stand in `folder`.
    fn add(
        &mut self,
        path: &[String],
        file: &FilePath,
        folder: &FilePath,
        content: &str,
        text: &dyn Fn(&FilePath) -> Option<String>,
    ) {
        let parsed = File::parse(content);
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let base_of =
            |child: &Path| child.iter().fold(folder.to_owned(), |folder, name| folder.join(name));
        self.tests.extend(parsed.test_files.iter().map(base_of));
        for child in parsed.files {
            let base = base_of(&child);
            let places = [base.join("mod.rs"), base.with_extension("rs")];
            let found = places.iter().find_map(|place| Some((place, text(place)?)));
            let Some((place, content)) = found else { panic!("{}: no {places:?}", file.display()) };
            self.add(&[path, &child].concat(), place, &base, &content, text);
        }
        for (inner, module) in parsed.modules {
            let path = [path, &inner].concat();
            self.files.insert(path.clone(), file.to_owned());
            self.modules.insert(path, module);
        }
    }

    /// The files that were read, each once.
    #[must_use]
    pub fn files(&self) -> Vec<&FilePath> {
        let mut files: Vec<_> = self.files.values().map(PathBuf::as_path).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Checks for a file of a test module, which is not read.
    #[must_use]
    pub fn is_test(&self, file: &FilePath) -> bool {
        self.tests.iter().any(|base| file.starts_with(base) || file == base.with_extension("rs"))
    }

    /// Returns every path that the code writes, imports included.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (at, module) in &self.modules {
            let imports = module.imports.iter().map(|import| &import.path);
            for written in imports.chain(&module.paths) {
                uses.push(self.used(at, written));
            }
        }
        uses.sort_unstable();
        uses.dedup();
        uses
    }

    /// Returns the dependencies between files: from a file to those that define what it uses.
    ///
    /// A re-export counts only if the code around it uses the name itself.
    #[must_use]
    pub fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (at, module) in &self.modules {
            let is_used = |import: &&Import| {
                !import.is_reexport
                    || import.name.as_ref().is_some_and(|name| module.mentioned.contains(name))
            };
            let imports = module.imports.iter().filter(is_used).map(|import| &import.path);
            for written in imports.chain(&module.paths) {
                let Use { file, target, path, .. } = self.used(at, written);
                if let Target::Own(defined) = target {
                    let defining = &self.files[&defined];
                    if *defining != file {
                        let names = edges.entry((file, defining.clone())).or_default();
                        names.extend(path.last().cloned());
                    }
                }
            }
        }
        edges
    }

    /// Returns the longest start of a path that is a module.
    pub(crate) fn module_of<'p>(&self, path: &'p [String]) -> &'p [String] {
        let ends = (0..=path.len()).rev();
        let mut starts = ends.map(|end| &path[..end]);
        starts.find(|start| self.modules.contains_key(*start)).unwrap_or_default()
    }

    fn used(&self, at: &[String], written: &[String]) -> Use {
        let absolute = self.absolute(at, written, MAX_REEXPORTS);
        let target = absolute
            .as_ref()
            .and_then(|path| self.defining(path, MAX_REEXPORTS))
            .map_or(Target::External, Target::Own);
        let path = absolute.unwrap_or_else(|| written.to_owned());
        Use { file: self.files[at].clone(), module: at.to_owned(), path, target }
    }

    /// Resolves a path written in the module `at`; `None` if it leads to another crate.
    fn absolute(&self, at: &[String], written: &[String], depth: usize) -> Option<Path> {
        let depth = depth.checked_sub(1)?;
        let (first, mut rest) = written.split_first()?;
        let module = self.modules.get(at)?;
        let mut base = match first.as_str() {
            "crate" => at
                .iter()
                .take(usize::from(at.first().is_some_and(|it| it == "main")))
                .cloned()
                .collect(),
            "self" => at.to_owned(),
            "super" => parent(at),
            "Self" => return None,
            name if module.children.contains(name) || module.items.contains(name) => {
                [at, &[name.to_owned()]].concat()
            }
            name => match self.imported(at, module, name, written, depth) {
                Some(Imported::Own(path)) => path,
                None if name == self.name => Path::new(),
                Some(Imported::External) | None => return None,
            },
        };
        while let Some((_, after)) = rest.split_first().filter(|(next, _)| *next == "super") {
            base = parent(&base);
            rest = after;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// Resolves a name through the imports of a module.
    fn imported(
        &self,
        at: &[String],
        module: &Module,
        name: &str,
        written: &[String],
        depth: usize,
    ) -> Option<Imported> {
        let named = |import: &&Import| {
            import.name.as_deref() == Some(name) && import.path.as_slice() != written
        };
        if let Some(import) = module.imports.iter().find(named) {
            let path = self.absolute(at, &import.path, depth);
            return Some(path.map_or(Imported::External, Imported::Own));
        }
        let globs = module.imports.iter().filter(|import| import.name.is_none());
        for glob in globs {
            if let Some(path) = self.absolute(at, &glob.path, depth)
                && let Some(of) = self.modules.get(&path)
                && (of.children.contains(name)
                    || of.items.contains(name)
                    || of.imports.iter().any(|import| import.name.as_deref() == Some(name)))
            {
                return Some(Imported::Own([&path[..], &[name.to_owned()]].concat()));
            }
        }
        None
    }

    /// Returns the module that defines the item with this absolute path, through re-exports;
    /// `None` if another crate does.
    fn defining(&self, path: &[String], depth: usize) -> Option<Path> {
        let depth = depth.checked_sub(1)?;
        let mut at = Path::new();
        for (index, name) in path.iter().enumerate() {
            let next = [&at[..], std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&next) {
                at = next;
                continue;
            }
            let module = self.modules.get(&at)?;
            if module.items.contains(name) {
                return Some(at);
            }
            return match self.imported(&at, module, name, &[], depth) {
                Some(Imported::Own(import)) => {
                    self.defining(&[&import, &path[index + 1..]].concat(), depth)
                }
                Some(Imported::External) => None,
                None => Some(at),
            };
        }
        self.modules.contains_key(&at).then_some(at)
    }
}

fn parent(path: &[String]) -> Path {
    path.split_last().map_or(Path::new(), |(_, parent)| parent.to_owned())
}
