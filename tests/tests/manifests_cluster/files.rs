//! Files and variables: what programs are told to read is mounted, under that name, and may be read.

use std::collections::BTreeSet;
use std::fs;

use exporter_tests::manifests;
use exporter_tests::manifests::rendering::{Container, Pod, Rendering, items, text};
use serde_json::Value;

/// Configurations that programs of renderings get, each with the renderings and the container.
const CONFIGURATIONS: &[(&str, &[&str], &str)] = &[
    ("base/prometheus/prometheus.yml", &["overlays/cluster", "overlays/cluster-everything"], "prometheus"),
    ("overlays/remote-write/prometheus.yml", &["overlays/remote-write"], "prometheus"),
    ("overlays/agent/prometheus.yml", &["overlays/agent"], "prometheus"),
    ("base/prometheus/nginx.conf", &["overlays/cluster", "overlays/remote-write"], "gate"),
];

/// What every image or runtime has.
const GIVEN: &[&str] = &["/dev/", "/proc/self/", "/usr/local/apache2"];

/// Where these are reached through a variable of the configuration, the files are named here.
const BY_VARIABLE: &[(&str, &[&str])] = &[("gate", &["/etc/gate-secret/tls.crt", "/etc/gate-secret/tls.key"])];

/// Absolute paths among the words of a text.
fn paths(text: &str) -> BTreeSet<&str> {
    let ends = |c: char| c.is_whitespace() || "\"'=;,()[]{}".contains(c);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let words = text.split(ends).filter(|word| word.len() > 1 && word.chars().all(plain));
    words.filter(|word| word.starts_with('/') && !word.starts_with("//")).collect()
}

/// Keys of the ConfigMap or Secret of a name.
fn keys(rendering: &Rendering, pod: &Pod<'_>, kind: &str, name: &str) -> Option<BTreeSet<String>> {
    let mut found = rendering.of_kind(kind).filter(|object| {
        text(&object["metadata"], "name") == name && text(&object["metadata"], "namespace") == pod.namespace()
    });
    Some(found.next()?["data"].as_object()?.keys().cloned().collect())
}

/// The files that are known to be in a volume; nothing where they come from elsewhere.
fn content(rendering: &Rendering, pod: &Pod<'_>, volume: &Value) -> Option<BTreeSet<String>> {
    let own = |source: &Value| -> Option<BTreeSet<String>> {
        let of = |kind: &str, name: &Value, items: &Value| match items.as_array() {
            Some(items) => Some(items.iter().map(|item| text(item, "path").to_owned()).collect()),
            None => keys(rendering, pod, kind, name.as_str()?),
        };
        let (map, secret) = (&source["configMap"], &source["secret"]);
        match source {
            _ if map.is_object() => of("ConfigMap", &map["name"], &map["items"]),
            _ if secret.is_object() && secret["name"].is_string() => of("Secret", &secret["name"], &secret["items"]),
            _ if secret.is_object() => of("Secret", &secret["secretName"], &secret["items"]),
            _ if source["serviceAccountToken"].is_object() => {
                Some([text(&source["serviceAccountToken"], "path").to_owned()].into())
            }
            _ if source["downwardAPI"].is_object() => of("", &Value::Null, &source["downwardAPI"]["items"]),
            _ => None,
        }
    };
    if volume["projected"].is_object() {
        return items(&volume["projected"], "sources")
            .map(own)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().flatten().collect());
    }
    own(volume)
}

/// What is wrong with a path in a container, if anything is.
fn fault(rendering: &Rendering, pod: &Pod<'_>, container: &Container<'_>, path: &str) -> Option<String> {
    let mounts = items(container.value, "volumeMounts").filter_map(|mount| {
        let rest = path.strip_prefix(text(mount, "mountPath"))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (mount, rest.trim_start_matches('/')))
    });
    let Some((mount, rest)) = mounts.max_by_key(|(mount, _)| text(mount, "mountPath").len()) else {
        return Some(format!("{path} is not mounted"));
    };
    let volume = items(pod.spec(), "volumes").find(|volume| volume["name"] == mount["name"])?;
    let there = content(rendering, pod, volume)?;
    let file = if mount["subPath"].is_string() { text(mount, "subPath") } else { rest };
    let known = file.is_empty() || there.iter().any(|own| own == file || own.starts_with(&format!("{file}/")));
    (!known).then(|| format!("{path}: there is only {there:?}"))
}

#[test]
fn programs_have_the_files_that_they_are_told_of() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            for container in pod.containers() {
                let words = [items(container.value, "command"), items(container.value, "args")].into_iter().flatten();
                let words: Vec<&str> = words.filter_map(Value::as_str).collect();
                let configurations = CONFIGURATIONS.iter().filter(|(_, renderings, name)| {
                    renderings.contains(&rendering.name.as_str()) && *name == container.name()
                });
                let texts: Vec<String> = configurations.map(|(file, ..)| without_comments(file)).collect();
                let by_variable = BY_VARIABLE.iter().filter(|(name, _)| *name == container.name());
                let by_variable = by_variable.flat_map(|(_, paths)| paths.iter().copied());
                // Pages of services, and what a flag excludes, are no files.
                let named = texts.iter().flat_map(|text| paths(text)).filter(|path| is_file(path));
                let named = named.chain(words.iter().flat_map(|word| paths(word))).chain(by_variable);
                for path in named.filter(|path| !GIVEN.iter().any(|given| path.starts_with(given))) {
                    seen += 1;
                    let found = fault(&rendering, &pod, &container, path);
                    wrong.extend(found.map(|what| format!("{}: {}: {what}", rendering.name, container.name())));
                }
                // A single file of a ConfigMap that is not there is a folder in its place.
                for mount in items(container.value, "volumeMounts").filter(|mount| mount["subPath"].is_string()) {
                    let found = fault(&rendering, &pod, &container, text(mount, "mountPath"));
                    wrong.extend(found.map(|what| format!("{}: {}: {what}", rendering.name, container.name())));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} files only");
}

fn without_comments(file: &str) -> String {
    let text = manifests::text(file);
    text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// Whether a path in a configuration is a file's and not a page's.
fn is_file(path: &str) -> bool {
    ["/etc/", "/var/", "/tmp/"].iter().any(|start| path.starts_with(start))
}

#[test]
fn variables_come_from_keys_that_are_there() {
    let mut seen = 0;
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            for container in pod.containers() {
                for variable in items(container.value, "env") {
                    for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                        let wanted = &variable["valueFrom"][field];
                        if wanted.is_object() {
                            let there = keys(&rendering, &pod, kind, text(wanted, "name")).unwrap_or_default();
                            assert!(there.contains(text(wanted, "key")), "{}: {variable}: {there:?}", rendering.name);
                            seen += 1;
                        }
                    }
                }
                // Whatever a configuration expands is set.
                for (file, renderings, name) in CONFIGURATIONS {
                    if *name == container.name() && renderings.contains(&rendering.name.as_str()) {
                        let text = without_comments(file);
                        for used in text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)) {
                            let set = items(container.value, "env").any(|variable| variable["name"] == used);
                            assert!(set, "{}: {file}: {used} is not set", rendering.name);
                        }
                    }
                }
            }
        }
    }
    assert!(seen >= 3, "{seen} variables only");
}

#[test]
fn who_is_not_root_may_read_and_write_its_volumes() {
    for rendering in Rendering::all() {
        for pod in rendering.pods() {
            if pod.spec()["securityContext"]["runAsUser"] == 0 {
                continue;
            }
            let guarded = |volume: &&Value| {
                let modes = [&volume["secret"]["defaultMode"], &volume["projected"]["defaultMode"]];
                modes.iter().any(|mode| mode.as_u64().is_some_and(|mode| mode & 0o004 == 0))
            };
            let claims = items(&pod.owner["spec"], "volumeClaimTemplates").count();
            let restricted = items(pod.spec(), "volumes").filter(guarded).count();
            if claims + restricted > 0 {
                let group = &pod.spec()["securityContext"]["fsGroup"];
                assert!(group.as_u64().is_some_and(|group| group > 0), "{}: {}: fsGroup", rendering.name, pod.title());
            }
        }
    }
}

#[test]
fn prometheus_deletes_before_its_volume_is_full() {
    let rendering = Rendering::of("overlays/cluster");
    let stateful_set = rendering.of_kind("StatefulSet").next().expect("Prometheus is one");
    let claim = &stateful_set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
    let room: f64 = claim.as_str().and_then(|room| room.strip_suffix("Gi")?.parse().ok()).expect("so many Gi");
    let pods = rendering.pods();
    let containers = pods.iter().flat_map(|pod| pod.containers());
    let kept = containers.filter_map(|container| container.arg("--storage.tsdb.retention.size")).next();
    let kept: f64 = kept.and_then(|kept| kept.strip_suffix("GB")?.parse().ok()).expect("so many GB");
    // Its log and what it compacts come on top, and are not counted.
    assert!(kept <= 0.8 * room, "{kept} GB of {room} Gi");
}

#[test]
fn secrets_are_in_folders_that_git_leaves_alone() {
    let mut seen = 0;
    for path in manifests::files("", &["yaml"]).iter().filter(|path| path.ends_with("kustomization.yaml")) {
        let place = path.parent().expect("a file is in a folder");
        let read = fs::read_to_string(path).expect("a listed file can be read");
        for document in manifests::documents(&path.display().to_string(), &read) {
            let generators = items(&document, "secretGenerator");
            for file in generators.flat_map(|generator| items(generator, "files")).filter_map(Value::as_str) {
                let file = file.split_once('=').map_or(file, |(_, file)| file);
                let folder = place.join(file).parent().expect("a file is in a folder").join(".gitignore");
                let said = fs::read_to_string(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
                let rules: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
                assert_eq!(rules, ["*", "!.gitignore"], "{}", folder.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "{seen} secrets only");
}
