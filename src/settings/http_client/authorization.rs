//! The credentials of a request: `basic_auth`, `authorization` and the old bearer keys.

use serde::{Deserialize, Serialize};

use crate::settings::{
    http_client::source::{Source, Trio},
    rule::RuleError,
    secret::Secret,
};

/// What the `Authorization` header of a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// A user's name and password; either may be missing, which counts as empty.
    Basic {
        /// The name.
        username: Option<Source>,
        /// The password.
        password: Option<Source>,
    },
    /// Any other scheme.
    Scheme {
        /// The word before the credentials, such as `Bearer`.
        scheme: String,
        /// What follows it; missing credentials count as empty.
        credentials: Option<Source>,
    },
}

/// The scheme when none is given.
const BEARER: &str = "Bearer";

/// The section `basic_auth` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuthKeys {
    username: String,
    username_file: String,
    username_ref: String,
    password: Secret,
    password_file: String,
    password_ref: String,
}

/// The section `authorization` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorizationKeys {
    #[serde(rename = "type")]
    scheme: String,
    credentials: Secret,
    credentials_file: String,
    credentials_ref: String,
}

impl BasicAuthKeys {
    fn username(&self) -> Trio<'static> {
        Trio {
            section: "basic_auth",
            key: "username",
            inline: Secret::new(self.username.clone()),
            file: self.username_file.clone(),
            reference: self.username_ref.clone(),
        }
    }

    fn password(&self) -> Trio<'static> {
        Trio {
            section: "basic_auth",
            key: "password",
            inline: self.password.clone(),
            file: self.password_file.clone(),
            reference: self.password_ref.clone(),
        }
    }

    /// Refuses a name or a password that is given twice.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        self.username().check_single(
            "at most one of basic_auth username, username_file & username_ref must be configured",
        )?;
        self.password().check_single(
            "at most one of basic_auth password, password_file & password_ref must be configured",
        )
    }

    pub(super) fn into_settings(self) -> Result<Authorization, RuleError> {
        Ok(Authorization::Basic {
            username: self.username().source()?,
            password: self.password().source()?,
        })
    }
}

impl AuthorizationKeys {
    /// The keys `bearer_token` and `bearer_token_file`, as this section.
    pub(super) fn bearer(credentials: Secret, credentials_file: String) -> Self {
        Self { credentials, credentials_file, ..Self::default() }
    }

    fn credentials(&self) -> Trio<'static> {
        Trio {
            section: "authorization",
            key: "credentials",
            inline: self.credentials.clone(),
            file: self.credentials_file.clone(),
            reference: self.credentials_ref.clone(),
        }
    }

    /// Refuses credentials that are given twice, and the scheme that has a section of its own.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        self.credentials().check_single(
            "at most one of authorization credentials & credentials_file must be configured",
        )?;
        if self.scheme.trim().eq_ignore_ascii_case("basic") {
            let message =
                "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
            return Err(RuleError::at(["authorization", "type"], message));
        }
        Ok(())
    }

    pub(super) fn into_settings(self) -> Result<Authorization, RuleError> {
        let scheme = match self.scheme.trim() {
            "" => BEARER,
            scheme => scheme,
        };
        Ok(Authorization::Scheme {
            scheme: scheme.to_owned(),
            credentials: self.credentials().source()?,
        })
    }
}

/// The sections that mean the same credentials, to print them.
pub(super) fn keys_of(
    authorization: &Authorization,
) -> (Option<BasicAuthKeys>, Option<AuthorizationKeys>) {
    let secret = |source: &Option<Source>| {
        source.as_ref().and_then(Source::inline).cloned().unwrap_or_default()
    };
    let file = |source: &Option<Source>| source.as_ref().map(Source::file).unwrap_or_default();
    match authorization {
        Authorization::Basic { username, password } => {
            let keys = BasicAuthKeys {
                username: secret(username).expose().to_owned(),
                username_file: file(username),
                password: secret(password),
                password_file: file(password),
                ..BasicAuthKeys::default()
            };
            (Some(keys), None)
        }
        Authorization::Scheme { scheme, credentials } => {
            let keys = AuthorizationKeys {
                scheme: scheme.clone(),
                credentials: secret(credentials),
                credentials_file: file(credentials),
                ..AuthorizationKeys::default()
            };
            (None, Some(keys))
        }
    }
}
