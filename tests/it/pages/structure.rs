//! The structure of pages, which screen readers and keyboards rely on.

use std::collections::BTreeSet;

use super::{
    CLOSED, MODULES, assert_page,
    markup::{self, Element, elements},
    probe_page,
};
use crate::harness::{Exporter, probe_path};

/// Asserts that headings, landmarks, tables and identifiers are complete.
#[track_caller]
fn assert_structured(page: &str, path: &str) {
    let elements = elements(page);
    let named = |name: &str| elements.iter().filter(|it| it.name == name).collect::<Vec<_>>();
    assert_eq!(named("html")[0].attribute("lang"), Some("en"), "{path}");
    for landmark in ["header", "main", "footer", "h1"] {
        assert_eq!(named(landmark).len(), 1, "{landmark} of {path}");
    }
    let levels = elements.iter().filter_map(|it| it.name.strip_prefix('h')?.parse::<u8>().ok());
    let levels: Vec<_> = levels.collect();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{path}: {levels:?}");
    let ids = elements.iter().filter_map(|it| it.attribute("id")).collect::<Vec<_>>();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: {ids:?}");
    let skip = named("a")[0].attribute("href").unwrap();
    assert!(ids.contains(&skip.trim_start_matches('#')), "{path}: {skip}");
    let labels = |name: &str| {
        named(name).into_iter().map(|it| it.attribute("aria-label").map(str::to_owned)).collect()
    };
    for name in ["nav", "form"] {
        let labels: Vec<Option<String>> = labels(name);
        // A form without a label is no landmark.
        let labels: Vec<_> =
            labels.into_iter().filter(|it| name == "nav" || it.is_some()).collect();
        let distinct: BTreeSet<_> = labels.iter().flatten().collect();
        assert_eq!(labels.len(), distinct.len(), "{path}: {labels:?}");
    }
    assert_eq!(named("table").len(), named("caption").len(), "{path}");
    let scope = |it: &&Element| it.attribute("scope").is_some();
    assert!(named("th").iter().all(scope), "{path}");
    let fields = ["input", "select", "textarea"].into_iter().flat_map(named);
    let fields = fields.filter(|it| it.attribute("type") != Some("hidden")).count();
    assert_eq!(fields, named("label").len(), "{path}");
}

#[test]
fn every_page_has_headings_landmarks_and_labels() {
    let long = "m".repeat(90);
    let yaml = format!("{MODULES}  {long}: {{prober: tcp}}\n");
    let exporter =
        Exporter::start_with(&yaml, |options| options.policy_preset = "public".parse().unwrap());
    for page in ["/", "/modules", "/config?format=html", "/metrics?format=html"] {
        let page_text = assert_page(&exporter.get(page), 200);
        assert_structured(&page_text, page);
    }
    let target = format!("127.0.0.1:1\"'<i>{}", "x".repeat(300));
    for (path, status) in [
        (probe_page("connect", CLOSED), 403),
        (probe_page(&long, &target), 200),
        (probe_page("none", CLOSED), 400),
        ("/".to_owned(), 200),
        ("/?target=none".to_owned(), 200),
        ("/?view=targets&sort=-duration".to_owned(), 200),
        (probe_path(&long, &target).replace("/probe?", "/target?"), 200),
        ("/target?target=none".to_owned(), 404),
        ("/modules?name=none".to_owned(), 200),
        (format!("/modules?name={long}"), 200),
        ("/metrics?format=html&name=none".to_owned(), 200),
        ("/logs?id=0&format=html".to_owned(), 200),
        ("/logs?id=99&format=html".to_owned(), 404),
    ] {
        let answer = exporter.get(&path);
        let page = assert_page(&answer, status);
        assert_structured(&page, &path);
        markup::assert_inert(&page);
    }
}
