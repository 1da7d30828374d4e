//! Credentials and headers of requests. Files with secrets are read at each probe.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderName, HeaderValue};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::Context,
    settings::{
        http_client::{Authorization, HttpClientSettings, Source},
        secret::Secret,
    },
};

/// Headers whose values are credentials, or come from files.
#[derive(Default)]
pub(crate) struct Credentials {
    /// The value of `Authorization`, if the module sets it.
    pub(crate) authorization: Option<HeaderValue>,
    /// The headers of `http_headers`.
    pub(crate) added: Vec<(HeaderName, HeaderValue)>,
}

impl Credentials {
    /// Reads them all.
    pub(crate) async fn read(
        client: &HttpClientSettings,
        context: &Context,
    ) -> Result<Self, Failure> {
        let authorization = match &client.credentials {
            Some(authorization) => Some(authorization_value(authorization, context).await?),
            None => None,
        };
        let mut added = Vec::new();
        for (name, values) in client.http_headers.iter() {
            let header = header_name(name)?;
            let mut add = |value: &str| {
                added.push((header.clone(), header_value(name, value)?));
                Ok::<(), Failure>(())
            };
            for value in &values.values {
                add(value)?;
            }
            for secret in &values.secrets {
                add(secret.expose())?;
            }
            for path in &values.files {
                let key = format!("the file {} of the header {name}", path.display());
                let secret = read(&Source::File(path.clone()), &key, context).await?;
                context.hide_with_words(secret.expose().as_bytes());
                add(secret.expose())?;
            }
        }
        Ok(Self { authorization, added })
    }
}

async fn authorization_value(
    authorization: &Authorization,
    context: &Context,
) -> Result<HeaderValue, Failure> {
    let read = async |key: &str, source: &Option<Source>| match source {
        Some(source) => read(source, &format!("{}, {key}", source.file()), context).await,
        None => Ok(Secret::default()),
    };
    match authorization {
        Authorization::Basic { username, password } => {
            let name = read("the file of the basic_auth user name", username).await?;
            let password = read("the file of the basic_auth password", password).await?;
            context.hide_with_words(password.expose().as_bytes());
            basic(name.expose(), password.expose())
        }
        Authorization::Scheme { scheme, credentials } => {
            let credentials =
                read("the file of the authorization credentials", credentials).await?;
            context.hide_with_words(credentials.expose().as_bytes());
            secret_value(&format!("{scheme} {}", credentials.expose()))
        }
    }
}

/// Reads a value; `what` describes its file.
pub(crate) async fn read(
    source: &Source,
    what: &str,
    context: &Context,
) -> Result<Secret, Failure> {
    let _waiting = context.waiting_for(|| format!("reading the file {}", source.file()));
    source.read().await.map_err(|error| unusable(what, &error))
}

/// The value of `Authorization` for a user's name and password.
pub(crate) fn basic(name: &str, password: &str) -> Result<HeaderValue, Failure> {
    secret_value(&format!("Basic {}", BASE64.encode(format!("{name}:{password}"))))
}

/// A header's value that is marked as secret.
pub(crate) fn secret_value(value: &str) -> Result<HeaderValue, Failure> {
    let mut value = header_value("Authorization", value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's value, without the white space around it.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes()).map_err(|_| {
        impossible(format!("the value of the header {name} contains a control character"))
    })
}

/// A header's name.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| impossible(format!("'{name}' is not a valid header name")))
}

/// The failure of a file that cannot be read.
pub(crate) fn unusable(what: &str, error: &io::Error) -> Failure {
    Failure::file(Stage::Request, &format!("cannot read {what}"), error)
}

/// The failure of a request that cannot be made.
pub(crate) fn impossible(message: String) -> Failure {
    Failure::of_request(Reason::InvalidRequest, message)
}
