//! How the monitoring server is run: in containers and under systemd, from the same files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use exporter_tests::fixture::Fixture;
use exporter_tests::manifests;
use exporter_tests::manifests::compose::{compose_faults, mounted};
use exporter_tests::manifests::monitoring_server::{FOLDER, path, text};
use exporter_tests::manifests::units::Units;
use exporter_tests::tools::{run, tool};
use serde_json::Value;

fn compose() -> Value {
    manifests::document(&format!("{FOLDER}/compose.yaml"))
}

#[test]
fn the_compose_file_is_sound_and_what_it_mounts_is_there() {
    assert_eq!(compose_faults(&path(""), &compose()), Vec::<String>::new());
}

#[test]
fn every_secret_is_made_or_has_an_example() {
    let script = text("credentials.sh");
    for (name, secret) in compose()["secrets"].as_object().unwrap() {
        let file = secret["file"].as_str().unwrap().strip_prefix("./secrets/").expect("secrets are in their folder");
        let made = script.contains(&format!("\"$server/{file}\"")) && file.starts_with(['f', 'g']);
        let example = path("secrets").join(format!("{file}.example"));
        assert!(made || example.exists(), "{name}: neither made nor shown");
        assert!(text("secrets/.gitignore").lines().eq(["*", "!.gitignore", "!*.example"]), "git would take {file}");
    }
}

/// Paths below /etc that a text names.
fn places(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "\"'}],)`".contains(c);
    text.match_indices("/etc/").map(move |(at, _)| text[at..].split(ends).next().unwrap_or_default())
}

#[test]
fn containers_have_the_files_that_configurations_name() {
    let compose = compose();
    for (service, files) in [
        ("alertmanager", vec![text("alertmanager/alertmanager.yml")]),
        (
            "grafana",
            ["grafana.ini", "provisioning/dashboards/exporters.yaml", "provisioning/alerting/contact-points.yaml"]
                .map(|file| text(&format!("grafana/{file}")))
                .to_vec(),
        ),
    ] {
        let there: Vec<&str> = mounted(&compose["services"][service]).collect();
        for file in &files {
            let own = file.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
            for place in places(&own) {
                let is_there = there.iter().any(|mount| std::path::Path::new(place).starts_with(mount));
                assert!(is_there, "{service}: {place} is not among {there:?}");
            }
        }
    }
    // Relative ones start at /etc/prometheus.
    let there: Vec<&str> = mounted(&compose["services"]["prometheus"]).collect();
    for place in ["prometheus.yml", "rules", "targets.yml", "secrets/federation-ca.crt", "secrets/federation-password"]
    {
        assert!(there.contains(&format!("/etc/prometheus/{place}").as_str()), "{place} is not among {there:?}");
        assert!(
            text("prometheus/prometheus.yml").contains(place) || place == "prometheus.yml",
            "nobody asks for {place}"
        );
    }
}

#[test]
fn containers_and_units_agree_on_addresses_and_files() {
    let compose = compose();
    let unit = |name: &str| text(&format!("systemd/{name}"));
    for (service, unit) in [
        ("prometheus", unit("prometheus.service.d/monitoring-server.conf")),
        ("alertmanager", unit("prometheus-alertmanager.service.d/monitoring-server.conf")),
        ("blackbox-exporter", unit("blackbox-exporter.service").replace("${LISTEN}", "127.0.0.1:9115")),
    ] {
        let start = unit.lines().find(|line| line.starts_with("ExecStart=/")).expect("it starts something");
        for flag in compose["services"][service]["command"].as_array().unwrap().iter().filter_map(Value::as_str) {
            // Where data is belongs to the container alone.
            if !flag.starts_with("--storage.tsdb.path") && !flag.starts_with("--storage.path") {
                assert!(start.split(' ').any(|own| own == flag), "{service}: the unit has no {flag}");
            }
        }
    }
}

#[test]
fn health_is_asked_where_programs_listen() {
    let compose = compose();
    let ini = text("grafana/grafana.ini");
    let mut seen = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        let Some(test) = service["healthcheck"]["test"].as_array() else { continue };
        let url = test.iter().filter_map(Value::as_str).find_map(|word| Some(word.split_once("http://")?.1));
        let at = url.and_then(|url| url.split('/').next()).unwrap_or_else(|| panic!("{name}: {test:?} asks nobody"));
        let told = format!("--web.listen-address={at}");
        let mut command = service["command"].as_array().into_iter().flatten();
        let port = at.rsplit(':').next().unwrap();
        let listens =
            command.any(|word| *word == told) || name == "grafana" && ini.contains(&format!("http_port = {port}\n"));
        assert!(listens, "{name}: nobody listens on {at}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// What README.md says to install, done below a folder instead of the machine's root.
#[track_caller]
fn installed() -> Fixture {
    let readme = text("README.md");
    let lines =
        readme.split_once("<!-- install:").and_then(|(_, rest)| rest.split_once("```sh\n")?.1.split_once("```"));
    let (lines, _) = lines.expect("README.md says what to install");
    let root = Fixture::new().folder("usr/local/bin").folder("etc/prometheus").folder("etc/grafana");
    let mut script = "set -eu\n".to_owned();
    for line in lines.lines().filter_map(|line| line.strip_prefix("sudo ")) {
        let file = line.starts_with("install ") || line.starts_with("cp ");
        // The group may not be there, and the program may not be built.
        if file && !line.contains("/release/") {
            let here = line.replace(" -g prometheus", "").replace(" -g grafana", "");
            script += &here.replace(" /etc/", &format!(" {}/etc/", root.root().display()));
            script.push('\n');
        }
    }
    assert!(script.lines().count() > 10, "{script}");
    // What credentials.sh and the operator write.
    let copy = Fixture::new();
    run(Command::new("cp").arg("-r").arg(path(".")).arg(copy.root()));
    for name in compose()["secrets"].as_object().unwrap().values() {
        fs::write(copy.path(name["file"].as_str().unwrap()), "made up").unwrap();
    }
    run(Command::new("sh").args(["-c", &script]).current_dir(copy.root()));
    root
}

#[test]
fn what_the_readme_installs_is_what_containers_mount() {
    let root = installed();
    let compose = compose();
    for service in ["prometheus", "blackbox-exporter", "grafana"] {
        for place in mounted(&compose["services"][service]).filter(|place| place.starts_with("/etc/")) {
            assert!(root.path(&place[1..]).exists(), "{service}: {place} is not installed");
        }
    }
    run(Command::new(tool("promtool")).args(["check", "config"]).arg(for_this(&root)));
    assert!(root.path("etc/systemd/system/prometheus.service.d/monitoring-server.conf").exists());
}

/// The installed configuration of Prometheus, as the one at hand reads it.
fn for_this(root: &Fixture) -> PathBuf {
    let file = root.path("etc/prometheus/prometheus.yml");
    fs::write(&file, manifests::for_this_prometheus(&fs::read_to_string(&file).unwrap())).unwrap();
    file
}

#[test]
fn the_readme_names_files_that_are_there() {
    let readme = text("README.md");
    let names =
        readme.split('`').skip(1).step_by(2).filter(|name| !name.contains([' ', ':', '*', '\n']) && name.contains('.'));
    let names = names.filter(|name| !name.starts_with(['/', '.', '"']));
    let places = ["", "grafana", "grafana/provisioning/alerting", "alertmanager", "prometheus", "prometheus/rules"];
    for name in names {
        let found = places.iter().any(|place| path(place).join(name).exists());
        assert!(found, "README.md names {name}");
    }
}

/// The unit that a distribution brings, as far as ours has to fit onto it.
fn distributed(name: &str) -> String {
    fs::read_to_string(format!("/usr/lib/systemd/system/{name}"))
        .or_else(|_| fs::read_to_string(format!("/lib/systemd/system/{name}")))
        .unwrap_or_else(|_| "[Unit]\nDescription=Not installed here\n[Service]\nExecStart=/bin/true\n".to_owned())
}

#[test]
fn units_are_sound_and_give_little_away() {
    let blackbox = Units::new("blackbox-exporter.service", &text("systemd/blackbox-exporter.service"));
    blackbox.verify("blackbox-exporter.service");
    let exposure = blackbox.exposure("blackbox-exporter.service");
    assert!(exposure <= 1.9, "{exposure}");

    for (name, most) in [("prometheus", Some(1.5)), ("prometheus-alertmanager", Some(1.5)), ("grafana-server", None)] {
        let unit = format!("{name}.service");
        let drop_in = path(&format!("systemd/{unit}.d/monitoring-server.conf"));
        let units = Units::new(&unit, &distributed(&unit)).drop_in(&unit, &drop_in);
        units.verify(&unit);
        if let Some(most) = most {
            let exposure = units.exposure(&unit);
            assert!(exposure <= most, "{name}: {exposure}");
        }
    }
}

#[test]
fn the_node_exporters_unit_is_sound_and_measures_what_it_protects() {
    let name = "node-exporter.service";
    let unit = manifests::text("systemd/node-exporter.service");
    let units = Units::new(name, &unit);
    units.verify(name);
    let exposure = units.exposure(name);
    assert!(exposure <= 2.7, "{exposure}");
    // Below an empty folder there are no file systems to be measured.
    assert!(unit.contains("\nProtectHome=read-only\n"));
    for set in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert!(unit.contains(&format!("\n{set}=CAP_DAC_READ_SEARCH\n")), "{set}");
    }
}

#[test]
fn units_allow_what_their_programs_need() {
    let blackbox = text("systemd/blackbox-exporter.service");
    for set in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert!(blackbox.contains(&format!("\n{set}=CAP_NET_RAW\n")), "{set}: no pings");
    }
    for name in [
        "blackbox-exporter.service",
        "prometheus.service.d/monitoring-server.conf",
        "prometheus-alertmanager.service.d/monitoring-server.conf",
    ] {
        let unit = text(&format!("systemd/{name}"));
        let families = unit.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies=")).unwrap();
        assert!(["AF_INET", "AF_INET6"].iter().all(|family| families.split(' ').any(|own| own == *family)), "{name}");
        // Their data is below it, wherever a flag or the distribution puts it.
        let strict = unit.contains("\nProtectSystem=strict\n");
        assert!(
            strict && (unit.contains("\nReadWritePaths=/var/lib/prometheus\n") || name.starts_with("blackbox")),
            "{name}"
        );
    }
}

#[test]
fn a_word_that_systemd_does_not_know_is_noticed() {
    let unit = text("systemd/blackbox-exporter.service").replace("PrivateTmp=", "PrivateTemp=");
    let units = Units::new("blackbox-exporter.service", &unit);
    assert!(std::panic::catch_unwind(|| units.verify("blackbox-exporter.service")).is_err());
}

#[test]
fn everybody_may_ping_where_the_setting_is_made() {
    let lines = text("systemd/50-ping.conf");
    let setting = lines.lines().find(|line| !line.starts_with('#')).expect("a setting");
    assert_eq!(setting, "net.ipv4.ping_group_range = 0 2147483647");
}
