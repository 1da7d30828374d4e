//! What each request meets first: rate limit, headers, users.

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
    response,
    web_config::{AccessControl, basic_auth::AuthResult},
};

/// Lets a request through, or answers it.
pub(in crate::server) async fn admit(
    guard: Option<Arc<AccessControl>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(guard) = guard else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let rules = guard.rules();
    if !rules.limit.admits() {
        return Ok(refuse(request, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"));
    }
    let login = if rules.users.is_empty() {
        AuthResult::Granted
    } else {
        let authorization = request.headers().get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        guard.authenticator.check(&rules.users, authorization).await
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

/// Where a page sets a header too, the page's counts, as in upstream.
fn add(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
}
