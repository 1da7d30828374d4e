//! The declarations of all configuration keys, for the reference of them.

use strict_yaml::Value;

use crate::{
    config::{
        module::ModuleKeys,
        probers::{AnyProber, with_prober},
    },
    policy::PolicySettings,
    settings::{
        limits::Limits,
        section::{Key, keys_of},
    },
};

/// A key of a module, or of a section in it, or of a section of the file beside the modules.
#[derive(Debug, Clone)]
pub struct DeclaredKey {
    /// The keys that lead to the section from the module or, for `limits` and `policy`, from the file; empty for
    /// the module itself.
    pub section: Vec<&'static str>,
    /// The declaration.
    pub key: Key,
    /// The default value as it is written in a file; none if the key is empty by default.
    pub default: Option<String>,
}

/// All keys of a module and of the sections in it, in the order of their declaration, then those of
/// the file's other sections.
#[must_use]
pub fn declared_keys() -> Vec<DeclaredKey> {
    let sections = AnyProber::all().into_iter().map(|prober| {
        let settings = with_prober!(&prober, settings => Value::of(settings));
        (prober.name().to_owned(), settings)
    });
    let mut defaults = Value::of(&ModuleKeys::default());
    if let Value::Section(keys) = &mut defaults {
        keys.retain(|(_, value)| *value != Value::Null);
        keys.extend(sections);
    }
    let mut found = Vec::new();
    collect(&[], keys_of::<ModuleKeys>(), &defaults, &mut found);
    collect(&["limits"], keys_of::<Limits>(), &Value::of(&Limits::default()), &mut found);
    let policy = Value::of(&PolicySettings::default());
    collect(&["policy"], keys_of::<PolicySettings>(), &policy, &mut found);
    found
}

/// Adds the keys of the section at `path`, whose values are `defaults`, and those of the sections in
/// it.
fn collect(path: &[&'static str], keys: Vec<Key>, defaults: &Value, found: &mut Vec<DeclaredKey>) {
    let default_of = |name: &str| match defaults {
        Value::Section(values) => values.iter().find(|(key, _)| key == name).map(|(_, it)| it),
        _ => None,
    };
    let (section, mut inner) = (path.to_vec(), Vec::new());
    for key in keys {
        let default = default_of(key.name);
        let text = default.and_then(text_of);
        found.push(DeclaredKey { section: section.clone(), key, default: text });
        inner.extend(key.section.map(|keys| (key.name, keys(), default.unwrap_or(&Value::Null))));
    }
    for (name, keys, defaults) in inner {
        collect(&[path, &[name]].concat(), keys, defaults, found);
    }
}

/// A value as it is written in a file, unless it is empty or a section.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Plain(text) => Some(text.clone()),
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::List(items) if !items.is_empty() => {
            let items: Vec<_> = items.iter().filter_map(text_of).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_documentation_and_defaults() {
        let keys = declared_keys();
        let find = |path: &str| {
            let matches = |key: &&DeclaredKey| {
                key.section.iter().chain([&key.key.name]).copied().collect::<Vec<_>>().join(".")
                    == path
            };
            keys.iter().find(matches).unwrap_or_else(|| panic!("{path}"))
        };
        for (path, default, is_extension) in [
            ("prober", None, false),
            ("extra_metrics", Some("true"), true),
            ("http.method", Some("GET"), false),
            ("http.ip_protocol_fallback", Some("true"), false),
            ("http.follow_redirects", Some("true"), false),
            ("http.oauth2.proxy_url", None, false),
            ("http.authorization.type", None, false),
            ("icmp.ttl", Some("64"), false),
            ("dns.valid_rcodes", Some("[NOERROR]"), false),
            ("dns.tls_config.insecure_skip_verify", Some("false"), false),
            ("tcp.query_response.labels.name", None, false),
            ("tcp.query_response.secret", None, true),
            ("websocket.http_config.enable_http2", Some("true"), false),
            ("limits.body_memory", Some("auto"), true),
        ] {
            let key = find(path);
            assert_eq!(key.default.as_deref(), default, "{path}");
            assert_eq!(key.key.is_extension, is_extension, "{path}");
        }
        for DeclaredKey { section, key, .. } in &keys {
            assert!(!key.documentation.is_empty(), "{section:?} {}", key.name);
        }
    }
}
