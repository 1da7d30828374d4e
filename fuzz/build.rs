//! Builds the bridge to RE2, where its library is installed.

fn main() {
    println!("cargo::rerun-if-changed=re2.cc");
    let Ok(library) = pkg_config::probe_library("re2") else {
        println!("cargo::warning=libre2-dev is not installed: patterns are not compared with RE2");
        return;
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .includes(library.include_paths)
        .file("re2.cc")
        .compile("re2_bridge");
    println!("cargo::rustc-cfg=re2");
    // After the bridge, which needs it.
    println!("cargo::rustc-link-lib=re2");
}
