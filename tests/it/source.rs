//! Reads declarations from the sources, for tests that compare other files with them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// All Rust files below a folder.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the code of a file without its tests and comments.
pub(crate) fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// Returns the fields of the structs that reject unknown keys: the sections of the configuration.
pub(crate) fn settings_keys(file: &Path) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for declaration in code(file).split("deny_unknown_fields)]").skip(1) {
        let fields = declaration.split_once("{\n").map_or("", |(_, fields)| fields);
        let fields = fields.split_once("\n}").map_or("", |(fields, _)| fields);
        for line in fields.lines() {
            let field = line.trim().trim_start_matches("pub ");
            if let Some((name, _)) = field.split_once(": ")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            {
                keys.insert(name.to_owned());
            }
        }
    }
    keys
}

/// Returns the names of the probe metrics that a file declares.
pub(crate) fn declared_metrics(file: &Path) -> BTreeSet<String> {
    let code = code(file);
    let declarations = code.split("Metric::new(").skip(1);
    declarations
        .filter_map(|text| text.trim_start().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}
