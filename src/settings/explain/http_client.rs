//! Descriptions of the settings of an HTTP client.

use crate::settings::{
    explain::{Explanation, Topic},
    http_client::{
        Authorization, HeaderValues, HttpClientSettings, OAuth2Settings, ProxySettings, Source,
    },
    secret::HIDDEN,
};

/// Maximum number of redirects.
#[derive(Debug, Clone, Copy)]
pub struct Redirects(pub u32);

impl HttpClientSettings {
    /// Describes the credentials of a request.
    pub fn explain_authorization(&self, words: &mut Explanation) {
        if let Some(authorization) = &self.credentials {
            words.say(Topic::Sends, authorization.explain());
        }
    }

    /// Describes the credentials and headers that are added to a request.
    pub fn explain_additions(&self, words: &mut Explanation) {
        let topic = Topic::Sends;
        self.explain_authorization(words);
        if let Some(oauth2) = &self.oauth2 {
            words.say(topic, oauth2.explain());
        }
        for (name, values) in self.http_headers.iter() {
            words.say(topic, format!("The header {}.", values.explain(name)));
        }
    }

    /// Describes how redirects are handled.
    pub fn explain_redirects(&self, Redirects(limit): Redirects, words: &mut Explanation) {
        if self.follow_redirects {
            let text = format!(
                "Up to {limit} redirects are followed, each over a new connection; credentials \
                 are not sent to other hosts."
            );
            words.say_default(Topic::Sends, text);
        } else {
            words.say(Topic::Sends, "Redirects are not followed: the first response is checked.");
        }
    }
}

impl ProxySettings {
    /// Describes the proxy.
    pub fn explain(&self, words: &mut Explanation) {
        let topic = Topic::Proxy;
        if let Some(url) = &self.proxy_url {
            words.say(topic, format!("Requests use the proxy {url}."));
        } else if self.proxy_from_environment {
            let text = "The proxy in the environment of the exporter (http_proxy, https_proxy, \
                        no_proxy), if there is one.";
            words.say(topic, text);
        } else {
            return words.say_default(topic, "No proxy (environment variables are ignored).");
        }
        if !self.no_proxy.is_empty() {
            words.say(topic, format!("Exceptions: {}.", self.no_proxy.as_str()));
        }
        let headers: Vec<_> = self.proxy_connect_header.keys().cloned().collect();
        if !headers.is_empty() {
            words.say(
                topic,
                format!("CONNECT requests include the headers {}.", headers.join(", ")),
            );
        }
    }
}

impl Authorization {
    fn explain(&self) -> String {
        match self {
            Self::Basic { username, password } => {
                let user = match username {
                    Some(Source::Inline(name)) => format!("as {}", name.expose()),
                    Some(Source::File(path)) => format!("as the user named in {}", path.display()),
                    None => "without a user name".to_owned(),
                };
                format!(
                    "Basic authentication {user}, with {}.",
                    describe_source("password", password.as_ref())
                )
            }
            Self::Scheme { scheme, credentials } => {
                format!(
                    "Authorization: {scheme}, with {}.",
                    describe_source("credentials", credentials.as_ref())
                )
            }
        }
    }
}

/// Describes the source of a secret.
fn describe_source(what: &str, source: Option<&Source>) -> String {
    match source {
        Some(Source::Inline(_)) => format!("the {what} in the module"),
        Some(Source::File(path)) => format!("the {what} in {}, read at each probe", path.display()),
        None => format!("no {what}"),
    }
}

impl OAuth2Settings {
    fn explain(&self) -> String {
        let grant = if self.is_jwt_bearer() {
            format!("an assertion signed with {}", self.signature_algorithm().name())
        } else {
            "client credentials".to_owned()
        };
        let scopes = match self.scopes.as_slice() {
            [] => String::new(),
            scopes => format!(" for {}", scopes.join(" ")),
        };
        format!(
            "A token{scopes} from {} (OAuth2, {grant}, client {}), which is cached until it \
             expires.",
            self.token_url, self.client_id
        )
    }
}

impl HeaderValues {
    /// Describes the header `name` and its values; secret values are redacted.
    #[must_use]
    pub fn explain(&self, name: &str) -> String {
        let open = self.values.iter().map(|value| super::header(name, value));
        let secret = self.secrets.iter().map(|_| format!("{name}: {HIDDEN}"));
        let files =
            self.files.iter().map(|file| format!("{name} with the content of {}", file.display()));
        let all: Vec<_> = open.chain(secret).chain(files).collect();
        if all.is_empty() { name.to_owned() } else { all.join(", ") }
    }
}
