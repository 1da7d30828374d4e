//! The files of `examples` for Kubernetes and for load balancers agree with the exporter and with each other.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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
            assert!(objects.insert(kind.to_owned(), object.clone()).is_none(), "{name}: {kind}");
        }
    }
    objects
}

/// The first document of a YAML file.
fn document(file: impl AsRef<Path>) -> Value {
    let file = file.as_ref();
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    documents(&text).swap_remove(0)
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
    let generated = &document("config/kustomization.yaml")["configMapGenerator"][0];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], generated["name"]);
    let (name, source) = generated["files"][0].as_str().unwrap().split_once('=').unwrap();
    let yaml = &fs::read_to_string(format!("config/{source}")).unwrap();
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let file = format!("--config.file={mount}/{name}");
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
    let delay = shutdown_delay(&others);
    // Modules without a timeout take the default scrape timeout of Prometheus.
    let longest = 10;
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > delay + longest, "{grace} s are too short for {delay} s and {longest} s");
}

/// The chart passes the flag `--config.file` itself, and leaves 30 s to stop.
#[test]
fn the_exporter_starts_with_the_values_of_the_helm_chart() {
    let values = document("examples/kubernetes/helm-values.yml");
    let yaml = values["config"].to_string();
    let config = Config::parse(&yaml, "config.yml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings(), []);
    let arguments: Vec<_> = texts(&values["extraArgs"]).collect();
    let exporter = Running::start(&yaml, &arguments);
    for probe in ["readinessProbe", "livenessProbe"] {
        let path = values[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(request(exporter.address, "GET", path, &[]).status, 200, "{path}");
    }
    let longest = config.modules().map(|(_, module)| module.timeout.unwrap().as_secs()).max();
    assert!(shutdown_delay(&arguments) + longest.unwrap() < 30);
}

/// The seconds of `--web.shutdown-delay`.
fn shutdown_delay(arguments: &[&str]) -> u64 {
    let delay = arguments.iter().find_map(|text| text.strip_prefix("--web.shutdown-delay="));
    delay.unwrap().strip_suffix('s').unwrap().parse().unwrap()
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
        &spec("NetworkPolicy")["podSelector"]["matchLabels"],
    ];
    assert!(selectors.iter().all(|selector| *selector == labels), "{selectors:?}");
    let port = &deployment["template"]["spec"]["containers"][0]["ports"][0];
    assert_eq!(port["containerPort"], 9115, "the default of --web.listen-address");
    assert_eq!(service["ports"][0]["targetPort"], port["name"]);
    let scaled = &spec("HorizontalPodAutoscaler")["scaleTargetRef"];
    assert_eq!(scaled["kind"], "Deployment");
    assert_eq!(scaled["name"], "probe-exporter");
    assert_eq!(spec("NetworkPolicy")["ingress"][0]["ports"][0]["port"], port["name"]);
    let namespace = document("examples/kubernetes/kustomization.yaml")["namespace"].clone();
    let operator = document("examples/kubernetes/operator/kustomization.yaml");
    assert_eq!(operator["namespace"], namespace);
    let url = format!("probe-exporter.{}.svc:9115", namespace.as_str().unwrap());
    assert_eq!(spec("Probe")["prober"]["url"], url.as_str());
    let modules = Config::parse(fs::read("config/blackbox.yml").unwrap(), "blackbox.yml").unwrap();
    let module = spec("Probe")["module"].as_str().unwrap();
    assert!(modules.modules().any(|(name, _)| name == module), "no module {module}");
}

/// Every file is part of what kustomize builds, except values for Helm charts.
#[test]
fn kustomizations_name_the_files_beside_them() {
    let folders = ["", "in-flight", "kube-prometheus", "operator"];
    for folder in folders.map(|name| Path::new("examples/kubernetes").join(name)) {
        let resources = &document(folder.join("kustomization.yaml"))["resources"];
        let resources: Vec<_> = resources.as_array().into_iter().flatten().collect();
        let listed = |file: &Path| resources.iter().any(|name| **name == file.to_str().unwrap());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.strip_prefix(&folder).unwrap();
            if file.extension().is_some_and(|extension| extension == "yml") {
                let applied = document(&path)["kind"].is_string();
                assert_eq!(listed(file), applied, "{}", path.display());
            }
        }
        for resource in resources {
            let path = folder.join(resource.as_str().unwrap());
            let found = path.is_file() || path.join("kustomization.yaml").is_file();
            assert!(found, "{}", path.display());
        }
    }
    let dashboards = &document("grafana/kustomization.yaml")["configMapGenerator"][0]["files"];
    let found: Vec<_> = files("grafana", "json")
        .map(|file| file.strip_prefix("grafana").unwrap().to_owned())
        .collect();
    assert!(
        texts(dashboards).map(Path::new).eq(found.iter().map(PathBuf::as_path)),
        "{dashboards}"
    );
}

/// The rules as an object of the Prometheus operator are generated: `UPDATE=1` writes them.
#[test]
fn the_rules_for_the_prometheus_operator_are_current() {
    const FILE: &str = "examples/kubernetes/operator/rules.yml";
    let mut text = String::from(
        "# Generated from prometheus/rules: UPDATE=1 cargo test --locked -- the_rules_for\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n  name: probe-exporter\n  labels: {app: probe-exporter}\n\
         spec:\n  groups:\n",
    );
    let mut groups = Vec::new();
    for file in files("prometheus/rules", "yml") {
        let rules = fs::read_to_string(&file).unwrap();
        let (_, list) = rules.split_once("\ngroups:\n").unwrap();
        for line in list.lines() {
            let indent = if line.is_empty() { "" } else { "  " };
            writeln!(text, "{indent}{line}").unwrap();
        }
        groups.extend(documents(&rules)[0]["groups"].as_array().unwrap().clone());
    }
    if env::var_os("UPDATE").is_some() {
        fs::write(FILE, &text).unwrap();
    }
    assert!(fs::read_to_string(FILE).unwrap() == text, "UPDATE=1 makes {FILE} current");
    assert_eq!(documents(&text)[0]["spec"]["groups"], Value::Array(groups));
}

#[test]
fn the_autoscaler_uses_a_metric_that_the_adapter_computes_from_existing_ones() {
    let folder = Path::new("examples/kubernetes/in-flight");
    let adapter = document(folder.join("prometheus-adapter.yml"));
    let adapter = &adapter["rules"]["custom"][0];
    let component = document(folder.join("kustomization.yaml"));
    let patch = component["patches"][0]["patch"].as_str().unwrap();
    let metric = &documents(patch)[0][0]["value"];
    assert_eq!(metric["pods"]["metric"]["name"], adapter["name"]["as"]);
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
