//! Middleware of all requests: rate limit, users, headers.

use std::sync::Arc;

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use crate::server::{
    connections::ClientNetwork,
    response,
    web_config::{AccessControl, basic_auth::AuthResult},
};

/// Passes an admitted request on, or rejects it.
pub(in crate::server) async fn admit(
    access_control: Option<Arc<AccessControl>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(access_control) = access_control else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let rules = access_control.rules();
    if !rules.limit.admits() {
        return Ok(refuse(request, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"));
    }
    let login = if rules.users.is_empty() {
        AuthResult::Granted
    } else {
        let authorization = request.headers().get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let client = ClientNetwork::of(request.peer_addr());
        access_control.authenticator.check(&rules.users, client, authorization).await
    };
    let answered = match login {
        AuthResult::Granted => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        AuthResult::Busy => Ok(refuse(request, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")),
        AuthResult::Denied => {
            let mut response = refuse(request, StatusCode::UNAUTHORIZED, "Unauthorized");
            let basic = HeaderValue::from_static("Basic");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            Ok(response)
        }
    };
    match answered {
        Ok(mut response) => {
            add(response.headers_mut(), &rules.headers);
            Ok(response)
        }
        Err(error) => {
            let mut response = error.error_response();
            add(response.headers_mut(), &rules.headers);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

fn refuse(request: ServiceRequest, status: StatusCode, text: &str) -> ServiceResponse<BoxBody> {
    let mut response = response::error(status, text);
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    request.into_response(response)
}

/// Adds the configured headers. Like upstream, does not replace headers of the response.
fn add(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
}
