//! The scheme of a target, before the target is read as a URL.

/// Checks that a target has no other scheme than `http` and `https`, if it has one.
///
/// Without this check the scheme would be taken for a host, and looked up.
///
/// # Errors
/// Describes an error of the scheme, with a correction.
pub(crate) fn check_scheme(target: &str) -> Result<(), String> {
    let is_known =
        |scheme: &str| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if let Some((scheme, _)) = target.split_once("://")
        && is_scheme(scheme)
    {
        return if is_known(scheme) {
            Ok(())
        } else {
            Err(format!("its scheme is \"{scheme}\"; write http:// or https://"))
        };
    }
    for slip in [":/", "//"] {
        if let Some((scheme, _)) = target.split_once(slip)
            && is_known(scheme)
        {
            return Err(format!("it begins with \"{scheme}{slip}\"; write {scheme}://"));
        }
    }
    Ok(())
}

/// Returns whether a text has the form of a scheme (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schemes_are_told_from_hosts() {
        for target in [
            "h",
            "h:8080/x",
            "http://h/",
            "HTTPS://h/",
            "h/?u=ftp://x",
            "h/ftp://x",
            "http:8080/",
            "http.example//x",
            "://h",
            "1a://h",
            "",
        ] {
            assert_eq!(check_scheme(target), Ok(()), "{target}");
        }
        for (target, complaint) in [
            ("ftp://h/", "its scheme is \"ftp\"; write http:// or https://"),
            ("htp://h/", "its scheme is \"htp\"; write http:// or https://"),
            ("grpc://h:50051", "its scheme is \"grpc\"; write http:// or https://"),
            ("dns:///h:50051", "its scheme is \"dns\"; write http:// or https://"),
            ("http:/h/", "it begins with \"http:/\"; write http://"),
            ("HTTPS//h/", "it begins with \"HTTPS//\"; write HTTPS://"),
        ] {
            assert_eq!(check_scheme(target), Err(complaint.to_owned()), "{target}");
        }
    }
}
