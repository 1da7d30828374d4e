//! The start page: its rows, and the texts in place of an empty list.

use super::{CLOSED, MODULES, assert_page, markup, text};
use crate::{
    fixtures::{hostile::RUNTIME, http::http, http::ok},
    harness::Exporter,
};

#[test]
fn before_the_first_probe_the_page_shows_how_to_run_it() {
    let exporter = Exporter::start(MODULES);
    let page = assert_page(&exporter.get("/"), 200);
    markup::assert_inert(&page);
    let query = "probe?module=http_2xx&target=https%3A%2F%2Fprometheus.io&format=";
    let words = text(&page);
    assert!(words.contains("No probe has run yet. Enter a target above, or probe"), "{words}");
    let shell = format!("curl 'http://{}/{query}debug'", exporter.address);
    assert!(words.contains(&shell), "{shell} in {words}");
    let links = markup::elements(&page);
    let mut links = links.iter().filter_map(|it| it.attribute("href"));
    assert!(links.any(|link| link == format!("{query}html")), "{page}");
    assert!(!words.contains("One row per target") && !words.contains("only failures"), "{words}");
    // A client that sends another name as host gets no command with it.
    let odd = exporter.request("GET", "/", &[("X-Forwarded-Host", "a'; rm -rf '")]).text();
    assert!(text(&odd).contains("curl 'http://<exporter>/probe?"), "{odd}");
}

#[test]
fn the_first_probe_uses_a_module_that_is_configured() {
    for (modules, shown) in [
        ("{web: {prober: http}}", Some("probe?module=web&target=https%3A%2F%2Fprometheus.io")),
        ("{a: {prober: dns, dns: {query_name: a}}, b: {prober: icmp}}", Some("module=b&")),
        ("{a: {prober: dns, dns: {query_name: a}}}", None),
    ] {
        let exporter = Exporter::start(&format!("modules: {modules}"));
        let words = text(&assert_page(&exporter.get("/"), 200));
        assert!(words.contains("No probe has run yet. Enter a target above"), "{words}");
        assert_eq!(words.contains("curl"), shown.is_some(), "{words}");
        assert!(shown.is_none_or(|shown| words.contains(shown)), "{words}");
    }
}

#[test]
fn a_history_that_is_off_is_told() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 0);
    exporter.probe("connect", CLOSED);
    let words = text(&assert_page(&exporter.get("/"), 200));
    assert!(words.contains("The history is off") && words.contains("--history.limit=0"), "{words}");
    assert!(!words.contains("No probe has run") && !words.contains("curl"), "{words}");
}

/// With more targets than the list of recent probes holds, the page has one row for each target.
#[test]
fn the_page_has_a_row_for_each_target_if_the_list_is_too_short() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 2);
    let heading = |query: &str| {
        let page = assert_page(&exporter.get(&format!("/{query}")), 200);
        let headings = ["Targets", "Recent Probes"];
        let shown = headings.into_iter().filter(|it| page.contains(&format!("<h2>{it}</h2>")));
        shown.collect::<Vec<_>>().join(", ")
    };
    let server = RUNTIME.block_on(http([ok("fine")]).start());
    let good = server.address.to_string();
    for target in [&*good, &good, &good] {
        exporter.probe("connect", target);
    }
    assert_eq!(heading(""), "Recent Probes");
    assert_eq!(heading("?view=targets"), "Targets");
    for address in 2..5 {
        exporter.probe("connect", &format!("127.0.0.{address}:1"));
    }
    // The list holds two of the four, and one failure before them.
    assert_eq!(heading(""), "Targets");
    assert_eq!(heading("?failures=true"), "Targets");
    assert_eq!(heading("?view=probes"), "Recent Probes");
    let page = assert_page(&exporter.get("/"), 200);
    assert!(page.contains("href=\"./?view=probes\""), "one click away: {page}");
    assert!(!page.contains("Failing Now"), "they come first already: {page}");
    assert!(page.contains("class=\"legend soft\""), "{page}");
    assert!(page.find("127.0.0.2:1").unwrap() < page.find(&format!(">{good}<")).unwrap());
}
