//! Pages escape all text from outside: names of targets, headers, certificates.

use std::io::Write as _;

use super::{MODULES, assert_page, markup, probe_page, text};
use crate::{
    fixtures::{
        hostile::{RUNTIME, Then, greeting},
        http::{http, ok, raw, redirect, status},
        tls::{leaf, pki, server},
    },
    harness::{Exporter, connect, eventually, probe_path},
};

const MARKUP: &str = "\"'></title></style><script>alert(1)</script><img src=x onerror=alert(2)>";
const CONTROLS: &str = "a\u{0}\u{1}\u{1b}[31m\u{7f}\u{85}\r\nb\u{b}";
const TURNED: &str = "safe\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}\u{200b}\u{feff}\u{61c}";

/// Asserts that the page has no script and no control characters.
#[track_caller]
fn assert_harmless(page: &str) {
    markup::assert_inert(page);
    assert_visible(page);
}

/// Asserts that a page has no control characters, also none that change the direction of text.
#[track_caller]
fn assert_visible(page: &str) {
    let odd = page.chars().find(|c| {
        c.is_control() && *c != '\n'
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
    });
    assert_eq!(odd, None, "{page}");
}

/// Returns all pages about the last probe.
#[track_caller]
fn pages(exporter: &Exporter) -> Vec<String> {
    let list = assert_page(&exporter.get("/"), 200);
    let latest = list.split_once("logs?id=").unwrap().1;
    let id: u32 = latest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    vec![list, assert_page(&exporter.get(&format!("/logs?id={id}&format=html")), 200)]
}

#[test]
fn names_of_targets_are_escaped() {
    let exporter = Exporter::start(MODULES);
    let word = "w".repeat(4 << 10);
    // The dots make them invalid host names, so that no name server is queried.
    let (hebrew, accents) = ("\u{5d0}\u{5d1}\u{5d2}..a", "e\u{301}\u{301}..a");
    for target in [MARKUP, CONTROLS, TURNED, &word, hebrew, accents] {
        for module in ["connect", "http_2xx"] {
            let page = assert_page(&exporter.get(&probe_page(module, target)), 200);
            for page in pages(&exporter).iter().chain([&page]) {
                // The form that repeats the probe contains the unchanged target.
                let page = page.replace(&format!("value=\"{}\"", escaped(target)), "value=\"\"");
                assert_harmless(&page);
            }
        }
    }
    let list = assert_page(&exporter.get("/"), 200);
    assert!(text(&list).contains("safe\\u202egpj.exe"), "what was hidden is seen");
    assert!(!list.contains(&"w".repeat(200)) && list.contains("(4096 bytes)"), "{list}");
}

/// Escapes a text for an attribute.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[test]
fn names_of_refused_probes_are_escaped() {
    let word = "w".repeat(8 << 10);
    // The maximum length of a key in YAML.
    let names = ["</td><script>x\u{202e}", &word[..1000]];
    let module = "{prober: tcp, limits: {in_flight: 1}, tcp: {query_response: [{expect: never}]}}";
    let modules = names.map(|name| format!("{}: {module}", serde_json::to_string(name).unwrap()));
    let exporter = Exporter::start(&format!(
        "limits: {{queue_timeout: 0s}}\nmodules: {{{}}}",
        modules.join(", ")
    ));
    let peer = greeting("", Then::Wait);
    let mut running = Vec::new();
    for name in names {
        let mut client = connect(exporter.address);
        let path = probe_path(name, &peer.address.to_string());
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        running.push(client);
    }
    eventually("both probes run", || {
        exporter.own_metrics().value("probe_exporter_probes_in_flight") == Some(2.0)
    });
    for target in [MARKUP, CONTROLS, TURNED, &word] {
        for name in names {
            assert_eq!(exporter.get(&probe_path(name, target)).status, 503, "{target}");
        }
    }
    let page = assert_page(&exporter.get("/"), 200);
    let (_, refused) = page.split_once("<h2>Refused Probes</h2>").unwrap();
    assert_visible(refused);
    assert!(
        refused.contains("safe\\u202egpj.exe") && refused.contains("(8192 bytes)"),
        "{refused}"
    );
    assert!(!refused.contains(&"w".repeat(200)), "{refused}");
    // The names are in the lists of modules of both forms.
    markup::assert_inert(&page);
}

#[test]
fn unknown_names_are_escaped_in_errors() {
    let exporter = Exporter::start(MODULES);
    for text in [MARKUP, CONTROLS, TURNED] {
        assert_harmless(&assert_page(&exporter.get(&probe_page(text, "x")), 400));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("module", text), ("target", text), ("name", text)])
            .finish();
        for path in ["/", "/modules"] {
            let page = assert_page(&exporter.get(&format!("{path}?{query}")), 200);
            let page = page.replace(&format!("value=\"{}\"", escaped(text.trim())), "value=\"\"");
            markup::assert_inert(&page);
        }
        let missing = exporter.get(&format!("/logs?{query}&format=html"));
        assert_harmless(&assert_page(&missing, 404));
    }
}

#[test]
fn texts_of_servers_are_escaped() {
    let exporter = Exporter::start(MODULES);
    let answers = [
        raw(format!("HTTP/1.1 200 {MARKUP}\r\nServer: {MARKUP}\r\nContent-Length: 0\r\n\r\n")),
        redirect(format!("/{MARKUP}")),
        ok(MARKUP),
        raw(format!("HTTP/1.1 302 x\r\nLocation: gopher://{TURNED}\r\n\r\n")),
        raw("HTTP/1.1 200 \u{1b}[31m\u{202e}\r\nX: \u{0}\r\n\r\n"),
        raw(MARKUP),
        status(500).header("X-Said", MARKUP).body([MARKUP, TURNED, "a\tb\u{b}\u{85}"].join("\r\n")),
        status(500).body(CONTROLS),
        raw(format!("HTTP/1.1 302 x\r\nLocation: /{}\r\n\r\n", "w".repeat(4 << 10))),
    ];
    let rounds = answers.len();
    let server = RUNTIME.block_on(http(answers).start());
    for _ in 0..rounds {
        exporter.get(&probe_page("http_2xx", &server.address.to_string()));
        for page in pages(&exporter) {
            assert_harmless(&page);
        }
    }
}

#[test]
fn names_in_certificates_are_escaped() {
    let script = "</bdi><script>alert(1)</script>";
    let subject = [("CN", script), ("O", "a\u{1b}[2J\u{202e}b"), ("OU", "\"'><b>\n")];
    let mut long = leaf("localhost").subject(&subject).also(&format!("email:{script}"));
    for number in 0..300 {
        long = long.also(&format!("DNS:{number}.{}.example", "long-name".repeat(20)));
    }
    let exporter = Exporter::start(MODULES);
    for (certificate, module) in [
        (leaf("localhost").subject(&subject).self_signed(), "any"),
        (leaf("localhost").subject(&subject).expired().self_signed(), "http_2xx"),
        (pki(long).leaf, "any"),
    ] {
        let secured = http([ok("fine")]).over_tls(server(&certificate).context());
        let server = RUNTIME.block_on(secured.start());
        let target = format!("https://{}/", server.address);
        let page = assert_page(&exporter.get(&probe_page(module, &target)), 200);
        assert_harmless(&page);
        let words = text(&page);
        assert!(words.contains("alert(1)") && words.contains("\\x1b[2J\\u202eb"), "{words}");
        for page in pages(&exporter) {
            assert_harmless(&page);
        }
    }
    let names = text(&exporter.get("/logs?id=2&format=html").text());
    assert!(names.contains("and 252 more"), "{names}");
}

#[test]
fn names_of_modules_are_escaped() {
    let yaml = "modules: {\"</pre><script>x\\u202E\": {prober: tcp, tcp: {query_response: \
                [{expect: '</pre><script>alert(1)</script>', send: \"\\e[31m\"}]}}}";
    let exporter = Exporter::start(yaml);
    exporter.probe("</pre><script>x\u{202e}", super::CLOSED);
    let modules = assert_page(&exporter.get("/modules"), 200);
    assert_harmless(&modules);
    assert!(text(&modules).contains("</pre><script>alert(1)</script>"), "{modules}");
    for page in pages(&exporter) {
        markup::assert_inert(&page);
    }
}
