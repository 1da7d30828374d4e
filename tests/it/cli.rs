//! The commands of the binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use test_fixtures::{Missing, skip};

use crate::{fixtures::tls, running::BINARY};

/// Runs the binary in an empty folder with these files in it.
pub(crate) fn run_with(files: &[(&str, &[u8])], arguments: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let mut command = Command::new(BINARY);
    let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
    (folder, output)
}

fn run(arguments: &[&str]) -> Output {
    run_with(&[], arguments).1
}

/// Returns the output of `check` for one file, and its exit code.
fn checked(content: impl AsRef<[u8]>, flags: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["check", "a.yml"], flags].concat();
    let (_, output) = run_with(&[("a.yml", content.as_ref())], &arguments);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    (output.status.code(), text(&output.stdout))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_shows_each_error_below_its_line() {
    let yaml = "modules:\n  web:\n    prober: http\n    http:\n      metod: GET\n      valid_status_codes: [200, abc]\n";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("errors", shown);
}

#[test]
fn check_shows_warnings_in_the_same_form_and_lets_the_file_pass() {
    let yaml = "modules:\n  web:\n    prober: http\n    http: {preferred_ip_protocol: ipv4}\n    tcp: {tls: true}\n";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("warnings", shown);
}

#[test]
fn excerpts_of_wide_characters_tabs_and_long_lines_are_correct() {
    let yaml = "modules:\r\n  日本語: {prober: smöke}\r\n  b:\r\n    prober:\ttpc\r\n";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("kinds_of_lines", shown);
    let modules: Vec<_> = (0..3000).map(|n| format!("m{n}: {{prober: tcp}}")).collect();
    let long = format!("modules: {{{}, z: {{prober: no}}}}", modules.join(", "));
    let (code, shown) = checked(&long, &[]);
    assert!(
        code == Some(1) && shown.len() < 1000 && shown.contains("modules: … z: … prober: …"),
        "{shown}"
    );
}

/// The note about a configuration without a policy.
const NO_POLICY: &str = "note: no policy: whoever reaches /probe can reach what the exporter reaches; \
                         see 'policy' in docs/configuration.md\n";

#[test]
fn check_lists_the_files_that_it_read() {
    let good = b"modules: {a: {prober: tcp}}".as_slice();
    let said = |files: &[(&str, &[u8])], arguments: &[&str]| {
        let (_, output) = run_with(files, arguments);
        (output.status.code(), text(&output.stdout))
    };
    let (code, shown) = said(&[], &["check"]);
    assert!(code == Some(0) && shown.starts_with("built-in configuration: OK, "), "{shown}");
    assert!(shown.contains(" modules (there is no blackbox.yml in /"), "{shown}");
    let (code, shown) = said(&[("blackbox.yml", good)], &["check"]);
    assert_eq!(
        (code, shown.as_str()),
        (Some(0), &*format!("blackbox.yml: OK, 1 module\n{NO_POLICY}"))
    );
    let (code, shown) =
        said(&[("a.yml", good), ("b.yml", b"no".as_slice())], &["check", "a.yml", "b.yml"]);
    assert!(code == Some(1) && shown.ends_with("b.yml: 1 error\n"), "{shown}");
    let (code, shown) = said(&[("a.yml", good)], &["check", "missing.yml", "a.yml"]);
    assert!(code == Some(2) && shown.contains("cannot read missing.yml"), "{shown}");
    assert!(
        shown.ends_with(&format!("a.yml: OK, 1 module\n{NO_POLICY}")),
        "the others are checked all the same"
    );
}

#[test]
fn credentials_that_look_like_environment_variables_cause_a_note() {
    let module = |name: &str, password: &str| {
        let login = format!("basic_auth: {{username: u, password: '{password}'}}");
        format!("  {name}: {{prober: http, http: {{{login}}}}}\n")
    };
    let modules = [
        ("braces", "x${DB_PASSWORD}"),
        ("dollar", "$PASSWORD"),
        ("lower", "${password}"),
        ("other", "pa$$W${1}$Abc"),
    ];
    let modules = modules.map(|(name, password)| module(name, password)).concat();
    let (code, shown) = checked(format!("modules:\n{modules}"), &[]);
    let note = "which are not expanded; write the value, or name a file, for example with \
                password_file: braces, dollar\n";
    assert!(code == Some(0) && shown.contains(note), "{shown}");
}

#[test]
fn a_named_file_that_does_not_exist_causes_a_warning() {
    let yaml = "modules:\n  a:\n    prober: http\n    http:\n      method: POST\n      body_file: a.yml\n      bearer_token_file: none.txt\n";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(0), "they may come later");
    assert!(shown.contains("warning: cannot read none.txt: No such file"), "{shown}");
    assert!(
        shown.contains("--> a.yml:7:26\n") && shown.contains("1 module, 1 warning\n"),
        "{shown}"
    );
}

#[test]
fn surprising_defaults_cause_warnings() {
    let yaml = "
modules:
  a: {prober: http, http: {valid_status_codes: [301, 302]}}
  b: {prober: http, http: {body: x}}
  c: {prober: tcp, tcp: {tls_config: {server_name: h}}}
  d: {prober: dns, dns: {query_name: h, tls_config: {server_name: h}}}
  good: {prober: http, http: {valid_status_codes: [200, 302], method: PUT, body: x}}
  starttls: {prober: tcp, tcp: {tls_config: {server_name: h}, query_response: [{starttls: true}]}}
";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(0));
    for key in ["a.http.valid_status_codes", "b.http.body", "c.tcp.tls_config", "d.dns.tls_config"]
    {
        assert!(shown.contains(&format!("= key: modules.{key}\n")), "{key}\n{shown}");
    }
    assert!(shown.contains("a.yml: OK, 6 modules, 4 warnings\n"), "{shown}");
    let (_, shown) = checked(yaml, &["--explain=c"]);
    assert!(
        shown.ends_with(
            "  Warnings tcp.tls_config: no effect without 'tls: true' or a step with starttls\n"
        ),
        "{shown}"
    );
}

#[test]
fn notes_name_modules_that_expose_credentials_and_a_missing_policy() {
    let yaml = "
policy: {preset: internal}
modules:
  open: {prober: http, http: {basic_auth: {username: u, password: p}}}
  ws: {prober: websocket, websocket: {http_config: {bearer_token: t}}}
  closed: {prober: http, policy: {hosts: {allow: [h.example]}}, http: {bearer_token: t}}
  cookie: {prober: http, http: {headers: {Cookie: c, Accept: '*/*'}}}
  key: {prober: websocket, websocket: {headers: {X-Api-Key: {values: [k]}}}}
  meta: {prober: grpc, grpc: {metadata: {authorization: [t]}}}
  plain: {prober: http, http: {headers: {Accept: '*/*'}}}
";
    let note = "note: credentials go to whatever target a client names, unless the module has a policy \
                with hosts or addresses: cookie, key, meta, open, ws\n";
    let (code, shown) = checked(yaml, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(shown, format!("a.yml: OK, 7 modules\n{note}"));
    let (_, shown) = checked(yaml.replace("preset: internal", "preset: none"), &[]);
    assert_eq!(shown, format!("a.yml: OK, 7 modules\n{note}{NO_POLICY}"));
    let (_, shown) = checked(yaml, &["--explain=closed"]);
    for part in [
        "The policy of the file: addresses allowed public private shared, denied metadata, others \
         denied; unix_paths others denied. Redirects are judged too.",
        "The policy of the module: hosts allowed h.example, others denied, addresses as targets \
         denied. Redirects are judged too.",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

/// Each file is refused by `check`, by `--config.check` and by a start, for the same reason.
#[test]
fn check_refuses_what_a_start_refuses() {
    let pki = tls::pki(tls::leaf("localhost"));
    let (certificate, key) = (pki.leaf.pem(), pki.leaf.key_pem());
    let other_key = pki.root.key_pem();
    let files = [
        ("good.yml", "modules: {a: {prober: tcp}}"),
        ("syntax.yml", "modules: ["),
        ("key.yml", "modules: {a: {prober: tcp, tcp: {tsl: true}}}"),
        ("inline.yml", "modules: {a: {prober: tcp, tcp: {tls_config: {ca: x}}}}"),
        ("limits.yml", "limits: {in_flight: -1}\nmodules: {a: {prober: tcp}}"),
        ("policy.yml", "policy: {addresses: {allow: [x]}}\nmodules: {a: {prober: tcp}}"),
        ("leaf.pem", &certificate),
        ("leaf.key", &key),
        ("other.key", &other_key),
        ("empty.pem", ""),
        ("web.yml", "tls_server_config: {cert_file: leaf.pem, key_file: leaf.key}"),
        ("no-cert.yml", "tls_server_config: {cert_file: none.pem, key_file: leaf.key}"),
        ("no-key.yml", "tls_server_config: {cert_file: leaf.pem, key_file: none.key}"),
        ("other-key.yml", "tls_server_config: {cert_file: leaf.pem, key_file: other.key}"),
        ("swapped.yml", "tls_server_config: {cert_file: leaf.key, key_file: leaf.pem}"),
        ("empty-cert.yml", "tls_server_config: {cert_file: empty.pem, key_file: leaf.key}"),
        (
            "no-ca.yml",
            "tls_server_config: {cert_file: leaf.pem, key_file: leaf.key, client_ca_file: none.pem, \
             client_auth_type: RequireAndVerifyClientCert}",
        ),
        ("hash.yml", "basic_auth_users: {alice: hunter2}"),
        ("headers.yml", "http_server_config: {headers: {X-Other: a}}"),
        ("rate.yml", "rate_limit: {interval: x}"),
        ("unknown.yml", "tls: {}"),
    ];
    let files = files.map(|(name, text)| (name, text.as_bytes()));
    let outcomes = |modules: &str, web: &str| {
        let (config, web_config) =
            (format!("--config.file={modules}"), format!("--web.config.file={web}"));
        let (_, check) = run_with(&files, &["check", "--web", web, modules]);
        let (_, config_check) = run_with(&files, &[&config, &web_config, "--config.check"]);
        (check, config_check, [config, web_config])
    };
    let (check, config_check, _) = outcomes("good.yml", "web.yml");
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stdout));
    assert_eq!(config_check.status.code(), Some(0), "{}", text(&config_check.stderr));
    let modules = ["syntax", "key", "inline", "limits", "policy"].map(|name| (name, "web"));
    let webs = ["no-cert", "no-key", "other-key", "swapped", "empty-cert", "no-ca", "hash"];
    let webs = webs.iter().chain(&["headers", "rate", "unknown"]).map(|name| ("good", *name));
    for (modules, web) in modules.into_iter().chain(webs) {
        let (check, config_check, flags) =
            outcomes(&format!("{modules}.yml"), &format!("{web}.yml"));
        let shown = text(&check.stdout);
        assert_eq!(check.status.code(), Some(1), "{modules} {web}: {shown}");
        assert!(shown.contains("error: "), "{shown}");
        assert_eq!(config_check.status.code(), Some(1), "{modules} {web}");
        let [config, web] = &flags;
        let (_, start) = run_with(&files, &[config, web, "--web.listen-address=127.0.0.1:0"]);
        assert_eq!(start.status.code(), Some(1), "{flags:?}: {}", text(&start.stderr));
    }
}

#[test]
fn a_web_config_file_is_checked_too() {
    let web = b"basic_auth_users:\n  alice: hunter2\ntls: {}\n".as_slice();
    let (_, output) = run_with(&[("web.yml", web)], &["check", "--web", "web.yml"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    insta::assert_snapshot!("web_config", shown);
}

#[test]
fn secrets_on_the_lines_of_errors_are_not_shown() {
    let module = "modules:\n  a:\n    prober: http\n    http:\n";
    for lines in [
        "basic_auth: {password: hunter2, usrname: b}\nbearer_tokn: hunter2",
        "basic_auth: {password : hunter2, usrname: b}",
        "proxy_url: \"http://u:hun/hunter2@h:80\"",
        "authorization:\n  credentials: {a: hunter2}",
        "basic_auth: {usrname: b, password: 'hun''hunter2'}",
        "basic_auth: {usrname: b, password: \"hun\\\"hunter2\"}",
        "basic_auth:\n  password: \"b\n    hunter2\": a",
        "basic_auth:\n  password: |\n    hunter2\n   hunter2",
    ] {
        let lines = lines.replace('\n', "\n      ");
        let (code, shown) = checked(format!("{module}      {lines}\n"), &[]);
        assert_eq!(code, Some(1));
        assert!(!shown.contains("hunter2") && shown.contains('…'), "{lines}\n{shown}");
    }
}

#[test]
fn excerpts_show_nothing_but_keys_of_the_path() {
    let mut arguments = vec!["check".to_owned()];
    for entry in fs::read_dir("tests/it/data/config/invalid").unwrap() {
        let path = fs::canonicalize(entry.unwrap().path()).unwrap();
        arguments.push(path.display().to_string());
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let shown = text(&run(&arguments).stdout);
    let mut excerpts = 0;
    for diagnostic in shown.split("\n\n") {
        let excerpt = diagnostic.lines().find_map(|line| {
            let (number, excerpt) = line.split_once(" |")?;
            number.parse::<usize>().is_ok().then_some(excerpt)
        });
        let Some(excerpt) = excerpt else { continue };
        let path = diagnostic.lines().find_map(|line| line.split_once(" = key: "));
        let path = path.map_or("", |(_, path)| path);
        excerpts += 1;
        for part in excerpt.split('…') {
            let key = part.trim_start_matches([' ', '-']).trim_end_matches([' ', ':']);
            assert!(key.is_empty() || path.contains(key), "{key:?}\n{diagnostic}");
        }
    }
    assert!(excerpts > 200, "{excerpts}: there is something to look at\n{shown}");
}

#[test]
fn colours_are_used_only_on_request() {
    let yaml = "modules: {a: {prober: no}}";
    assert!(!checked(yaml, &[]).1.contains('\u{1b}'), "a pipe is no terminal");
    assert!(!checked(yaml, &["--color=never"]).1.contains('\u{1b}'));
    assert!(checked(yaml, &["--color=always"]).1.contains("\u{1b}["));
    assert!(!text(&run(&["probe", "--help"]).stdout).contains('\u{1b}'), "a pipe is no terminal");
}

#[test]
fn explain_describes_a_module_in_sentences() {
    let yaml = r#"
modules:
  login:
    prober: http
    timeout: 5s
    http:
      method: POST
      headers: {Accept: text/html, Cookie: hunter2}
      basic_auth: {username: bob, password: hunter2}
      http_headers: {X-Other: {secrets: [hunter2]}}
      proxy_url: http://u:hunter2@proxy:3128
      body: "user=bob"
      tls_config: {ca_file: ca.pem, min_version: TLS13}
      valid_status_codes: [200, 302]
      fail_if_body_not_matches_regexp: [Welcome]
      fail_if_not_ssl: true
"#;
    let (code, shown) = checked(yaml, &["--explain=login"]);
    assert_eq!(code, Some(0));
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!("explanation", shown);
    let (code, shown) = checked(yaml, &["--explain=other"]);
    assert_eq!(
        (code, shown.as_str()),
        (Some(2), "error: a.yml has no module other; its modules are login\n")
    );
}

#[test]
fn checks_are_numbered_unless_they_are_steps_of_a_dialogue() {
    let yaml = r#"
modules:
  mail: {prober: tcp, tcp: {query_response: [{expect: a, name: greeting}, {send: b}]}}
  page: {prober: http, http: {fail_if_body_matches_regexp: [{name: "Step 1", regexp: a}, b]}}
"#;
    let (_, mail) = checked(yaml, &["--explain=mail"]);
    for step in ["  Checks   Step 1: ", " Named greeting.", "\n           Step 2: "] {
        assert!(mail.contains(step), "{step}\n{mail}");
    }
    let (_, quiet) =
        checked("modules: {q: {prober: icmp, show_response: false}}", &["--explain=q"]);
    assert!(quiet.contains("Reports do not show the response."), "{quiet}");
    let (_, page) = checked(yaml, &["--explain=page"]);
    assert!(page.contains("  Checks   1. ") && page.contains("\n           2. "), "{page}");
}

#[test]
fn every_example_module_can_be_explained() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut explained = 0;
    for entry in fs::read_dir(folder.join("examples/modules")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|found| found != "yml") {
            continue;
        }
        let config = probe_exporter::config::Config::parse(fs::read(&file).unwrap(), "").unwrap();
        for (name, module) in config.modules() {
            let words = module.explain(0.5);
            let sentences = probe_exporter::settings::explain::Topic::ALL
                .into_iter()
                .flat_map(|topic| words.about(topic).collect::<Vec<_>>())
                .count();
            assert!(sentences > 3, "{name}");
            explained += 1;
        }
    }
    assert!(explained > 30, "{explained}");
}

#[test]
fn usage_errors_of_commands_have_code_2() {
    for arguments in [
        &["check", "--bogus"][..],
        &["check", "--color=loud"],
        &["completions"],
        &["completions", "tcsh"],
        &["probe"],
        &["probe", "t", "--timeout=soon"],
        &["probe", "t", "--timeout=-1s"],
        &["probe", "t", "--watch=0"],
        &["probe", "t", "--count=0"],
        &["probe", "t", "--format=xml"],
    ] {
        let output = run(arguments);
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{error}");
        let help = format!(", try {} --help\n", arguments[0]);
        assert!(error.ends_with(&help) && error.lines().count() == 1, "{error}");
    }
    assert_eq!(run(&["--config.check", "check"]).status.code(), Some(1));
}

/// Completes `line` in bash with the script of the binary.
fn completed(folder: &Path, line: &str) -> Vec<String> {
    let script = text(&run(&["completions", "bash"]).stdout);
    let program = format!(
        "{script}\nCOMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         _probe_exporter {BINARY} \"${{COMP_WORDS[COMP_CWORD]}}\" \
         \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["-c", &program]).current_dir(folder).output().unwrap();
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn module_names_are_completed_from_the_configuration_of_the_line() {
    let files = [
        ("blackbox.yml", b"modules: {one: {prober: tcp}, other: {prober: icmp}}".as_slice()),
        ("a.yml", b"modules: {orange: {prober: tcp}}"),
        ("bad.yml", b"modules: {oops: {}}"),
    ];
    let (folder, output) = run_with(&files, &["modules"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "one\nother\n"));
    let empty = tempfile::tempdir().unwrap();
    for (folder, words, expected) in [
        (&folder, "probe --module o", &["one", "other"][..]),
        (&folder, "probe -m ot", &["other"]),
        (&folder, "probe --config.file = a.yml -m o", &["orange"]),
        (&folder, "probe --config.file a.yml -m o", &["orange"]),
        (&folder, "probe --config.file bad.yml -m o", &[""]),
        (&empty, "probe -m http_post", &["http_post_2xx"]),
    ] {
        assert_eq!(completed(folder.path(), &format!("{BINARY} {words}")), expected, "{words}");
    }
    for (shell, part) in [("zsh", "modules -- $words"), ("fish", "modules -- $line")] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(script.contains(part), "{script}");
        assert!(!script.contains("argparse -s"), "it rejects flags with dots: {script}");
    }
}

#[test]
fn commands_have_help_a_man_page_and_completions() {
    for command in ["probe", "check", "modules", "completions"] {
        for arguments in [&[command, "--help"][..], &["help", command]] {
            let output = run(arguments);
            let help = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            assert!(help.contains(&format!("Usage: probe_exporter {command}")), "{help}");
        }
        let page = text(&run(&["--help-man"]).stdout);
        assert!(page.contains(&format!("THE COMMAND {}", command.to_uppercase())), "{page}");
    }
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        let script = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for word in ["check", "explain", "watch", "config.file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// The programs report mistakes in the page on their standard error or output.
#[test]
fn the_manual_page_has_no_mistakes_for_man_and_mandoc() {
    let (folder, _) = run_with(&[("page.1", &run(&["--help-man"]).stdout)], &["modules"]);
    let mut checks = 0;
    for program in [
        &["man", "--warnings", "-l", "-P", "cat", "page.1"][..],
        &["mandoc", "-T", "lint", "-W", "warning", "page.1"],
    ] {
        let [name, arguments @ ..] = program else { unreachable!() };
        let mut command = Command::new(name);
        command.args(arguments).current_dir(folder.path()).env("MANWIDTH", "80");
        // One of them suffices.
        let Ok(output) = command.output() else { continue };
        checks += 1;
        assert_eq!(text(&output.stderr), "", "{name}");
        let shown = text(&output.stdout);
        match *name {
            // There is no date, so that builds are reproducible.
            "mandoc" => assert!(shown.lines().all(|line| line.contains("date")), "{shown}"),
            _ => assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}"),
        }
    }
    if checks == 0 {
        skip(Missing::Man, "neither man nor mandoc is installed");
    }
}
