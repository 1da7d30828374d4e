//! Credentials of a request: `basic_auth`, `authorization` and the deprecated bearer keys.

use crate::settings::{
    http_client::source::{Source, SourceKeys},
    rule::RuleError,
    secret::Secret,
    section::section,
};

/// Value of the header `Authorization` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// A user name and a password. A missing one is sent as an empty string.
    Basic {
        /// The user name.
        username: Option<Source>,
        /// The password.
        password: Option<Source>,
    },
    /// Any other scheme.
    Scheme {
        /// The scheme, such as `Bearer`.
        scheme: String,
        /// The text after the scheme. Missing credentials are sent as an empty string.
        credentials: Option<Source>,
    },
}

/// Default scheme.
const BEARER: &str = "Bearer";

section! {
    /// User name and password of basic authentication. Of a key and those with `_file` and `_ref`
    /// after the same name, at most one may be set.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BasicAuth {
        /// User name.
        username: String,
        /// File with the user name.
        username_file: String,
        /// Name in a secret manager; not supported.
        username_ref: String,
        /// Password.
        password: Secret,
        /// File with the password.
        password_file: String,
        /// Name in a secret manager; not supported.
        password_ref: String,
    }
}

section! {
    /// A header `Authorization` with another scheme than `Basic`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AuthorizationHeader {
        /// Scheme; the default is `Bearer`, and `Basic` is rejected.
        #[key(name = "type")]
        scheme: String,
        /// Credentials after the scheme.
        credentials: Secret,
        /// File with the credentials.
        credentials_file: String,
        /// Name in a secret manager; not supported.
        credentials_ref: String,
    }
}

impl BasicAuth {
    fn username(&self) -> SourceKeys<'static> {
        SourceKeys {
            section: "basic_auth",
            key: "username",
            inline: Secret::new(self.username.clone()),
            file: self.username_file.clone(),
            reference: self.username_ref.clone(),
        }
    }

    fn password(&self) -> SourceKeys<'static> {
        SourceKeys {
            section: "basic_auth",
            key: "password",
            inline: self.password.clone(),
            file: self.password_file.clone(),
            reference: self.password_ref.clone(),
        }
    }

    /// Rejects a user name or a password that is set twice.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        self.username().check_single(
            "at most one of basic_auth username, username_file & username_ref must be configured",
        )?;
        self.password().check_single(
            "at most one of basic_auth password, password_file & password_ref must be configured",
        )
    }

    /// Returns the credentials.
    pub(super) fn credentials(&self) -> Result<Authorization, RuleError> {
        Ok(Authorization::Basic {
            username: self.username().source()?,
            password: self.password().source()?,
        })
    }
}

impl AuthorizationHeader {
    /// Creates the section that is equivalent to `bearer_token` and `bearer_token_file`.
    pub(super) fn bearer(credentials: Secret, credentials_file: String) -> Self {
        Self { credentials, credentials_file, ..Self::default() }
    }

    fn source_keys(&self) -> SourceKeys<'static> {
        SourceKeys {
            section: "authorization",
            key: "credentials",
            inline: self.credentials.clone(),
            file: self.credentials_file.clone(),
            reference: self.credentials_ref.clone(),
        }
    }

    /// Rejects credentials that are set twice, and the scheme `Basic`, which has its own section.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        self.source_keys().check_single(
            "at most one of authorization credentials & credentials_file must be configured",
        )?;
        if self.scheme.trim().eq_ignore_ascii_case("basic") {
            let message =
                "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
            return Err(RuleError::at(["authorization", "type"], message));
        }
        Ok(())
    }

    /// Returns the credentials, and sets the default scheme.
    pub(super) fn credentials(&mut self) -> Result<Authorization, RuleError> {
        let scheme = match self.scheme.trim() {
            "" => BEARER,
            scheme => scheme,
        };
        self.scheme = scheme.to_owned();
        Ok(Authorization::Scheme {
            scheme: self.scheme.clone(),
            credentials: self.source_keys().source()?,
        })
    }
}
