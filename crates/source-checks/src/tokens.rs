//! Rules about tokens.

use proc_macro2::{TokenStream, TokenTree};

/// Checks for unsafe code, or the permission to write it, anywhere in a file: `unsafe` as a keyword,
/// `allow(unsafe_code)` and `expect(unsafe_code)`. Comments and string literals do not count.
///
/// # Panics
///
/// If the text is not valid Rust.
#[must_use]
pub fn mentions_unsafe(text: &str) -> bool {
    let tokens = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    is_unsafe(tokens, "")
}

/// `before` is the name in front of the group that contains `tokens`, as in `forbid(…)`.
fn is_unsafe(tokens: TokenStream, before: &str) -> bool {
    let mut last = String::new();
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => {
            last = ident.to_string();
            last == "unsafe" || last == "unsafe_code" && !["deny", "forbid"].contains(&before)
        }
        TokenTree::Group(group) => is_unsafe(group.stream(), &std::mem::take(&mut last)),
        _ => false,
    })
}
