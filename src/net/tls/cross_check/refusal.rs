//! The refusals of a chain, and their messages.

use std::sync::Arc;

use boring::{error::ErrorStack, x509::X509VerifyError};

use crate::net::tls::certificate::Certificate;

/// The reason for which a chain is not accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// BoringSSL's error.
    Error(X509VerifyError),
    /// BoringSSL followed another path than the proposed one.
    OtherPath,
    /// BoringSSL cannot parse a certificate of the chain.
    Unreadable,
    /// The name constraints of the certificate at this index do not allow the names of the leaf.
    Names(usize),
    /// A call into BoringSSL failed.
    Call(ErrorStack),
}

impl From<X509VerifyError> for Refusal {
    fn from(error: X509VerifyError) -> Self {
        Self::Error(error)
    }
}

impl From<ErrorStack> for Refusal {
    fn from(error: ErrorStack) -> Self {
        Self::Call(error)
    }
}

impl Refusal {
    /// Describes the refusal of `chain`.
    pub(super) fn describe(&self, chain: &[Arc<Certificate>]) -> String {
        let leaf = chain.first().map(|leaf| leaf.description()).unwrap_or_default();
        let constraint =
            |problem: &str| format!("{leaf} violates a constraint of its issuers: {problem}");
        let refusal = |problem: &str| format!("BoringSSL rejects the chain of {leaf}: {problem}");
        match self {
            Self::Error(X509VerifyError::PERMITTED_VIOLATION) => {
                constraint("name constraints do not permit its names")
            }
            Self::Error(X509VerifyError::EXCLUDED_VIOLATION) => {
                constraint("name constraints exclude one of its names")
            }
            Self::Error(
                error @ (X509VerifyError::NO_EXPLICIT_POLICY
                | X509VerifyError::INVALID_POLICY_EXTENSION
                | X509VerifyError::NAME_CONSTRAINTS_WITHOUT_SANS
                | X509VerifyError::SUBTREE_MINMAX
                | X509VerifyError::UNSUPPORTED_CONSTRAINT_SYNTAX
                | X509VerifyError::UNSUPPORTED_NAME_SYNTAX),
            ) => constraint(error.error_string()),
            Self::Names(index) => {
                let authority = chain.get(*index).map(|it| it.description()).unwrap_or_default();
                constraint(&format!("{authority} does not permit its names"))
            }
            Self::Error(error) => refusal(error.error_string()),
            Self::OtherPath => refusal("it builds another chain"),
            Self::Unreadable => refusal("it cannot parse a certificate of the chain"),
            Self::Call(error) => refusal(&error.to_string()),
        }
    }
}
