use super::*;

fn settings(json: &str) -> PolicySettings {
    serde_json::from_str(json).unwrap()
}

fn error(json: &str) -> String {
    serde_json::from_str::<PolicySettings>(json).unwrap_err().to_string()
}

fn policy(json: &str) -> Policy {
    Policy::of_module("m", &settings(json), None, None).unwrap()
}

fn allows(policy: &Policy, host: &str) -> bool {
    policy.judge(&Question { host: Some(host), ..Question::default() }).is_ok()
}

#[test]
fn the_longest_prefix_counts_and_a_tie_is_denied() {
    let policy = policy(
        r#"{"addresses": {"default": "allow", "deny": ["private", "1.2.3.0/24"],
            "allow": ["10.1.2.0/24", "10.0.0.0/8", "1.2.3.0/24", "fd00::/64"]}}"#,
    );
    for (address, expected) in [
        ("10.1.2.3", true),
        ("10.1.3.3", false),
        ("1.2.3.4", false),
        ("8.8.8.8", true),
        ("fd00::1", true),
        ("fd01::1", false),
    ] {
        assert_eq!(allows(&policy, address), expected, "{address}");
    }
}

#[test]
fn presets_allow_what_they_say() {
    for (preset, allowed, denied) in [
        (Preset::NoMetadata, "127.0.0.1 10.0.0.1 8.8.8.8 fe80::1", "169.254.169.254 fd00:ec2::254"),
        (
            Preset::Internal,
            "10.0.0.1 100.64.0.1 8.8.8.8 fd00::1 2606:4700::1 64:ff9b::8.8.8.8",
            "127.0.0.1 ::1 0.0.0.0 169.254.1.1 fe80::1 fe80::1%eth0 100.100.100.200 168.63.129.16 \
             224.0.0.1 192.0.2.1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1:: ::127.0.0.1 \
             fd00:ec2::254 fd00:c1::a9fe:a9fe fd00:a9fe:a9fe::1 fd00:100::100:200 fd20:ce::254",
        ),
        (Preset::Public, "8.8.8.8 2606:4700::1", "10.0.0.1 100.64.0.1 fd00::1 127.0.0.1"),
    ] {
        let file = PolicySettings::default();
        let policy = Policy::of_module("m", &file, preset.rule_set().as_ref(), None).unwrap();
        for address in allowed.split_whitespace() {
            assert!(allows(&policy, address), "{preset} {address}");
        }
        for address in denied.split_whitespace() {
            assert!(!allows(&policy, address), "{preset} {address}");
        }
    }
    assert_eq!(Policy::of_module("m", &PolicySettings::default(), None, None), None);
}

#[test]
fn the_set_of_public_addresses_is_as_narrow_as_all_addresses() {
    let public = policy(
        r#"{"addresses": {"allow": ["8.8.8.0/24"], "deny": ["public"], "default": "allow"}}"#,
    );
    assert!(allows(&public, "8.8.8.8") && allows(&public, "10.0.0.1"));
    assert!(!allows(&public, "8.8.9.8") && !allows(&public, "2606::1"));
    let tie = policy(
        r#"{"addresses": {"allow": ["public"], "deny": ["0.0.0.0/0"], "default": "allow"}}"#,
    );
    assert!(!allows(&tie, "8.8.8.8"));
}

#[test]
fn hosts_are_judged_by_the_narrowest_pattern() {
    let policy = policy(
        r#"{"hosts": {"default": "deny", "allow": ["example.org", "*.a.example.org"],
            "deny": ["*", "x.a.example.org"]}}"#,
    );
    for (host, expected) in [
        ("example.org", true),
        ("EXAMPLE.org.", true),
        ("b.example.org", false),
        ("a.example.org", false),
        ("y.a.example.org", true),
        ("z.y.a.example.org", true),
        ("x.a.example.org", false),
        ("127.0.0.1", false),
        ("::1", false),
        ("fe80::1%lo", false),
        ("notexample.org", false),
        ("", false),
    ] {
        assert_eq!(allows(&policy, host), expected, "{host}");
    }
}

#[test]
fn literals_are_allowed_unless_names_are_listed() {
    assert!(allows(&policy(r#"{"hosts": {"deny": ["x.example"]}}"#), "127.0.0.1"));
    let names_only = policy(r#"{"hosts": {"literals": "deny"}}"#);
    assert!(!allows(&names_only, "127.0.0.1") && allows(&names_only, "x.example"));
    let both = policy(r#"{"hosts": {"allow": ["x.example"], "literals": "allow"}}"#);
    assert!(allows(&both, "127.0.0.1") && !allows(&both, "y.example"));
}

#[test]
fn the_narrowest_range_of_ports_counts() {
    let policy = policy(
        r#"{"ports": {"deny": ["8000-8999", "80", "65000-65535"], "default": "allow",
            "allow": ["8080", "80-81", "8900-9100", "8998-9997"]}}"#,
    );
    let allowed = [9, 81, 82, 7999, 8080, 8900, 8999, 9000, 64_999];
    let denied = [80, 8000, 8081, 8899, 65_000, 65_535];
    for (port, expected) in
        allowed.map(|port| (port, true)).into_iter().chain(denied.map(|port| (port, false)))
    {
        let question = Question { port: Some(port), ..Question::default() };
        assert_eq!(policy.judge(&question).is_ok(), expected, "{port}");
    }
}

#[test]
fn probers_schemes_and_paths_are_judged() {
    let policy = policy(
        r#"{"probers": ["http", "unix"], "schemes": ["https"],
            "unix_paths": {"allow": ["/run/**", "@a*"], "deny": ["/run/secret.sock"], "default": "deny"}}"#,
    );
    let judge = |question: &Question<'_>| policy.judge(question).is_ok();
    for (prober, expected) in [("http", true), ("tcp", false)] {
        assert_eq!(judge(&Question { prober: Some(prober), ..Question::default() }), expected);
    }
    for (scheme, expected) in [(Scheme::Https, true), (Scheme::Http, false), (Scheme::Http3, false)]
    {
        assert_eq!(judge(&Question { scheme: Some(scheme), ..Question::default() }), expected);
    }
    for (path, expected) in [
        ("/run/x", true),
        ("/run/secret.sock", false),
        ("/var/x", false),
        ("@abc", true),
        ("@b", false),
    ] {
        assert_eq!(
            judge(&Question { path: Some(path), ..Question::default() }),
            expected,
            "{path}"
        );
    }
    assert!(policy.judge_any_path("/var/x").is_ok());
    let internal = Policy::of_module(
        "m",
        &PolicySettings::default(),
        Preset::Internal.rule_set().as_ref(),
        None,
    )
    .unwrap();
    assert!(internal.judge_any_path("/run/x").is_err());
}

#[test]
fn a_name_that_a_proxy_resolves_is_denied_if_addresses_are_judged() {
    let name = Question { host: Some("h.example"), is_unresolved: true, ..Question::default() };
    let literal = Question { host: Some("8.8.8.8"), ..name };
    let strict = policy(r#"{"preset": "internal"}"#);
    assert_eq!(strict.judge(&name).unwrap_err().denial.list, "unresolved_names");
    assert!(strict.judge(&literal).is_ok());
    assert!(strict.judge(&Question { host: Some("127.0.0.1"), ..name }).is_err());
    assert!(policy(r#"{"preset": "internal", "unresolved_names": "allow"}"#).judge(&name).is_ok());
    assert!(policy(r#"{"ports": {"deny": ["22"]}}"#).judge(&name).is_ok());
}

#[test]
fn proxies_and_token_servers_have_their_own_lists() {
    let policy = policy(
        r#"{"preset": "public", "proxies": {"addresses": {"allow": ["10.0.0.1"]}},
            "token_servers": {"hosts": {"allow": ["idp.example"]}}}"#,
    );
    let judge = |role, host| {
        policy.judge(&Question { role, host: Some(host), ..Question::default() }).is_ok()
    };
    assert!(judge(Role::Proxy, "10.0.0.1") && !judge(Role::Proxy, "8.8.8.8"));
    assert!(judge(Role::TokenServer, "idp.example") && !judge(Role::TokenServer, "x.example"));
    assert!(judge(Role::Target, "8.8.8.8") && !judge(Role::Target, "10.0.0.1"));
}

#[test]
fn all_layers_must_allow_and_overrides_replace_those_of_the_operator() {
    let file = settings(
        r#"{"preset": "internal", "overrides": [
            {"modules": ["node_*"], "policy": {"addresses": {"allow": ["loopback"]}}},
            {"modules": ["*"], "policy": {"addresses": {"deny": ["10.0.0.0/8"]}}}]}"#,
    );
    let module: PolicyRules = serde_json::from_str(r#"{"ports": {"allow": ["443"]}}"#).unwrap();
    let node =
        Policy::of_module("node_local", &file, Preset::Public.rule_set().as_ref(), Some(&module))
            .unwrap();
    assert!(allows(&node, "127.0.0.1") && !allows(&node, "8.8.8.8"));
    let port = Question { port: Some(80), ..Question::default() };
    assert_eq!(node.judge(&port).unwrap_err().denial.origin, Origin::Module);
    let other = Policy::of_module("other", &file, None, None).unwrap();
    assert!(allows(&other, "127.0.0.1") && !allows(&other, "10.1.1.1"));
}

#[test]
fn only_the_policy_of_the_operator_reports() {
    let file = settings(r#"{"mode": "report", "preset": "internal"}"#);
    let module: PolicyRules = serde_json::from_str(r#"{"ports": {"allow": ["443"]}}"#).unwrap();
    let policy = Policy::of_module("m", &file, None, Some(&module)).unwrap();
    let judge = |host, port| {
        policy.judge(&Question { host: Some(host), port: Some(port), ..Question::default() })
    };
    assert_eq!(judge("127.0.0.1", 443).unwrap_err().mode, Mode::Report);
    assert_eq!(judge("127.0.0.1", 80).unwrap_err().mode, Mode::Enforce);
    assert!(policy.reports());
}

#[test]
fn narrowing_never_allows_more() {
    use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
    let mut random = SmallRng::seed_from_u64(7);
    let entries = ["private", "public", "10.0.0.0/8", "10.1.0.0/16", "loopback", "8.8.8.8", "::/0"];
    let addresses = ["10.0.0.1", "10.1.0.1", "127.0.0.1", "8.8.8.8", "1.1.1.1", "::1", "fd00::1"];
    for _ in 0..500 {
        let mut list = || {
            let chosen: Vec<_> = entries.iter().filter(|_| random.random_bool(0.3)).collect();
            serde_json::to_string(&chosen).unwrap()
        };
        let [allow, deny, narrow_allow, narrow_deny] = std::array::from_fn(|_| list());
        let section = |allow, deny| {
            format!(r#"{{"addresses": {{"default": "deny", "allow": {allow}, "deny": {deny}}}}}"#)
        };
        let file = settings(&section(allow, deny));
        let module: PolicyRules =
            serde_json::from_str(&section(narrow_allow, narrow_deny)).unwrap();
        let wide = Policy::of_module("m", &file, None, None).unwrap();
        let narrow = Policy::of_module("m", &file, None, Some(&module)).unwrap();
        for address in addresses {
            assert!(allows(&wide, address) || !allows(&narrow, address), "{address}");
        }
    }
}

#[test]
fn an_empty_list_of_what_is_allowed_allows_nothing() {
    for json in [r#"{"addresses": {"allow": []}}"#, r#"{"hosts": {"allow": []}}"#] {
        assert!(!allows(&policy(json), "8.8.8.8") && !allows(&policy(json), "h.example"), "{json}");
    }
    for json in ["{}", r#"{"addresses": {}, "hosts": {"deny": []}}"#] {
        assert_eq!(Policy::of_module("m", &settings(json), None, None), None, "{json}");
    }
}

#[test]
fn errors_say_what_to_write() {
    for (json, part) in [
        (r#"{"addresses": {"allow": ["private"], "deny": ["10.0.0.0/8"]}}"#, "write what holds"),
        (r#"{"preset": "interne"}"#, "'interne' is not a preset; write one of none, no_metadata"),
        (r#"{"overrides": [{"modules": []}]}"#, "requires the key 'modules'"),
        (r#"{"proxies": {"ports": {"allow": ["1"], "deny": ["2"]}}}"#, "proxies.ports: with"),
    ] {
        let error = error(json);
        assert!(error.contains(part), "{error}");
    }
    let many = vec!["10.0.0.0/8"; 10_001];
    let json = serde_json::json!({"addresses": {"deny": many}}).to_string();
    assert!(error(&json).contains("10001 entries are too many"));
}
