//! A compose file: the keys it may have, and that what it mounts is there.
//!
//! The keys are those of the Compose specification that both docker compose and podman-compose know, as far as we use them.

use std::path::Path;

use serde_json::Value;

use crate::manifests::shape::Shape::{self, Any, Count, Either, Flag, List, Map, Named, Ruled, Text, Word};
use crate::manifests::shape::{DURATION, faults};

const SERVICE: Shape = Map(&[
    ("image!", Ruled("an image with a registry and a tag of its own", is_pinned)),
    ("profiles", List(&Text)),
    ("command", List(&Text)),
    // What listens on 127.0.0.1 is reached by the others in the host's network alone.
    ("network_mode!", Word(&["host"])),
    ("user!", Ruled("a number that is not root's", is_number)),
    ("read_only!", Flag),
    ("cap_drop!", List(&Word(&["ALL"]))),
    ("security_opt!", List(&Word(&["no-new-privileges:true"]))),
    ("restart!", Word(&["unless-stopped", "always", "on-failure"])),
    ("stop_grace_period", DURATION),
    ("tmpfs", List(&Text)),
    ("volumes", List(&Text)),
    ("secrets", List(&Map(&[("source!", Text), ("target!", Ruled("an absolute path", |path| path.starts_with('/')))]))),
    (
        "healthcheck",
        Map(&[
            ("test!", List(&Text)),
            ("interval!", DURATION),
            ("timeout!", DURATION),
            ("start_period", DURATION),
            ("retries", Count),
        ]),
    ),
]);

const FILE: Shape = Map(&[
    ("name!", Text),
    ("services!", Named(&SERVICE)),
    ("volumes", Named(&Either(&Map(&[]), &Any))),
    ("secrets", Named(&Map(&[("file!", Text)]))),
]);

/// What is wrong with a compose file in a folder.
pub fn compose_faults(folder: &Path, file: &Value) -> Vec<String> {
    let mut found = faults("compose.yaml", file, &FILE);
    for (name, service) in file["services"].as_object().into_iter().flatten() {
        let mut fault = |what: String| found.push(format!("{name}: {what}"));
        if service["read_only"] != true {
            fault("its root can be written".to_owned());
        }
        for mount in texts(&service["volumes"]) {
            let parts: Vec<&str> = mount.split(':').collect();
            match parts.as_slice() {
                [file, place, "ro"] if file.starts_with("./") && place.starts_with('/') => {
                    if !folder.join(file).exists() {
                        fault(format!("{file} is not there to be mounted"));
                    }
                }
                [volume, place] if !volume.contains('/') && place.starts_with('/') => {
                    if !file_has(file, "volumes", volume) {
                        fault(format!("no volume is called {volume}"));
                    }
                }
                _ => fault(format!("neither a volume nor a file that is only read: {mount}")),
            }
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            let source = secret["source"].as_str().unwrap_or_default();
            if !file_has(file, "secrets", source) {
                fault(format!("no secret is called {source}"));
            }
        }
        // A flag for a file that is not mounted is a program that doesn't start.
        let targets: Vec<&str> = mounted(service).collect();
        for flag in texts(&service["command"]) {
            let path = flag.split_once('=').map(|(_, value)| value).filter(|value| value.starts_with('/'));
            if path.is_some_and(|path| !targets.iter().any(|target| Path::new(path).starts_with(target))) {
                fault(format!("{flag}: nothing is mounted there"));
            }
        }
    }
    for list in ["volumes", "secrets"] {
        for name in file[list].as_object().into_iter().flatten().map(|(name, _)| name) {
            let services = file["services"].as_object().into_iter().flatten().map(|(_, service)| service);
            let used = services.into_iter().any(|service| {
                texts(&service["volumes"]).any(|mount| mount.split(':').next() == Some(name))
                    || service["secrets"].as_array().into_iter().flatten().any(|secret| secret["source"] == **name)
            });
            if !used {
                found.push(format!("{list}: nobody uses {name}"));
            }
        }
    }
    found
}

/// The places of a service where files of ours are.
pub fn mounted(service: &Value) -> impl Iterator<Item = &str> {
    let volumes = texts(&service["volumes"]).filter_map(|mount| mount.split(':').nth(1));
    let secrets = service["secrets"].as_array().into_iter().flatten();
    volumes.chain(secrets.filter_map(|secret| secret["target"].as_str()))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn file_has(file: &Value, list: &str, name: &str) -> bool {
    file[list].as_object().is_some_and(|map| map.contains_key(name))
}

fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    let registry = image.split_once('/').map(|(registry, _)| registry);
    let full =
        |tag: &str| tag.trim_start_matches('v').split('.').filter(|part| part.parse::<u32>().is_ok()).count() == 3;
    tag.is_some_and(full) && registry.is_some_and(|registry| registry.contains('.') || registry.starts_with("${"))
}

fn is_number(user: &str) -> bool {
    let mut ids = user.split(':');
    ids.next().is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id != 0)) && ids.all(|id| id.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::compose_faults;

    #[test]
    fn what_a_reader_would_not_notice_is_found() {
        let file = json!({"name": "x", "volumes": {"unused": null}, "services": {"a": {
            "image": "docker.io/a/a:latest", "user": "0", "read_only": false, "cap_drop": ["ALL"], "restart": "always",
            "security_opt": ["no-new-privileges:true"], "network_mode": "bridge", "volume": [], "volumes": ["./none:/etc/none:ro", "data:/data"],
            "command": ["--config.file=/etc/a/a.yml"],
        }}});
        let found = compose_faults(Path::new("/nonexistent"), &file).join("\n");
        for fault in [
            "a tag of its own",
            "not root's",
            "not one of [\"host\"]",
            "no such key: volume",
            "root can be written",
            "./none is not there",
            "no volume is called data",
            "nothing is mounted there",
            "nobody uses unused",
        ] {
            assert!(found.contains(fault), "{fault}\n{found}");
        }
    }
}
