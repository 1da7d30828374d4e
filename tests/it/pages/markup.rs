//! A strict parser of our own pages.

/// An opening tag.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

/// Elements without an end.
const VOID: &[&str] = &["input", "link", "meta"];

impl Element {
    /// Returns the unescaped value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Returns all elements of a page; panics at an unbalanced one.
#[track_caller]
pub(super) fn elements(page: &str) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("no end of <{piece}"));
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "in {page}");
            continue;
        }
        let element = element(tag);
        if !VOID.contains(&element.name.as_str()) {
            open.push(element.name.clone());
        }
        elements.push(element);
    }
    assert!(open.is_empty(), "still open: {open:?}");
    elements
}

fn element(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let is_name = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_lowercase() || "-0123456789".contains(c))
    };
    assert!(is_name(name), "<{tag}>");
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (attribute, after) = rest.split_at(end);
        // Names in SVG contain capitals.
        assert!(is_name(&attribute.to_lowercase()), "{attribute} in <{tag}>");
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').unwrap_or_else(|| panic!("<{tag}>")),
            None => ("", after),
        };
        let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        attributes.push((attribute.to_owned(), value.replace("&amp;", "&")));
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Element { name: name.to_owned(), attributes }
}

/// Asserts that the page has no scripts, inline styles or external resources.
#[track_caller]
pub(super) fn assert_inert(page: &str) {
    for element in elements(page) {
        let name = element.name.as_str();
        assert!(!["script", "iframe", "object", "embed", "base"].contains(&name), "{name}");
        if name == "link" {
            let icon = element.attribute("href").unwrap();
            assert_eq!(element.attribute("rel"), Some("icon"));
            assert!(icon.starts_with("data:image/svg+xml,<svg "), "{icon}");
            continue;
        }
        for (attribute, value) in &element.attributes {
            assert!(!attribute.starts_with("on"), "{element:?}");
            assert!(!["style", "src", "srcset"].contains(&attribute.as_str()), "{element:?}");
            let leads = ["href", "action", "formaction"].contains(&attribute.as_str());
            assert!(!leads || !value.contains("//") && !value.starts_with('/'), "{element:?}");
            let scheme = value.split_once(':').map(|(scheme, _)| scheme);
            let has_scheme = scheme.is_some_and(|it| it.chars().all(|c| c.is_ascii_alphabetic()));
            assert!(!leads || !has_scheme, "{element:?}");
        }
    }
}
