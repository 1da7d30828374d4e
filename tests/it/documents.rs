//! The Markdown pages: their links lead to files and headings that exist, and the README reaches every page.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::source::rust_files;

/// Maximum length of the README in lines.
const MAX_README_LINES: usize = 150;

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            if let Err(error) = check(&page, &link) {
                broken.push(format!("{}: {link}: {error}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_readme_is_short_and_links_to_every_page_of_docs() {
    let readme = fs::read_to_string("README.md").unwrap();
    assert!(readme.lines().count() <= MAX_README_LINES, "{} lines", readme.lines().count());
    let linked: BTreeSet<_> = links(&readme).into_iter().map(PathBuf::from).collect();
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs") && !linked.contains(page))
        .collect();
    assert!(missing.is_empty(), "the README does not link to {missing:?}");
}

#[test]
fn broken_links_are_found() {
    let text = "[a](b.md) ![c](d/e.svg), [f](https://g/) and `[h](i.md)`\n```\n[j](k.md)\n```\n";
    assert_eq!(links(text), ["b.md", "d/e.svg", "https://g/"]);
    let from = Path::new("docs/install.md");
    for (link, is_broken) in [
        ("configuration.md", false),
        ("../README.md#install", false),
        ("#flags", false),
        ("https://example.org/", false),
        ("no-such-page.md", true),
        ("README.md", true),
        ("#no-such-heading", true),
        ("configuration.md#flags", true),
    ] {
        assert_eq!(check(from, link).is_err(), is_broken, "{link}");
    }
}

/// Without root, CI skips these tests in its main job.
#[test]
fn make_root_tests_runs_every_test_that_needs_root() {
    let makefile = fs::read_to_string("Makefile").unwrap();
    let (_, filters) = makefile.split_once("accuracy icmp").unwrap();
    let filters = format!("accuracy icmp{}", filters.lines().next().unwrap());
    // Helpers, and a test of `make overload`.
    let others = ["namespace", "failures::in_namespace", "soak::overload", "documents"];
    let folder = Path::new("tests/it");
    for file in rust_files(folder) {
        let module = file.strip_prefix(folder).unwrap().with_extension("");
        let module = module.to_str().unwrap().replace('/', "::").replace("::mod", "");
        let text = fs::read_to_string(&file).unwrap();
        let needs_root = ["Namespace {", "in_namespace(\"", "Missing::Root"]
            .iter()
            .any(|call| text.contains(call));
        let is_run = filters.split_whitespace().any(|filter| module.starts_with(filter));
        assert!(!needs_root || is_run || others.contains(&&*module), "{module}: {filters}");
    }
}

/// Returns the pages of the project, relative to its root.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["docs", "examples", "crates"].into_iter().map(PathBuf::from).collect();
    pages.extend(markdown_files(Path::new(".")));
    while let Some(folder) = folders.pop() {
        pages.extend(markdown_files(&folder));
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    assert!(pages.len() > 12, "{pages:?}");
    pages
}

fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|page| normalized(&page)).collect()
}

/// Returns the targets of the inline links and images of a page, outside code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        // The odd parts are code.
        for part in line.split('`').step_by(2) {
            let targets = part.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| target.to_owned()));
        }
    }
    links
}

/// Returns the lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Checks a link of the page `from`; links to other hosts are not followed.
fn check(from: &Path, link: &str) -> Result<(), String> {
    if link.contains("://") {
        return Ok(());
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => from.to_owned(),
        _ => normalized(&from.parent().unwrap_or(Path::new("")).join(path)),
    };
    if !target.exists() {
        return Err(format!("{} does not exist", target.display()));
    }
    if heading.is_empty() {
        return Ok(());
    }
    let text = fs::read_to_string(&target).map_err(|error| error.to_string())?;
    let mut headings = prose(&text).filter(|line| line.starts_with('#')).map(anchor);
    headings
        .any(|anchor| anchor == heading)
        .then_some(())
        .ok_or_else(|| format!("{} has no such heading", target.display()))
}

/// Returns the anchor that a heading gets on common hosting sites.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Resolves `.` and `..` without the file system.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}
