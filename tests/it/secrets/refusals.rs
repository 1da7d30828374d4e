//! Secrets of refused probes.

use super::{Output, case, get, planted};
use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, redirect},
    },
    harness::probe_path,
    refusals::Crowd,
    running::Running,
};

#[test]
fn refused_probes_are_redacted() {
    let [password, token, cookie] = ["password", "token", "cookie"].map(planted);
    let check = "fail_if_body_matches_regexp: [never]";
    let yaml = format!(
        "limits: {{body_memory: 4MiB}}
modules:
  crowd: {{prober: http, timeout: 100s, http: {{{check}}}}}
  refused: {{prober: http, http: {{{check}, authorization: {{credentials: {token}}}}}}}
"
    );
    let arguments = ["--log.level=debug", "--log.prober=debug"];
    let exporter = Running::start(&yaml, &arguments);
    let crowd = Crowd::start(exporter.address, "crowd");
    let body = ok(vec![b'x'; 3 << 20]).header("X-Said", &token);
    let next = redirect(format!("/?said={token}")).header("Set-Cookie", format!("a={cookie}"));
    let target = RUNTIME.block_on(http([next, body]).start());
    let mut output = Output::default();
    let url = format!("http://u:{password}@{}/", target.address);
    let answer = get(exporter.address, &probe_path("refused", &url));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(target.asked().iter().any(|asked| asked.head.contains(&token)), "used");
    output.record("probe", &answer.text());
    for path in ["/", "/metrics", "/logs?id=0"] {
        output.record(path, &get(exporter.address, path).text());
    }
    for format in ["metrics", "json", "health", "debug", "html"] {
        let answer = get(exporter.address, &format!("/logs?id=0&format={format}"));
        assert!(answer.text().len() > 50, "{format}");
        output.record(format, &answer.text());
    }
    drop(crowd);
    let (_, log) = exporter.stop();
    assert!(log.iter().any(|line| line.contains("Probe refused")), "{log:#?}");
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[case("a refused probe", "", "", true, ())]);
}
