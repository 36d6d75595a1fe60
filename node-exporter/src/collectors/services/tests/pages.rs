//! What the pages say.

use super::*;

/// The lines of a page that begin with `start`, which is left out.
fn lines<'p>(page: &'p str, start: &str) -> Vec<&'p str> {
    page.lines().filter_map(|line| line.strip_prefix(start)).collect()
}

#[test]
fn units() {
    let place = Place::new();
    let bus = place.bus(Machine::small().script());
    let (page, problems) = place.systemd(EVERYTHING).scrape();
    assert_eq!(problems, [""; 0]);
    assert_eq!(bus.connections(), 1);
    let of = |name: &str| lines(&page, &format!("node_systemd_{name}"));
    assert_eq!(of("version"), ["{version=\"252.19-1~deb12u1\"} 252.19"]);
    assert_eq!(of("virtualization_info"), ["{virtualization_type=\"kvm\"} 1"]);
    assert_eq!(of("system_running"), [" 0"]);
    assert_eq!(
        of("system_state"),
        [
            "{state=\"degraded\"} 1",
            "{state=\"initializing\"} 0",
            "{state=\"maintenance\"} 0",
            "{state=\"running\"} 0",
            "{state=\"starting\"} 0",
            "{state=\"stopping\"} 0",
        ]
    );
    assert_eq!(
        of("units"),
        [
            "{state=\"activating\"} 1",
            "{state=\"active\"} 6",
            "{state=\"deactivating\"} 1",
            "{state=\"failed\"} 1",
            "{state=\"inactive\"} 4",
            "{state=\"maintenance\"} 1",
            "{state=\"reloading\"} 1",
        ]
    );
    assert_eq!(
        of("service_restart_total"),
        [
            "{name=\"cron.service\"} 0",
            "{name=\"getty@tty1.service\"} 1",
            "{name=\"nginx.service\"} 3",
            r#"{name="odd\\x2dname\\x20\\xc3.service"} 4.294967295e+09"#,
            r#"{name="quoted\"name.service"} 0"#,
        ]
    );
    assert_eq!(
        of("unit_tasks_current"),
        [
            "{name=\"cron.service\"} 1",
            r#"{name="odd\\x2dname\\x20\\xc3.service"} 7"#,
            r#"{name="quoted\"name.service"} 0"#,
        ]
    );
    assert_eq!(
        of("unit_tasks_max"),
        [
            "{name=\"getty@tty1.service\"} 4915",
            "{name=\"nginx.service\"} 4915",
            r#"{name="odd\\x2dname\\x20\\xc3.service"} 1.152921504606847e+18"#,
            r#"{name="quoted\"name.service"} 0"#,
        ]
    );
    assert_eq!(
        of("timer_last_trigger_seconds"),
        ["{name=\"apt-daily.timer\"} 1.699999999999999e+09", "{name=\"never.timer\"} 0"]
    );
    assert_eq!(of("socket_accepted_connections_total"), ["{name=\"old.socket\"} 1", "{name=\"sshd.socket\"} 12"]);
    assert_eq!(of("socket_current_connections"), ["{name=\"old.socket\"} 2", "{name=\"sshd.socket\"} 2"]);
    assert_eq!(of("socket_refused_connections_total"), ["{name=\"sshd.socket\"} 5"]);
    let starts = of("unit_start_time_seconds");
    assert_eq!(starts.len(), 13, "of all that are loaded");
    assert!(starts.contains(&"{name=\"cron.service\"} 1.700000000123456e+09"), "{starts:?}");
    assert!(starts.contains(&"{name=\"nginx.service\"} 0"), "{starts:?}");
    let states = |name: &str| {
        let all = of("unit_state");
        let states = all.into_iter().filter_map(|line| line.strip_prefix(&format!("{{name=\"{name}\",state=\"")));
        states.collect::<Vec<_>>().join("|")
    };
    assert_eq!(
        states("cron.service"),
        "activating\",type=\"simple\"} 0|active\",type=\"simple\"} 1|deactivating\",type=\"simple\"} 0|\
         failed\",type=\"simple\"} 0|inactive\",type=\"simple\"} 0"
    );
    assert!(states("-.mount").contains("active\",type=\"ext4\"} 1"), "{page}");
    assert!(states("apt-daily.timer").contains("active\",type=\"\"} 1"), "{page}");
    assert!(!states(r"odd\\x2dname\\x20\\xc3.service").contains("} 1"), "one that reloads is in no state");
    assert_eq!(states("gone.service"), "", "not loaded");
}

#[test]
fn defaults_and_patterns() {
    let place = Place::new();
    let _bus = place.bus(Machine::small().script());
    let units = |flags: &[(&'static str, &str)]| {
        let page = place.systemd(flags).scrape().0;
        assert!(!page.contains("unit_tasks") && !page.contains("restart") && !page.contains("start_time"), "{page}");
        let active =
            lines(&page, "node_systemd_unit_state{name=\"").into_iter().filter(|line| line.contains("\"active\""));
        active.filter_map(|line| Some(line.split_once("\",state")?.0.to_owned())).collect::<Vec<_>>().join(" ")
    };
    let all = r#"apt-daily.timer basic.target broken.path cron.service getty@tty1.service never.timer nginx.service odd\\x2dname\\x20\\xc3.service old.socket quoted\"name.service sshd.socket"#;
    assert_eq!(units(&[]), all);
    assert_eq!(units(&[("collector.systemd.unit-include", "cron.service|ngin")]), "cron.service", "whole names");
    let neither =
        [("collector.systemd.unit-include", r".+\.service"), ("collector.systemd.unit-exclude", "[a-n].*|quo.+")];
    assert_eq!(units(&neither), r"odd\\x2dname\\x20\\xc3.service", "both patterns count");
    let mut args = Args::defaults(FLAGS);
    args.set("collector.systemd.unit-include", vec!["(".to_owned()], false);
    let Err(e) = Systemd::new(&args, String::new(), String::new(), false) else { panic!() };
    assert!(e.to_string().starts_with("--collector.systemd.unit-include: expected a regular expression, found \"(\""));
}

#[test]
fn the_manager_itself() {
    let place = Place::new();
    let bus = place.bus(Machine::small().script());
    let (page, problems) = systemd("unix:path=/nowhere", &place.address(), &[]).scrape();
    assert_eq!((problems, bus.connections()), (vec![], 1));
    assert!(page.contains("node_systemd_units"), "root asks the manager when there is no bus");
    let private = [("collector.systemd.private", "true")];
    assert_eq!(systemd("unix:path=/nowhere", &place.address(), &private).scrape().0, page);
    let nobody = systemd("unix:path=/nowhere;tcp:host=x", "unix:path=/nowhere/either", &[]).scrape().1;
    assert_eq!(nobody, ["unix:path=/nowhere;tcp:host=x: /nowhere: No such file or directory (os error 2)"]);
    let other = place.systemd(&[]).scrape();
    assert_eq!(other.0, page);
}

#[test]
fn back_from_the_manager_to_the_bus() {
    let (place, private) = (Place::new(), Place::new());
    let manager = private.bus(Machine::small().script());
    let mut rig = systemd(&place.address(), &private.address(), &[]);
    for expected in 1..=2 {
        for _ in 0..2 {
            assert_eq!((rig.scrape().1, manager.connections()), (vec![], expected));
        }
        let bus = place.bus(Machine::small().script());
        for _ in 0..2 {
            assert_eq!((rig.scrape().1, bus.connections(), manager.connections()), (vec![], 1, expected));
        }
    }
}

#[test]
fn the_state_of_the_manager() {
    for (state, running, kept) in [("running", "1", 6), ("maintenance", "0", 6), ("levitating", "0", 7)] {
        let (place, mut machine) = (Place::new(), Machine::small());
        machine.manager("v256~rc3", state, "");
        let _bus = place.bus(machine.script());
        let (page, problems) = place.systemd(&[]).scrape();
        assert_eq!(problems, [""; 0]);
        assert!(page.contains(&format!("node_systemd_system_running {running}\n")), "{page}");
        assert!(page.contains(&format!("node_systemd_system_state{{state=\"{state}\"}} 1\n")), "{page}");
        assert_eq!(lines(&page, "node_systemd_system_state{").len(), kept);
        assert!(page.contains("node_systemd_version{version=\"v256~rc3\"} 256\n"), "{page}");
        assert!(page.contains("virtualization_type=\"none\"} 1\n"), "{page}");
    }
    let (place, mut machine) = (Place::new(), Machine::small());
    machine.manager("208", "running", "kvm");
    let _bus = place.bus(machine.script());
    let (page, problems) = place.systemd(&[]).scrape();
    assert_eq!(problems, [""; 0]);
    assert!(!page.contains("system_running") && !page.contains("last_trigger"), "too old to tell: {page}");
}

#[test]
fn sessions() {
    let place = Place::new();
    let _bus = place.bus(Machine::small().script());
    let (page, problems) = place.logind().scrape();
    assert_eq!(problems, [""; 0]);
    let all = lines(&page, "node_logind_sessions");
    assert_eq!(all.len(), 5 * 2 * 3 * 7);
    let some: Vec<_> = all.into_iter().filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(
        some,
        [
            "{class=\"greeter\",remote=\"false\",seat=\"seat0\",type=\"wayland\"} 1",
            "{class=\"other\",remote=\"true\",seat=\"\",type=\"other\"} 1",
            "{class=\"user\",remote=\"false\",seat=\"seat0\",type=\"tty\"} 1",
            "{class=\"user\",remote=\"true\",seat=\"\",type=\"tty\"} 2",
        ]
    );
}

#[test]
fn five_thousand_units() {
    let place = Place::new();
    let bus = place.bus(Machine::large(5000).script());
    // What is asked by default: a debug build on a busy machine has to keep the deadline, too.
    let mut rig = place.systemd(&[]);
    for _ in 0..2 {
        let (page, problems) = rig.scrape_within(Duration::from_secs(60));
        assert_eq!(problems, [""; 0]);
        assert_eq!(lines(&page, "node_systemd_unit_state{").len(), 4500 * 5, "all but the mounts");
        assert_eq!(lines(&page, "node_systemd_socket_accepted_connections_total{").len(), 500);
    }
    assert_eq!(bus.connections(), 1);
}
