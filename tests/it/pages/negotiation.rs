//! `/config` and `/metrics`: pages for browsers, and the same text as before for everybody else.

use super::{MODULES, assert_page, markup, text};
use crate::harness::Exporter;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const JAVA: &str = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";

#[test]
fn only_browsers_get_configuration_and_metrics_as_pages() {
    let exporter = Exporter::start(MODULES);
    let yaml = exporter.get("/config").text();
    for (path, title) in [("/config", "Configuration"), ("/metrics", "Metrics")] {
        for accept in ["", "*/*", "text/plain", PROMETHEUS, JAVA] {
            let answer = exporter.request("GET", path, &[("Accept", accept)]);
            let content_type = answer.header("content-type").unwrap();
            assert!(!content_type.contains("html"), "{accept}: {content_type}");
            assert_eq!(answer.header("vary"), Some("accept"), "{accept}");
            assert_eq!(answer.header("cache-control"), None, "{accept}");
            let start = if path == "/config" { yaml.as_str() } else { "# HELP blackbox_" };
            assert!(answer.text().starts_with(start), "{accept}: {}", answer.text());
        }
        let metrics = exporter.request("GET", "/metrics", &[("Accept", PROMETHEUS)]);
        assert!(metrics.text().ends_with("# EOF\n"), "OpenMetrics is still negotiated");
        for (address, accept) in [
            (path.to_owned(), BROWSER),
            (path.to_owned(), "text/html"),
            (format!("{path}?format=html"), "*/*"),
        ] {
            let answer = exporter.request("GET", &address, &[("Accept", accept)]);
            let page = assert_page(&answer, 200);
            markup::assert_inert(&page);
            assert_eq!(answer.header("vary"), Some("accept"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
            assert!(page.contains(&format!("aria-current=\"page\">{title}</a>")), "{page}");
            assert!(page.contains("href=\"./\""), "a way back: {page}");
        }
        let plain = exporter.request("GET", &format!("{path}?format=text"), &[("Accept", BROWSER)]);
        assert!(plain.header("content-type").unwrap().starts_with("text/plain"), "{path}");
    }
    assert!(text(&exporter.get("/config?format=html").text()).contains(&yaml));
}

#[test]
fn the_page_of_metrics_is_filtered_and_bounded() {
    let modules = (0..400).map(|index| format!("{}{index}: {{prober: tcp}}", "m".repeat(90)));
    let modules = modules.collect::<Vec<_>>().join(", ");
    let exporter = Exporter::start(&format!("modules: {{{modules}}}"));
    let whole = exporter.get("/metrics").text();
    assert!(whole.len() > 200 << 10, "{}", whole.len());
    let page = assert_page(&exporter.get("/metrics?format=html"), 200);
    assert!(page.len() < 200 << 10, "{}", page.len());
    assert!(text(&page).contains("more lines in the text."), "the rest is not concealed");
    let page = text(&assert_page(&exporter.get("/metrics?format=html&name=in_flight"), 200));
    assert!(page.contains("probe_exporter_probes_in_flight 0"), "{page}");
    assert!(!page.contains("blackbox_exporter_build_info"), "{page}");
    let page = assert_page(&exporter.get("/config?format=html"), 200);
    assert!(page.len() < 200 << 10, "{}", page.len());
}

#[test]
fn the_page_of_the_configuration_names_its_file_and_when_it_was_loaded() {
    let exporter = Exporter::start(MODULES);
    let file = exporter.config_file();
    let page = || text(&assert_page(&exporter.get("/config?format=html"), 200));
    let loaded = || {
        let page = page();
        let (_, rest) = page.split_once(&format!("File{}Loaded20", file.display())).unwrap();
        rest.split_once("Z ").unwrap().0.to_owned()
    };
    let at_start = loaded();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    let again = loaded();
    assert!(at_start < again, "{at_start} {again}");
    std::fs::write(&file, "modules: {a: {prober: tpc}}").unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 500);
    assert_eq!(loaded(), again, "the previous configuration is shown");
    assert!(page().contains("Reloading the configuration failed."), "{}", page());
    assert!(!exporter.get("/config").text().contains("Loaded"), "only on the page");
}
