//! The pages for people, over HTTP.

mod hostile;
mod landing;
mod links;
mod markup;
mod negotiation;
mod structure;
mod target;

use probe_exporter::server::PrometheusUrl;

use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, redirect, status},
        tls::{leaf, pki},
    },
    harness::{Answer, Exporter, probe_path},
};

use self::markup::elements;

const MODULES: &str = "
modules:
  http_2xx: {prober: http}
  any: {prober: http, http: {tls_config: {insecure_skip_verify: true}}}
  picky: {prober: http, http: {fail_if_body_matches_regexp: [{name: no error, regexp: error}, other]}}
  connect: {prober: tcp}
  odd: {prober: icmp, timeout: -1s}
";

/// Nobody listens there.
const CLOSED: &str = "127.0.0.1:1";

/// Returns the path of the page of a new probe.
fn probe_page(module: &str, target: &str) -> String {
    format!("{}&format=html", probe_path(module, target))
}

/// Returns the text of a page without markup.
pub(crate) fn text(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    let texts = body.split('<').filter_map(|piece| piece.split_once('>'));
    let texts = texts.map(|(_, text)| text).collect::<String>();
    let texts = texts.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    texts.replace("&amp;", "&")
}

#[track_caller]
fn assert_page(answer: &Answer, status: u16) -> String {
    let page = answer.text();
    assert_eq!(answer.status, status, "{page}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    page
}

#[test]
fn pages_are_inert_and_not_stored() {
    let exporter = Exporter::start(MODULES);
    for (path, status) in [
        (probe_page("connect", CLOSED), 200),
        (probe_page("none", CLOSED), 400),
        (probe_page("connect", ""), 400),
        ("/".to_owned(), 200),
        ("/?failures=true&target=x".to_owned(), 200),
        ("/modules".to_owned(), 200),
        ("/logs?id=0&format=html".to_owned(), 200),
        ("/logs?target=127.0.0.1:1&format=html".to_owned(), 200),
        ("/logs?id=99&format=html".to_owned(), 404),
        ("/logs?format=html".to_owned(), 400),
    ] {
        let answer = exporter.get(&path);
        let page = assert_page(&answer, status);
        let policy = answer.header("content-security-policy").unwrap();
        let (first, rest) = policy.split_once("; style-src 'nonce-").unwrap();
        let (nonce, rest) = rest.split_once("'; ").unwrap();
        assert_eq!(first, "default-src 'none'");
        assert_eq!(
            rest,
            "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert!(page.contains(&format!("<style nonce=\"{nonce}\">")), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        markup::assert_inert(&page);
        let other = exporter.get(&path);
        assert_ne!(other.header("content-security-policy"), Some(policy), "a nonce is used once");
    }
}

#[test]
fn a_probe_returns_metrics_unless_its_query_requests_html() {
    let exporter = Exporter::start(MODULES);
    let browser = [("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let answer = exporter.request("GET", &probe_path("connect", CLOSED), &browser);
    answer.metrics().expect(&["probe_success 0"]);
    let page = assert_page(&exporter.get(&probe_page("connect", CLOSED)), 200);
    assert!(
        page.contains("<h1>Failure: <bdi>connecting to 127.0.0.1:1: Connection refused"),
        "{page}"
    );
}

#[test]
fn a_page_lists_failed_checks_before_passed_ones() {
    let server = RUNTIME.block_on(http([status(500).body("an error")]).start());
    let exporter = Exporter::start(MODULES);
    let answer = exporter.get(&probe_page("picky", &server.address.to_string()));
    let page = text(&assert_page(&answer, 200));
    let (_, checks) = page.split_once("Checks").unwrap();
    let places: Vec<_> = ["failed", "no error", "passed", "fail_if_body_matches_regexp[1]", "Log"]
        .iter()
        .map(|text| checks.find(text).unwrap_or_else(|| panic!("{text} in {checks}")))
        .collect();
    assert!(places.is_sorted(), "{checks}");
}

#[test]
fn a_page_shows_the_response_before_the_phases() {
    let server = RUNTIME.block_on(http([status(500).body("so sorry")]).start());
    let exporter = Exporter::start(MODULES);
    let answer = exporter.get(&probe_page("http_2xx", &server.address.to_string()));
    let page = text(&assert_page(&answer, 200));
    let texts = ["Started", "Response", "HTTP/1.1 500", "content-length: 8", "so sorry", "Phases"];
    let places = texts.map(|text| page.find(text).unwrap_or_else(|| panic!("{text} in {page}")));
    assert!(places.is_sorted(), "{page}");
}

#[test]
fn a_page_shows_every_hop_and_each_chain_once() {
    let pki = pki(leaf("localhost").also("IP:127.0.0.1"));
    let answers = [redirect("/second"), redirect("/third"), ok("done")];
    let server = http(answers).over_tls(pki.server().context());
    let server = RUNTIME.block_on(server.start());
    let exporter = Exporter::start(MODULES);
    let target = format!("https://{}/first", server.address);
    let page = assert_page(&exporter.get(&probe_page("any", &target)), 200);
    let words = text(&page);
    for told in [
        "Success",
        "/first",
        "/second",
        "/third",
        "HTTP/1.1 302",
        "HTTP/1.1 200",
        "unknown_authority",
        "CN=localhost",
        "expires in 89 days",
        "expires in 364 days",
        "ECDSA 256",
        "ecdsa-with-SHA256",
        "Same certificates as in step 1.",
    ] {
        assert!(words.contains(told), "{told} in {words}");
    }
    assert_eq!(words.matches("SHA-256").count(), 2, "{words}");
    let phases = elements(&page).iter().filter(|it| it.attribute("class") == Some("wait")).count();
    assert_eq!(phases, 3, "one bar for each time the server thought");
    let (before, rest) = page.split_once("<h2>Log</h2>").unwrap();
    let (_, after) = rest.split_once("</section>").unwrap();
    assert!(before.len() + after.len() < 60_000, "{} bytes", before.len() + after.len());
}

#[test]
fn the_filter_selects_probes_and_counts_the_hidden_ones() {
    let server = RUNTIME.block_on(http([ok("fine")]).start());
    let exporter = Exporter::start(MODULES);
    let good = server.address.to_string();
    for (module, target) in
        [("http_2xx", &*good), ("connect", &good), ("connect", CLOSED), ("http_2xx", CLOSED)]
    {
        exporter.probe(module, target);
    }
    for (query, ids, hidden) in [
        ("", &[3, 2, 1, 0][..], None),
        ("?module=connect", &[2, 1], Some("2 of 4 probes (2 hidden by the filter).")),
        ("?failures=true", &[3, 2], Some("2 of 4 probes (2 hidden by the filter).")),
        ("?target=0.0.1:1&failures=true", &[3, 2], Some("(2 hidden by the filter).")),
        ("?module=connect&target=127&failures=true", &[2], Some("(3 hidden by the filter).")),
        ("?module=gone", &[], Some("0 of 4 probes (4 hidden by the filter).")),
        ("?module=&target=&failures=", &[3, 2, 1, 0], None),
    ] {
        let page = assert_page(&exporter.get(&format!("/{query}")), 200);
        let listed: Vec<u32> = elements(&page)
            .iter()
            .filter_map(|it| it.attribute("href")?.strip_prefix("logs?id=")?.parse().ok())
            .collect();
        assert_eq!(listed, ids, "{query}");
        let words = text(&page);
        match hidden {
            Some(told) => assert!(words.contains(told), "{query}: {words}"),
            None => assert!(!words.contains("hidden by the filter"), "{query}: {words}"),
        }
        let heads = ["Module", "Target", "Result"].map(|head| format!(">{head}</a></th>"));
        assert!(ids.is_empty() || heads.iter().all(|head| page.contains(head)), "{page}");
    }
}

#[test]
fn the_modules_are_shown_with_their_warnings_and_without_secrets() {
    let secret = "  secret: {prober: http, http: {basic_auth: {username: u, password: hush}}}\n";
    let exporter = Exporter::start(&format!("{MODULES}{secret}"));
    let page = assert_page(&exporter.get("/modules"), 200);
    let words = text(&page);
    for told in [
        "6 of 6 modules",
        "connect",
        "icmp",
        "-1s is negative and is ignored; write for example 5s",
        "password: <secret>",
        "insecure_skip_verify: true",
        "The body must not match 'other'.",
    ] {
        assert!(words.contains(told), "{told} in {words}");
    }
    assert!(!words.contains("hush"), "{words}");
    assert!(page.contains("href=\"./?module=connect#probe\""), "{page}");
    let words = text(&assert_page(&exporter.get("/modules?name=odd"), 200));
    assert!(words.contains("1 of 6 modules") && !words.contains("picky"), "{words}");
}

#[test]
fn a_success_tells_status_address_and_end_of_the_certificate() {
    let pki = pki(leaf("localhost").also("IP:127.0.0.1"));
    let server = http([ok("done")]).over_tls(pki.server().context());
    let server = RUNTIME.block_on(server.start());
    let exporter = Exporter::start(MODULES);
    let target = format!("https://{}/", server.address);
    let page = text(&assert_page(&exporter.get(&probe_page("any", &target)), 200));
    let (_, banner) = page.split_once("Success").unwrap();
    let (banner, _) = banner.split_once("The probe").unwrap();
    let told = format!(" · {} · certificate expires in 89 days (20", server.address);
    assert!(banner.contains("HTTP/1.1 200") && banner.contains(&told), "{banner}");
    let banner =
        text(&assert_page(&exporter.get(&probe_page("connect", &server.address.to_string())), 200));
    assert!(banner.contains(&format!("s · {}", server.address)), "{banner}");
    assert!(!banner.contains("certificate expires"), "{banner}");
}

#[test]
fn the_turns_of_a_redirect_loop_are_folded_except_in_json() {
    let turns = ["/b", "/a"].into_iter().cycle().take(22).map(redirect);
    let server = RUNTIME.block_on(http(turns).start());
    let exporter = Exporter::start(MODULES);
    let target = format!("http://{}/a", server.address);
    let page = assert_page(&exporter.get(&probe_page("http_2xx", &target)), 200);
    let told = format!(
        "… ×8 the same URLs and responses again: http://{0}/a → http://{0}/b",
        server.address
    );
    assert!(text(&page).contains(&format!("3 to 10 {told}")), "{page}");
    let answers =
        elements(&page).iter().filter(|it| it.attribute("class") == Some("answer")).count();
    assert_eq!(answers, 3, "those of the first turn and the last response");
    let debug = exporter.get("/logs?id=0").text();
    let (_, result) = debug.split_once("Result of the probe:").unwrap();
    let (result, _) = result.split_once("Metrics that would").unwrap();
    assert!(result.contains(&format!("\n{told}\n  all  ")), "{result}");
    assert_eq!(result.matches("Response: HTTP/1.1 302").count(), 3, "{result}");
    let json = exporter.get("/logs?id=0&format=json").text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hops"].as_array().unwrap().len(), 11);
}

#[test]
fn a_page_links_to_the_graph_of_its_target() {
    let url = "https://prometheus.example/x/";
    let exporter = Exporter::start_with(MODULES, |options| {
        options.prometheus_url = Some(PrometheusUrl::parse(url).unwrap());
    });
    let graph = "href=\"https://prometheus.example/x/graph?g0.expr=\
                 probe%5Fsuccess%7Binstance%3D%22127%2E0%2E0%2E1%3A1%22%7D&amp;";
    let page = assert_page(&exporter.get(&probe_page("connect", CLOSED)), 200);
    assert!(page.contains(graph), "{page}");
    assert!(text(&page).contains("probe_success{instance=\"127.0.0.1:1\"}"), "{page}");
    // Prometheus has the target with its password.
    let masked =
        assert_page(&exporter.get(&probe_page("http_2xx", "http://u:hush@127.0.0.1:1/")), 200);
    assert!(!masked.contains("prometheus.example") && !masked.contains("hush"), "{masked}");
    let without = Exporter::start(MODULES).get(&probe_page("connect", CLOSED)).text();
    assert!(without.contains("probe_success{") && !without.contains(">Graph<"), "{without}");
}
