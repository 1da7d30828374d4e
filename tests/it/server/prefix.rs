//! Routes below a prefix.

use probe_exporter::server::{ExternalUrl, RoutePrefix};

use super::MODULES;
use crate::harness::Exporter;

#[test]
fn routes_are_below_the_prefix() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.route_prefix = RoutePrefix::parse("/a/b").unwrap();
        options.external_url = Some(ExternalUrl::parse("https://example.com/a/b/").unwrap());
    });
    for (path, status) in [
        ("/a/b/", 200),
        ("/a/b/metrics", 200),
        ("/a/b/-/healthy", 200),
        ("/a/b/nonexistent", 404),
        ("/metrics", 404),
        ("/a/", 404),
    ] {
        assert_eq!(exporter.get(path).status, status, "{path}");
    }
    let root = exporter.get("/");
    assert_eq!((root.status, root.header("location")), (302, Some("https://example.com/a/b")));
    let bare = exporter.get("/a/b?x=1");
    assert_eq!((bare.status, bare.header("location")), (301, Some("/a/b/?x=1")));
}

#[test]
fn without_an_external_url_the_root_redirects_to_the_prefix() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.route_prefix = RoutePrefix::parse("a").unwrap();
    });
    let root = exporter.get("/");
    assert_eq!((root.status, root.header("location")), (302, Some("/a/")));
}
