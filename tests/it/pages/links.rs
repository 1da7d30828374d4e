//! Links work with any route prefix.

use std::collections::BTreeMap;

use probe_exporter::server::RoutePrefix;
use url::Url;

use super::{CLOSED, MODULES, markup::elements};
use crate::harness::Exporter;

/// Follows all links and forms of all pages; returns the status of each path.
fn crawl(exporter: &Exporter, start: &str) -> BTreeMap<String, u16> {
    let origin = Url::parse("http://exporter.example/").unwrap();
    let mut answered = BTreeMap::new();
    let mut ahead = vec![start.to_owned()];
    while let Some(path) = ahead.pop() {
        if answered.contains_key(&path) {
            continue;
        }
        let answer = exporter.get(&path);
        answered.insert(path.clone(), answer.status);
        if answer.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        let here = origin.join(&path).unwrap();
        for element in elements(&answer.text()).iter().filter(|it| it.name != "link") {
            for link in ["href", "action"].into_iter().filter_map(|it| element.attribute(it)) {
                let mut url = here.join(link).unwrap();
                assert_eq!(url.origin(), origin.origin(), "{link} on {path}");
                url.set_fragment(None);
                ahead.push(url[url::Position::BeforePath..].to_owned());
            }
        }
    }
    answered
}

#[test]
fn every_link_works_with_any_route_prefix() {
    for prefix in ["/", "/a/b/"] {
        let exporter = Exporter::start_with(MODULES, |options| {
            options.route_prefix = RoutePrefix::parse(prefix).unwrap();
        });
        for target in [CLOSED, "a b&c=<d>?#\u{202e}é%41"] {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("module", "connect"), ("target", target), ("hostname", "h&h")])
                .finish();
            assert_eq!(exporter.get(&format!("{prefix}probe?{query}")).status, 200);
        }
        let answered = crawl(&exporter, prefix);
        for (path, status) in &answered {
            // The address of the form has no parameters, which is an error.
            let expected = if *path == format!("{prefix}probe") { 400 } else { 200 };
            assert_eq!(*status, expected, "{path}");
            assert!(path.starts_with(prefix), "{path}");
        }
        for page in ["", "modules", "metrics", "config", "probe", "logs?id=0&format=html"] {
            assert!(answered.contains_key(&format!("{prefix}{page}")), "{page} in {answered:?}");
        }
    }
}

#[test]
fn the_page_of_a_probe_without_history_links_to_new_probes() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 0);
    let page = exporter.get(&super::probe_page("connect", CLOSED)).text();
    let links: Vec<_> =
        elements(&page).iter().filter_map(|it| it.attribute("href").map(str::to_owned)).collect();
    let json = "probe?module=connect&target=127.0.0.1%3A1&format=json";
    assert!(links.iter().any(|link| link == json), "{links:?}");
    assert!(!links.iter().any(|link| link.starts_with("logs")), "{links:?}");
    assert!(exporter.get(&format!("/{json}")).text().contains("\"refused\""));
}

#[test]
fn the_button_repeats_the_same_probe() {
    let exporter = Exporter::start(MODULES);
    let target = "no such\u{200b} host\"<>&";
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("module", "connect"), ("target", target), ("hostname", "h")])
        .append_pair("format", "html")
        .finish();
    let page = exporter.get(&format!("/probe?{query}")).text();
    let fields: Vec<_> = elements(&page)
        .iter()
        .filter(|it| it.attribute("type") == Some("hidden"))
        .filter_map(|it| {
            Some((it.attribute("name")?.to_owned(), it.attribute("value")?.to_owned()))
        })
        .collect();
    let expected =
        [("module", "connect"), ("target", target), ("hostname", "h"), ("format", "html")];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
