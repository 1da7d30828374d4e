//! Requests for tokens.

use std::collections::BTreeMap;

use http::HeaderValue;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::assertion;
use crate::{
    diagnostics::Failure,
    net::http::credentials::basic,
    settings::{
        http_client::{JWT_BEARER, OAuth2Settings},
        secret::Secret,
    },
};

/// The way in which a server accepts the client identifier and secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthStyle {
    /// Basic authentication.
    Header,
    /// Parameters of the request body.
    Params,
}

/// The body and the `Authorization` of a request.
pub(super) struct Form {
    pub(super) body: String,
    pub(super) authorization: Option<HeaderValue>,
}

/// Builds the request for a token.
pub(super) fn form(
    settings: &OAuth2Settings,
    secret: &Secret,
    style: AuthStyle,
) -> Result<Form, Failure> {
    let mut params = BTreeMap::new();
    let mut authorization = None;
    if !settings.scopes.is_empty() {
        params.insert("scope", settings.scopes.join(" "));
    }
    if settings.is_jwt_bearer() {
        params.insert("grant_type", JWT_BEARER.to_owned());
        params.insert("assertion", assertion::sign(settings, secret)?);
    } else {
        params.insert("grant_type", "client_credentials".to_owned());
        match style {
            AuthStyle::Header => {
                authorization = Some(basic(
                    &form_encoded(&settings.client_id),
                    &form_encoded(secret.expose()),
                )?);
            }
            AuthStyle::Params => {
                params.insert("client_id", settings.client_id.clone());
                if !secret.is_empty() {
                    params.insert("client_secret", secret.expose().to_owned());
                }
            }
        }
    }
    for (name, value) in &settings.endpoint_params {
        // As in upstream, the client credentials take precedence over these parameters.
        if !matches!(name.as_str(), "client_id" | "client_secret") || style == AuthStyle::Header {
            params.insert(name, value.clone());
        }
    }
    let body = Serializer::new(String::new()).extend_pairs(params).finish();
    Ok(Form { body, authorization })
}

/// Encodes an identifier or a secret as form data, as RFC 6749, section 2.3.1 requires.
fn form_encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn request_is_identical_to_gos() {
        let settings = serde_json::from_value(json!({
            "client_id": "i d",
            "token_url": "https://tokens.example",
            "scopes": ["a", "b"],
            "endpoint_params": {"zed": "1 2", "aud": "x"},
        }));
        let (settings, secret) = (settings.unwrap(), Secret::new("s/1"));
        let header = form(&settings, &secret, AuthStyle::Header).unwrap();
        assert_eq!(header.body, "aud=x&grant_type=client_credentials&scope=a+b&zed=1+2");
        assert_eq!(header.authorization.unwrap(), "Basic aStkOnMlMkYx");
        let params = form(&settings, &secret, AuthStyle::Params).unwrap();
        assert_eq!(
            params.body,
            "aud=x&client_id=i+d&client_secret=s%2F1&grant_type=client_credentials&scope=a+b&zed=1+2"
        );
        assert_eq!(params.authorization, None);
    }

    #[test]
    fn endpoint_params_can_replace_the_grant_type() {
        let settings = serde_json::from_value(json!({
            "client_id": "me",
            "token_url": "https://tokens.example",
            "endpoint_params": {"grant_type": "odd"},
        }));
        let form = form(&settings.unwrap(), &Secret::default(), AuthStyle::Params).unwrap();
        assert_eq!(form.body, "client_id=me&grant_type=odd");
    }
}
