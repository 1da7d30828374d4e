//! Secrets of reports in the history of a target: of older reports, and of the comparison of two.

use super::{MARK, Output, case, get, planted};
use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, redirect, status},
    },
    harness::probe_path,
    running::Running,
};

/// The server repeats the token where a comparison shows it: in URLs of redirects, and in messages.
#[test]
fn the_comparison_of_two_reports_is_redacted() {
    let [password, token] = ["password", "token"].map(planted);
    let keys = format!("authorization: {{credentials: {token}}}, fail_if_body_matches_regexp: [a]");
    let yaml = format!("modules:\n  m: {{prober: http, http: {{{keys}}}}}\n  tcp: {{prober: tcp}}");
    let exporter = Running::start(&yaml, &["--history.limit=1"]);
    let to = |path: &str| redirect(format!("/{path}?said={token}"));
    let answers = [to("one"), ok("fine"), to("two"), status(500).body(&token)];
    let server = RUNTIME.block_on(http(answers).start());
    let target = format!("http://u:{password}@{}/", server.address);
    for success in ["probe_success 1", "probe_success 0"] {
        get(exporter.address, &probe_path("m", &target)).metrics().expect(&[success]);
    }
    // The list of the latest probes has room for one.
    for _ in 0..2 {
        get(exporter.address, &probe_path("tcp", &server.address.to_string()));
    }
    let mut output = Output::default();
    let of_target = probe_path("m", &target).replace("/probe?", "");
    let page = get(exporter.address, &format!("/target?{of_target}")).text();
    let (_, comparison) = page.split_once("id=\"comparison\"").unwrap();
    for told in ["Path of redirects", "/one?said=", "/two?said=", "HTTP/1.1 500"] {
        assert!(comparison.contains(told), "{told} in {page}");
    }
    output.record("comparison", &page);
    for id in 0..2 {
        for format in ["metrics", "json", "health", "debug", "html"] {
            let answer = get(exporter.address, &format!("/logs?id={id}&format={format}"));
            assert!(!answer.text().contains("not found"), "{format}: {}", answer.text());
            output.record(format, &answer.text());
        }
    }
    let unknown = of_target.replace("module=m", "module=other");
    for path in ["target", "logs"] {
        for format in ["html", "json"] {
            let answer = get(exporter.address, &format!("/{path}?{unknown}&format={format}"));
            assert_eq!(answer.status, 404, "{path}");
            output.record("not kept", &answer.text());
        }
    }
    assert!(server.asked().iter().any(|asked| asked.head.contains(MARK)), "the token was used");
    output.assert_no_secrets(&[case("old reports", "", "", true, ())]);
}
