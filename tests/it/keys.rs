//! The tables of configuration keys in the documentation, generated from the declarations:
//! `UPDATE=1` updates them.

use std::{collections::BTreeSet, env, fmt::Write as _, fs};

use probe_exporter::config::{DeclaredKey, declared_keys};

/// The pages with tables. A table is between a comment with the path of its section, such as
/// `<!-- keys: http.oauth2 -->`, and [`END`].
const PAGES: [&str; 2] = ["docs/configuration.md", "docs/probers.md"];

const START: &str = "<!-- keys: ";
const END: &str = "<!-- end of keys -->";

/// The section with the HTTP client keys, which the section `http` also has.
const HTTP_CLIENT: &str = "websocket.http_config";

/// The section of the keys that all probers except unix have.
const IP: &str = "ip";
const IP_KEYS: [&str; 2] = ["preferred_ip_protocol", "ip_protocol_fallback"];

#[test]
fn tables_of_keys_are_current() {
    for page in PAGES {
        let text = fs::read_to_string(page).unwrap();
        let mut parts = text.split(START);
        let mut current = parts.next().unwrap().to_owned();
        for part in parts {
            let (section, rest) = part.split_once(" -->\n").unwrap();
            let (_, rest) = rest.split_once(END).unwrap_or_else(|| panic!("{page}: no {END}"));
            write!(current, "{START}{section} -->\n{}{END}{rest}", table(section)).unwrap();
        }
        if env::var_os("UPDATE").is_some() {
            fs::write(page, &current).unwrap();
        }
        assert!(fs::read_to_string(page).unwrap() == current, "UPDATE=1 makes {page} current");
    }
}

#[test]
fn every_key_is_in_a_table() {
    let pages = PAGES.map(|page| fs::read_to_string(page).unwrap()).concat();
    let parts = pages.split(START).skip(1).filter_map(|part| part.split_once(" -->"));
    let shown: BTreeSet<_> = parts.map(|(section, _)| section).flat_map(keys_of).collect();
    let all: BTreeSet<_> = declared_keys().iter().map(|key| key.key.name).collect();
    let missing: Vec<_> = all.difference(&shown).collect();
    assert!(missing.is_empty(), "in no table of {PAGES:?}: {missing:?}");
}

/// Returns the keys of the table of a section.
fn rows(section: &str) -> Vec<DeclaredKey> {
    let path = |key: &DeclaredKey| key.section.join(".");
    let named = |key: &DeclaredKey, names: &[&str]| names.contains(&key.key.name);
    let all = declared_keys();
    let client = all.iter().filter(|key| path(key) == HTTP_CLIENT).map(|key| key.key.name);
    let client: Vec<_> = client.collect();
    let rows = all.into_iter().filter(|key| match section {
        "module" => key.section.is_empty(),
        IP => path(key) == "tcp" && named(key, &IP_KEYS),
        "http" => path(key) == "http" && !named(key, &IP_KEYS) && !named(key, &client),
        section => path(key) == section && !named(key, &IP_KEYS),
    });
    rows.collect()
}

fn keys_of(section: &str) -> Vec<&'static str> {
    rows(section).iter().map(|key| key.key.name).collect()
}

fn table(section: &str) -> String {
    let rows = rows(section);
    assert!(!rows.is_empty(), "no such section: {section}");
    let mut table = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    for DeclaredKey { key, default, .. } in rows {
        let kind = kind(key.name, &key.type_name.replace(' ', ""));
        let default = default.map_or("–".to_owned(), |text| format!("`{text}`"));
        let lines: Vec<_> = key.documentation.iter().map(|line| line.trim()).collect();
        let new = if key.is_extension { "*new*: " } else { "" };
        writeln!(table, "| `{}` | {kind} | {default} | {new}{} |", key.name, lines.join(" "))
            .unwrap();
    }
    table
}

/// Returns the name of a type, as docs/configuration.md explains it.
fn kind(name: &str, type_name: &str) -> &'static str {
    match type_name {
        "String" if name.ends_with("_file") => "file",
        "String"
        | "Named<String>"
        | "Option<Arc<str>>"
        | "Bytes"
        | "CompressionName"
        | "Method"
        | "NoProxy"
        | "PreferredIpProtocol"
        | "QueryName"
        | "RecordClass"
        | "RecordType"
        | "Transport"
        | "Option<TlsVersion>"
        | "Preset"
        | "Mode"
        | "Action"
        | "Option<Action>" => "text",
        "bool" | "Option<bool>" | "Named<bool>" => "boolean",
        "Option<u8>" | "Option<usize>" | "InFlight" => "number",
        "GoDuration" => "duration",
        "ByteSize" | "BodyMemory" => "size",
        "Secret" => "secret",
        "Option<IpAddr>" => "IP address",
        "Option<ProxyUrl>" | "TokenUrl" => "URL",
        "Option<Regexp>" => "pattern",
        "Option<Named<CelProgram>>" => "CEL expression",
        "Named<Vec<i64>>" => "list of numbers",
        "Vec<String>" | "Named<Vec<String>>" | "Named<Vec<Rcode>>" | "Vec<AddressEntry>"
        | "Vec<HostEntry>" | "Vec<PathEntry>" | "Vec<Nat64Prefix>" | "Vec<Scheme>" => {
            "list of text"
        }
        "Vec<PortEntry>" | "Option<Vec<PortEntry>>" => "list of ports",
        "Vec<Override>" => "list of sections",
        "Vec<Secret>" => "list of secrets",
        "Vec<PathBuf>" => "list of files",
        "Vec<Named<Regexp>>" => "list of patterns",
        "Vec<HeaderMatcher>" => "list of header rules",
        "Vec<Label>" => "list of labels",
        "QueryResponse" => "list of steps",
        "RequestHeaders" | "BTreeMap<String,String>" => "map of text",
        "Metadata" => "map of lists of text",
        "BTreeMap<String,Vec<Secret>>" => "map of lists of secrets",
        "BTreeMap<String,serde_json::Value>" => "map",
        "AddedHeaders" => "map of sections",
        "TlsClient" | "TlsSettings" | "HttpClientSettings" | "ModuleLimits" | "PolicyRules"
        | "RecordRules" => "section",
        section if section.starts_with("Option<") => "section",
        unknown => panic!("{name}: {unknown} has no words in tests/it/keys.rs"),
    }
}
