//! The layers of ARCHITECTURE.md: a folder uses only those before it.

use std::{fs, path::Path};

use crate::source::{code, rust_files};

/// Lowest first. Those in one row do not use each other.
const LAYERS: &[&[&str]] = &[
    &["metrics"],
    &["settings", "diagnostics"],
    &["net"],
    &["probers"],
    &["config"],
    &["probe"],
    &["version", "logging"],
    &["server"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Probers know nothing of each other; what several of them share is named here.
const SHARED_BY_PROBERS: &[&str] = &["query_response"];

#[test]
fn a_folder_uses_only_those_before_it() {
    let mut wrong = Vec::new();
    for file in rust_files(Path::new("src")) {
        let Some(user) = top_level_module(&file) else { continue };
        for used in modules_used(&file, "crate::") {
            if used != user && !may_use(&user, &used) {
                wrong.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn probers_know_nothing_of_each_other() {
    let names: Vec<String> = fs::read_dir("src/probers")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "mod" && !SHARED_BY_PROBERS.contains(&name.as_str()))
        .collect();
    let mut wrong = Vec::new();
    for file in rust_files(Path::new("src/probers")) {
        let own = file.strip_prefix("src/probers").unwrap().components().next().unwrap();
        let own = Path::new(own.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned();
        for used in modules_used(&file, "crate::probers::") {
            if used != own && names.contains(&used) {
                wrong.push(format!("{} uses the prober {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_server_knows_actix() {
    let knows = |file: &Path| fs::read_to_string(file).unwrap().contains("actix_web");
    let wrong: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| knows(file))
        .filter(|file| !file.starts_with("src/server"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn unsafe_code_stays_in_the_file_of_the_time_stamps() {
    let wrong: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| file != Path::new("src/net/stamps.rs"))
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains("unsafe {")
                    || code.contains("unsafe fn")
                    || code.contains("unsafe_code")
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_module_is_named_after_nothing() {
    let wrong: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| {
            file.components().any(|part| {
                let name = Path::new(part.as_os_str()).file_stem().unwrap_or_default();
                ["utils", "util", "helpers", "common", "misc"].iter().any(|bad| name == *bad)
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn may_use(from: &str, to: &str) -> bool {
    let layer = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    match (layer(from), layer(to)) {
        (Some(above), Some(below)) => below < above,
        _ => panic!("{from} or {to} is in no layer; name it in LAYERS and in ARCHITECTURE.md"),
    }
}

/// `src/net/dial.rs` → `net`; the crate's root names all modules and is left out.
fn top_level_module(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").unwrap().components().next()?;
    let name = Path::new(first.as_os_str()).file_stem()?.to_string_lossy().into_owned();
    (name != "lib").then_some(name)
}

/// The modules named after `prefix`, also in grouped imports such as `use crate::{a::X, b}`.
/// Tests at the bottom of a file may use what they like.
fn modules_used(file: &Path, prefix: &str) -> Vec<String> {
    let code = code(file);
    let mut used = Vec::new();
    for (index, _) in code.match_indices(prefix) {
        let rest = &code[index + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(first_segments(group)),
            None => used.extend(first_segment(rest)),
        }
    }
    used
}

fn first_segment(path: &str) -> Option<String> {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let name = &path[..end];
    name.starts_with(|c: char| c.is_lowercase()).then(|| name.to_owned())
}

/// The first segments of the paths of a group, up to its closing brace.
fn first_segments(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0_i32, 0, Vec::new());
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.extend(first_segment(group[start..index].trim_start()));
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.extend(first_segment(group[start..index].trim_start()));
                start = index + 1;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn imports_are_read_right() {
    assert_eq!(first_segments("a::{X, Y}, b, C, d::e}"), ["a", "b", "d"]);
    assert_eq!(first_segment("net::Context;"), Some("net".to_owned()));
}
