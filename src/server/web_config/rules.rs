//! The content of a web config file, ready for use.

use std::{path::Path, sync::Arc};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    config::web::WebConfig,
    server::web_config::{
        basic_auth::Users,
        rate_limit::RateLimiter,
        tls::{self, ServerTls},
    },
    settings::rule::{RuleError, Warning},
};

/// The settings of a web config file and of the files that it names.
#[derive(Debug)]
pub(super) struct AccessRules {
    pub(super) tls: Option<ServerTls>,
    pub(super) headers: HeaderMap,
    pub(super) users: Users,
    pub(super) limit: Arc<RateLimiter>,
    /// False for a file that is empty or contains only comments.
    pub(super) has_content: bool,
    warnings: Vec<Warning>,
}

impl AccessRules {
    /// Reads the named files and passes their content to `note`. Blocks.
    pub(super) fn load(config: WebConfig, note: impl FnMut(&[u8])) -> Result<Self, RuleError> {
        let tls = config.tls.as_ref().map(|settings| tls::server_tls(settings, note));
        let tls = tls.transpose().map_err(|error| error.inside("tls_server_config"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                headers.insert(name, value);
            }
        }
        Ok(Self {
            tls,
            headers,
            users: Users::new(config.users),
            limit: Arc::new(RateLimiter::new(config.rate_limit)),
            has_content: config.has_content,
            warnings: config.warnings,
        })
    }

    /// Logs the warnings about the file.
    pub(super) fn log_warnings(&self, file: &Path) {
        for warning in &self.warnings {
            log::warn!(file:% = file.display(); "{warning}");
        }
    }
}
