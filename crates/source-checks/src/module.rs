//! Parses one file into the modules that it contains.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItemFn, Item, ItemExternCrate, ItemMod, ItemUse, LitStr, Macro, Meta, UseTree,
    VisRestricted, Visibility,
    visit::{self, Visit},
};

/// The segments of a path, such as `["crate", "net", "dial"]`.
pub type Path = Vec<String>;

/// A module: the names that it declares and the paths that its code writes, tests excluded.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Modules declared with `mod`.
    pub(crate) children: BTreeSet<String>,
    /// All other items.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of at least two segments, outside of `use`.
    pub(crate) paths: Vec<Path>,
    /// Names that the code mentions by themselves or as the first segment of a path.
    pub(crate) mentioned: BTreeSet<String>,
}

/// One name brought in by `use`.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) path: Path,
    /// The name in this module; `None` for a glob import.
    pub(crate) name: Option<String>,
    /// An import with a visibility is a re-export.
    pub(crate) is_reexport: bool,
}

/// The modules of one file.
pub(crate) struct File {
    /// The file's own module first, with an empty path, then its inline modules.
    pub(crate) modules: Vec<(Path, Module)>,
    /// Modules that have files of their own.
    pub(crate) files: Vec<Path>,
    /// Modules of tests that have files of their own.
    pub(crate) test_files: Vec<Path>,
}

impl File {
    pub(crate) fn parse(text: &str) -> syn::Result<Self> {
        let mut reader = Reader {
            file: Self {
                modules: vec![(Path::new(), Module::default())],
                files: Vec::new(),
                test_files: Vec::new(),
            },
            current: 0,
        };
        reader.visit_file(&syn::parse_file(text)?);
        Ok(reader.file)
    }
}

struct Reader {
    file: File,
    /// The index of the module that is being read.
    current: usize,
}

impl Reader {
    fn module(&mut self) -> &mut Module {
        &mut self.file.modules[self.current].1
    }

    fn path(&mut self, path: Path) {
        let module = self.module();
        module.mentioned.extend(path.first().cloned());
        if path.len() > 1 {
            module.paths.push(path);
        }
    }

    fn import(&mut self, tree: &UseTree, mut prefix: Path, is_reexport: bool) {
        match tree {
            UseTree::Path(part) => {
                prefix.push(part.ident.to_string());
                self.import(&part.tree, prefix, is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix.clone(), is_reexport);
                }
            }
            UseTree::Glob(_) => {
                self.module().imports.push(Import { path: prefix, name: None, is_reexport });
            }
            UseTree::Name(part) if part.ident == "self" => {
                let name = prefix.last().cloned();
                self.module().imports.push(Import { path: prefix, name, is_reexport });
            }
            UseTree::Name(part) => {
                let name = part.ident.to_string();
                prefix.push(name.clone());
                self.module().imports.push(Import { path: prefix, name: Some(name), is_reexport });
            }
            UseTree::Rename(part) => {
                if part.ident != "self" {
                    prefix.push(part.ident.to_string());
                }
                let name = Some(part.rename.to_string());
                self.module().imports.push(Import { path: prefix, name, is_reexport });
            }
        }
    }

    /// Collects paths and imports from the input of a macro or an attribute, which is not parsed.
    fn tokens(&mut self, tokens: TokenStream, in_attribute: bool) {
        let trees: Vec<_> = tokens.into_iter().collect();
        let mut rest = &trees[..];
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Group(group) => self.tokens(group.stream(), in_attribute),
                TokenTree::Ident(ident) if ident == "use" => {
                    if let Some((import, after)) = import_at(first, after) {
                        self.visit_item_use(&import);
                        rest = after;
                    }
                }
                TokenTree::Ident(ident) => {
                    let mut path = vec![ident.to_string()];
                    while let Some((segment, after)) = segment_at(rest) {
                        path.push(segment);
                        rest = after;
                    }
                    self.path(path);
                }
                // As in `#[serde(with = "crate::settings::duration")]`.
                TokenTree::Literal(_) if in_attribute => {
                    let text = syn::parse2::<LitStr>(first.clone().into());
                    if let Ok(path) = text.and_then(|text| text.parse::<syn::Path>()) {
                        self.path(segments(&path));
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                let path = [&self.file.modules[self.current].0[..], &[ident.to_string()]].concat();
                self.file.test_files.push(path);
            }
            return;
        }
        if let Some(name) = name(item) {
            self.module().items.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        self.module().children.insert(name.clone());
        let mut path = self.file.modules[self.current].0.clone();
        path.push(name);
        let Some((_, items)) = &item.content else {
            self.file.files.push(path);
            return;
        };
        let outer = self.current;
        self.current = self.file.modules.len();
        self.file.modules.push((path, Module::default()));
        for item in items {
            self.visit_item(item);
        }
        self.current = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Path::new(), is_reexport);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        let path = vec![item.ident.to_string()];
        let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name).to_string();
        self.module().imports.push(Import { path, name: Some(name), is_reexport: false });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(segments(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        visit::visit_macro(self, item);
        self.tokens(item.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone(), true);
        }
    }

    /// `pub(in crate::net)` uses nothing of `net`.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

fn segments(path: &syn::Path) -> Path {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Returns the next segment of a path and the tokens after it, if `tokens` start with `::name`.
fn segment_at(tokens: &[TokenTree]) -> Option<(String, &[TokenTree])> {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(name), rest @ ..]
            if first.as_char() == ':' && second.as_char() == ':' =>
        {
            Some((name.to_string(), rest))
        }
        _ => None,
    }
}

/// Returns the import that `first`, the keyword `use`, begins, and the tokens after it.
fn import_at<'t>(first: &TokenTree, after: &'t [TokenTree]) -> Option<(ItemUse, &'t [TokenTree])> {
    let is_end = |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ';');
    let end = after.iter().position(is_end)?;
    let (import, rest) = after.split_at(end + 1);
    let tokens = std::iter::once(first).chain(import).cloned().collect();
    Some((syn::parse2(tokens).ok()?, rest))
}

/// Checks for `#[test]` and `#[cfg(test)]`, also with further conditions.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
