//! Settings of BoringSSL that the crate [`boring`] does not wrap.
//!
//! It is a crate of its own so that its users can forbid unsafe code. It goes when boring has the
//! setting.

#![expect(unsafe_code, reason = "calls of BoringSSL that boring does not wrap")]

use boring::ssl::SslContextBuilder;

/// Sets the maximum size in bytes of the certificate chain of a peer (`SSL_CTX_set_max_cert_list`).
///
/// The default of BoringSSL is 100 KiB.
///
/// ```
/// use boring::ssl::{SslContext, SslMethod};
///
/// let mut builder = SslContext::builder(SslMethod::tls())?;
/// boring_ext::set_max_cert_list(&mut builder, 256 << 10);
/// # Ok::<(), boring::error::ErrorStack>(())
/// ```
pub fn set_max_cert_list(builder: &mut SslContextBuilder, max_bytes: usize) {
    // SAFETY: the pointer is that of the context that `builder` owns exclusively.
    unsafe { boring_sys::SSL_CTX_set_max_cert_list(builder.as_ptr(), max_bytes) };
}

#[cfg(test)]
mod tests {
    use boring::ssl::{SslContext, SslMethod};

    use super::*;

    #[test]
    fn the_context_has_the_limit() {
        let mut builder = SslContext::builder(SslMethod::tls()).expect("BoringSSL");
        set_max_cert_list(&mut builder, 12_345);
        // SAFETY: the pointer is that of the context that `builder` owns.
        let limit = unsafe { boring_sys::SSL_CTX_get_max_cert_list(builder.as_ptr()) };
        assert_eq!(limit, 12_345);
    }
}
