//! The files of `examples` for Kubernetes and for load balancers agree with the exporter and with each other.

use std::{collections::BTreeMap, env, fs, process::Command};

use probe_exporter::config::Config;
use serde_json::Value;
use test_fixtures::{Missing, skip};

use crate::{
    harness::request,
    running::Running,
    shipped::{exported, files, metrics_in},
};

/// The objects of `examples/kubernetes` by kind; there is one of each.
fn objects() -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for file in files("examples/kubernetes", "yml") {
        for object in documents(&fs::read_to_string(&file).unwrap()) {
            let name = file.display();
            let Some(kind) = object["kind"].as_str() else { continue };
            assert!(object["apiVersion"].is_string(), "{name}: {kind} has no apiVersion");
            assert_eq!(object["metadata"]["name"], "probe-exporter", "{name}: {kind}");
            assert!(objects.insert(kind.to_owned(), object.clone()).is_none(), "{name}: {kind}");
        }
    }
    objects
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

#[test]
fn the_exporter_starts_as_in_kubernetes_and_serves_the_paths() {
    let objects = objects();
    let pod = &objects["Deployment"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let yaml = objects["ConfigMap"]["data"]["config.yml"].as_str().unwrap();
    let config = Config::parse(yaml, "config.yml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings(), []);
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let file = format!("--config.file={mount}/config.yml");
    assert!(texts(&container["args"]).any(|argument| argument == file), "no {file}");
    let others: Vec<_> = texts(&container["args"]).filter(|argument| *argument != file).collect();
    let exporter = Running::start(yaml, &others);
    let paths = [
        &container["readinessProbe"]["httpGet"],
        &container["livenessProbe"]["httpGet"],
        &objects["PodMonitor"]["spec"]["podMetricsEndpoints"][0],
    ];
    for (path, expected) in paths.into_iter().zip(["/-/ready", "/-/healthy", "/metrics"]) {
        assert_eq!(path["path"], expected);
        assert_eq!(path["port"], container["ports"][0]["name"]);
        assert_eq!(request(exporter.address, "GET", expected, &[]).status, 200, "{expected}");
    }
    let delay = others.iter().find_map(|argument| argument.strip_prefix("--web.shutdown-delay="));
    let delay: u64 = delay.unwrap().strip_suffix('s').unwrap().parse().unwrap();
    let longest =
        config.modules().map(|(_, module)| module.timeout.unwrap().as_secs()).max().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > delay + longest, "{grace} s are too short for {delay} s and {longest} s");
}

#[test]
fn objects_of_kubernetes_refer_to_each_other() {
    let objects = objects();
    let spec = |kind: &str| &objects[kind]["spec"];
    let (deployment, service) = (spec("Deployment"), spec("Service"));
    let labels = &deployment["template"]["metadata"]["labels"];
    assert!(labels["app"].is_string());
    let selectors = [
        &deployment["selector"]["matchLabels"],
        &service["selector"],
        &spec("PodDisruptionBudget")["selector"]["matchLabels"],
        &spec("PodMonitor")["selector"]["matchLabels"],
    ];
    assert!(selectors.iter().all(|selector| *selector == labels), "{selectors:?}");
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "probe-exporter");
    let port = &pod["containers"][0]["ports"][0];
    assert_eq!(port["containerPort"], 9115, "the default of --web.listen-address");
    assert_eq!(service["ports"][0]["targetPort"], port["name"]);
    let scaled = &spec("HorizontalPodAutoscaler")["scaleTargetRef"];
    assert_eq!(scaled["kind"], "Deployment");
    assert_eq!(scaled["name"], "probe-exporter");
}

#[test]
fn the_autoscaler_uses_a_metric_that_the_adapter_computes_from_existing_ones() {
    let adapter = fs::read_to_string("examples/kubernetes/prometheus-adapter.yml").unwrap();
    let adapter = &documents(&adapter)[0]["rules"]["custom"][0];
    let scaled = &objects()["HorizontalPodAutoscaler"]["spec"]["metrics"];
    let scaled = scaled.as_array().unwrap().iter().find(|metric| metric["type"] == "Pods");
    assert_eq!(scaled.unwrap()["pods"]["metric"]["name"], adapter["name"]["as"]);
    let known = exported();
    for (key, count) in [("seriesQuery", 1), ("metricsQuery", 2)] {
        let used = metrics_in(adapter[key].as_str().unwrap());
        assert_eq!(used.len(), count, "{used:?}");
        assert!(used.is_subset(&known), "no such metrics: {used:?}");
    }
}

/// Runs a program with a configuration file that it only checks.
fn assert_valid(program: &str, arguments: &[&str]) {
    // The path of a user who is not root may lack this folder.
    let path = format!("{}:/usr/sbin", env::var("PATH").unwrap());
    match Command::new(program).args(arguments).env("PATH", path).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program}: {errors}");
        }
        Err(error) => skip(Missing::LoadBalancer, &format!("{program}: {error}")),
    }
}

#[test]
fn haproxy_and_nginx_accept_their_examples() {
    let (haproxy, nginx) = ["haproxy.cfg", "nginx.conf"]
        .map(|name| fs::read_to_string(format!("examples/load-balancer/{name}")).unwrap())
        .into();
    assert!(haproxy.contains("GET /-/ready\n"));
    assert_valid("haproxy", &["-c", "-f", "examples/load-balancer/haproxy.cfg"]);
    // nginx binds its port and makes its files also when it only checks.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    assert!(nginx.contains("listen 9116;"));
    let nginx = nginx.replace("listen 9116;", &format!("listen unix:{};", path("socket")));
    let files = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};\n", path(name)));
    let nginx = nginx.replace("http {", &format!("http {{\naccess_log off;\n{}", files.concat()));
    fs::write(path("nginx.conf"), nginx).unwrap();
    let directives = format!("pid {}; error_log stderr;", path("pid"));
    assert_valid("nginx", &["-t", "-q", "-c", &path("nginx.conf"), "-g", &directives]);
}
