//! The page of a target, and the same as JSON.

use std::fs;

use serde_json::Value;

use super::{CLOSED, MODULES, assert_page, text};
use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, raw, status},
    },
    harness::Exporter,
    schema::Schema,
};

/// Returns the histories of a document that matches the published schema.
#[track_caller]
fn histories(exporter: &Exporter, query: &str) -> Vec<Value> {
    let answer = exporter.get(&format!("/target?{query}&format=json"));
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    let document: Value = serde_json::from_str(&answer.text()).unwrap();
    let schema = Schema::parse(&fs::read_to_string("docs/history.schema.json").unwrap());
    assert_eq!(schema.check(&document), Ok(()));
    document["histories"].as_array().unwrap().clone()
}

#[test]
fn the_history_of_a_target_is_available_as_json() {
    let exporter = Exporter::start(MODULES);
    let server = RUNTIME.block_on(http([ok("fine"), status(503), status(500)]).start());
    let target = server.address.to_string();
    for _ in 0..3 {
        exporter.probe("http_2xx", &target);
    }
    let found = histories(&exporter, &format!("target={target}"));
    let [history] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&history["module"], &history["target"]), (&"http_2xx".into(), &target.into()));
    assert_eq!((&history["failing"], &history["since_is_known"]), (&true.into(), &true.into()));
    assert_eq!(history["probes"], 3);
    assert_eq!(history["last_success"]["latest_report"], 0);
    assert_eq!(history["last_failure"]["latest_report"], 2);
    assert_eq!(history["last_failure"]["failure"]["reason"], "status");
    assert_eq!(history["since"], history["episodes"][1]["first"]);
    let ids = [0, 1].map(|index| history["episodes"][index]["latest_report"].as_u64().unwrap());
    for id in ids {
        assert_eq!(exporter.get(&format!("/logs?id={id}")).status, 200);
    }
    let page = assert_page(&exporter.get("/target?target=127.0.0.1"), 404);
    assert!(text(&page).contains("No probe of this target is kept"), "{page}");
}

#[test]
fn all_ways_of_probing_a_target_are_in_the_json() {
    let exporter = Exporter::start(MODULES);
    for module in ["connect", "http_2xx", "any"] {
        exporter.probe(module, CLOSED);
    }
    assert_eq!(histories(&exporter, &format!("target={CLOSED}")).len(), 3);
    let found = histories(&exporter, &format!("target={CLOSED}&module=any"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["since_is_known"], false, "no success is known");
    assert_eq!(found[0]["last_success"], Value::Null);
}

#[test]
fn other_formats_of_a_history_are_rejected_with_the_ones_there_are() {
    let exporter = Exporter::start(MODULES);
    exporter.probe("connect", CLOSED);
    for format in ["format=debug", "format=metrics", "format=JSON", "debug=true"] {
        let answer = exporter.get(&format!("/target?target={CLOSED}&{format}"));
        let words = answer.text();
        assert_eq!(answer.status, 400, "{format}: {words}");
        assert!(words.contains("html or json") && words.contains("/logs?target="), "{words}");
    }
    let missing = exporter.get("/target?target=nobody&format=json");
    assert!(missing.status == 404 && missing.text().starts_with("No probe of this target"));
    assert_eq!(missing.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(exporter.get("/target?format=json").status, 400);
}

/// Failures with different reasons are one failure, whose start may be older than the history.
#[test]
fn the_start_of_a_failure_is_exact_only_after_a_success() {
    let exporter = Exporter::start(MODULES);
    let answers = [ok("fine"), status(503), raw("no HTTP\r\n\r\n")];
    let server = RUNTIME.block_on(http(answers).start());
    let target = server.address.to_string();
    for _ in 0..3 {
        exporter.probe("http_2xx", &target);
    }
    exporter.probe("connect", CLOSED);
    for view in ["probes", "targets"] {
        let page = exporter.get(&format!("/?view={view}")).text();
        let row = |name: &str| {
            let (_, row) = page.split_once(&format!("<bdi>{name}</bdi>")).unwrap();
            row.split_once("</tr>").unwrap().0.to_owned()
        };
        assert!(row(CLOSED).contains("at least "), "{view}: {page}");
        assert!(!row(&target).contains("at least "), "{view}: {page}");
        assert!(view == "targets" || row(&target).contains("2 failures"), "{page}");
    }
    let page = text(&exporter.get(&format!("/target?target={target}")).text());
    assert!(page.contains("Failing for ") && !page.contains("at least"), "{page}");
    let page = text(&exporter.get(&format!("/target?target={CLOSED}")).text());
    assert!(page.contains("Failing for at least "), "{page}");
}
