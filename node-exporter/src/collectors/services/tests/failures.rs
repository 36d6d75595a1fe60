//! What goes wrong.

use super::*;

/// For what has to be waited for to the end; what comes before it takes milliseconds.
const HASTE: Duration = Duration::from_secs(1);
const LEISURE: Duration = Duration::from_secs(20);

/// A machine that answers but for the property of a unit, where `say` is said.
fn but(property: &'static str, say: Say) -> Script {
    let machine = Machine::small();
    Arc::new(
        move |_, asked| {
            if asked.texts.get(1).is_some_and(|name| name == property) { say.clone() } else { machine.say(asked) }
        },
    )
}

fn without(page: &str, piece: &str) -> String {
    page.lines().filter(|line| !line.contains(piece)).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn properties_that_are_not_there() {
    let place = Place::new();
    let fake = place.bus(Machine::small().script());
    let (whole, _) = place.systemd(EVERYTHING).scrape();
    drop(fake);
    for error in ["org.freedesktop.DBus.Error.UnknownProperty", "org.freedesktop.DBus.Error.UnknownObject"] {
        let _bus = place.bus(but("NRestarts", Say::Error(error)));
        let (page, problems) = place.systemd(EVERYTHING).scrape();
        assert_eq!(problems, [""; 0], "old managers have no such property, and units go away");
        assert_eq!(page, without(&whole, "node_systemd_service_restart_total"));
    }
    let mut machine = Machine::small();
    machine.remove("cron.service", "Service", "Type");
    let _bus = place.bus(machine.script());
    let (page, problems) = place.systemd(EVERYTHING).scrape();
    assert_eq!(problems, [""; 0]);
    assert!(page.contains("node_systemd_unit_state{name=\"cron.service\",state=\"active\",type=\"\"} 1\n"), "{page}");
}

#[test]
fn properties_that_may_not_be_read_or_lie() {
    let place = Place::new();
    for (property, say, problem) in [
        (
            "NAccepted",
            Say::Error("org.freedesktop.DBus.Error.AccessDenied"),
            "old.socket: NAccepted: org.freedesktop.DBus.Error.AccessDenied: no, and 1 more",
        ),
        (
            "NRefused",
            Say::answer(&zbus::Variant::from("five")),
            "old.socket: NRefused: expected a whole number, found Text(\"five\"), and 1 more",
        ),
        (
            "LastTriggerUSec",
            Say::answer(&zbus::Variant::from(vec![(1_u8, "a")])),
            "apt-daily.timer: LastTriggerUSec: expected a whole number, found Other, and 1 more",
        ),
        ("TasksMax", Say::answer(&7_u64), "cron.service: TasksMax: expected v, found \"t\", and 4 more"),
        (
            "SystemState",
            Say::Error("org.freedesktop.DBus.Error.Failed"),
            "SystemState of the manager: org.freedesktop.DBus.Error.Failed: no",
        ),
    ] {
        let bus = place.bus(but(property, say));
        let mut rig = place.systemd(EVERYTHING);
        assert_eq!(place.problems(&mut rig), problem);
        let (page, _) = rig.scrape();
        assert!(page.contains("node_systemd_unit_state{name=\"cron.service\",state=\"active\",type=\"simple\"} 1\n"));
        assert_eq!(bus.connections(), 1, "the connection is as good as before");
    }
    let _bus = place.bus(but("Version", Say::Error("org.freedesktop.DBus.Error.Failed")));
    let (page, problems) = place.systemd(EVERYTHING).scrape();
    assert_eq!(problems, [""; 0]);
    assert!(page.contains("node_systemd_version{version=\"\"} 0\n"), "{page}");
    let _bus = place.bus(but("Virtualization", Say::answer(&zbus::Variant::from(1_u8))));
    let (page, _) = place.systemd(EVERYTHING).scrape();
    assert!(page.contains("virtualization_type=\"unknown\"} 1\n"), "{page}");
}

#[test]
fn a_session_that_ended() {
    let place = Place::new();
    let machine = Machine::small();
    let _bus = place.bus(Arc::new(move |_, asked| match (asked.path.ends_with("_7"), asked.member.as_str()) {
        (true, "Get") => Say::Error("org.freedesktop.DBus.Error.UnknownObject"),
        _ => machine.say(asked),
    }));
    let (page, problems) = place.logind().scrape();
    assert_eq!(problems, [""; 0]);
    assert!(page.contains("node_logind_sessions{class=\"user\",remote=\"true\",seat=\"\",type=\"tty\"} 1\n"), "{page}");
    drop(_bus);
    let _bus = place.bus(but("Remote", Say::answer(&zbus::Variant::from("yes"))));
    let problems = place.problems(&mut place.logind());
    assert_eq!(problems.lines().count(), 5);
    assert!(
        problems
            .starts_with("/org/freedesktop/login1/session/_1: Remote: expected another type, found Text(\"yes\")\n")
    );
}

/// Where it breaks, what happens, and what is said.
#[test]
fn a_bus_that_fails_and_comes_back() {
    let big = |order: u8| [&[order, 2, 0, 1][..], &[0xff; 12]].concat();
    let lies = b"l\x02\x01\x01\xff\0\0\0\x03\0\0\0\x0f\0\0\0\x05\x01u\0\x07\0\0\0".to_vec();
    for (member, say, problem) in [
        ("Get", Say::Close, "unix:path=BUS: the peer closed the connection"),
        ("ListUnits", Say::Close, "unix:path=BUS: the peer closed the connection"),
        ("Get", Say::Nothing, "unix:path=BUS: no answer in time"),
        ("ListUnits", Say::Nothing, "unix:path=BUS: no answer in time"),
        ("ListUnits", Say::Raw(lies), "unix:path=BUS: no answer in time"),
        (
            "ListUnits",
            Say::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            "unix:path=BUS: malformed message: expected a byte order, found 0x48",
        ),
        (
            "Get",
            Say::Raw(big(b'B')),
            "unix:path=BUS: malformed message: expected at most 67108864 bytes, found a message of 8589934607",
        ),
        (
            "Get",
            Say::Raw(b"l\x02\x01\x09\xff\0\0\0\x03\0\0\0\x0f\0\0\0".to_vec()),
            "unix:path=BUS: malformed message: expected version 1, found 9",
        ),
        (
            "ListUnits",
            Say::answer(&vec![("name", 1_u32)]),
            "unix:path=BUS: ListUnits: expected a(ssssssouso), found \"a(su)\"",
        ),
        (
            "ListUnits",
            Say::Error("org.freedesktop.DBus.Error.NoReply"),
            "unix:path=BUS: ListUnits: org.freedesktop.DBus.Error.NoReply: no",
        ),
    ] {
        let place = Place::new();
        let machine = Machine::small();
        let bus = place.bus(Arc::new(move |connection, asked| {
            // As properties of units are what matters, those of the manager are answered.
            let fails = asked.member == member && asked.path.contains("/unit/") == (member == "Get");
            if connection == 1 && fails { say.clone() } else { machine.say(asked) }
        }));
        let mut rig = place.systemd(EVERYTHING);
        let began = Instant::now();
        let patience = if problem.ends_with("in time") { HASTE } else { LEISURE };
        let (page, problems) = rig.scrape_within(patience);
        assert!(began.elapsed() < patience, "{problem}");
        assert_eq!(problems.join("\n").replace(&*place.path().to_string_lossy(), "BUS"), problem);
        assert!(page.contains("node_systemd_version{"), "{problem}: what came before is kept");
        assert_eq!(page.contains("node_systemd_units{"), member == "Get", "{problem}");
        // An error of the bus is no reason to leave it; that one is not healed by a new connection.
        if problem.contains("ListUnits") {
            assert_eq!(rig.scrape_within(LEISURE).1, problems);
            assert_eq!(bus.connections(), 1);
            continue;
        }
        assert_eq!(rig.scrape_within(LEISURE).1, [""; 0], "{problem}");
        assert_eq!(rig.scrape_within(LEISURE).1, [""; 0], "{problem}");
        assert_eq!(bus.connections(), 2, "{problem}");
    }
}

#[test]
fn greetings() {
    for (greeting, problem) in [
        (Greeting::TakesNoNumber, ""),
        (Greeting::Rejects, "unix:path=BUS: refused: REJECTED EXTERNAL"),
        (Greeting::Silent, "unix:path=BUS: no answer in time"),
        (Greeting::Garbage, "unix:path=BUS: malformed message: expected a line of the greeting"),
    ] {
        let place = Place::new();
        let bus = Fake::new(&place.path(), greeting, Machine::small().script());
        let mut rig = place.systemd(&[]);
        for _ in 0..3 {
            let patience = if greeting == Greeting::Silent { HASTE } else { LEISURE };
            let (_, problems) = rig.scrape_within(patience);
            assert_eq!(problems.join("\n").replace(&*place.path().to_string_lossy(), "BUS"), problem);
        }
        assert_eq!(bus.connections(), if problem.is_empty() { 1 } else { 3 });
    }
}

/// Signals that nobody asked for, answers to nobody's call, and calls to us are passed over.
#[test]
fn what_is_not_an_answer() {
    let place = Place::new();
    let machine = Machine::small();
    let signal = b"l\x04\x01\x01\0\0\0\0\x03\0\0\0\0\0\0\0";
    let answer = b"l\x02\x01\x01\0\0\0\0\x03\0\0\0\x08\0\0\0\x05\x01u\0\xff\0\0\0";
    let call = b"B\x01\x01\x01\0\0\0\0\0\0\0\x03\0\0\0\0";
    let noise = [&signal[..], answer, call].concat();
    let _bus = place.bus(Arc::new(move |_, asked| match machine.say(asked) {
        // The list comes behind the noise, in one piece with it.
        Say::Error(_) => Say::Raw(noise.clone()),
        say => say,
    }));
    let (page, problems) = place.systemd(EVERYTHING).scrape_within(HASTE);
    assert_eq!(problems.len(), 1, "the property that is not there is not refused either: {problems:?}");
    assert!(page.contains("node_systemd_service_restart_total{name=\"nginx.service\"} 3\n"), "{page}");
}

#[test]
fn a_bus_that_is_not_there_yet() {
    let place = Place::new();
    let (mut rig, mut sessions) = (place.systemd(&[]), place.logind());
    let absent = "unix:path=BUS: BUS: No such file or directory (os error 2)";
    assert_eq!(place.problems(&mut rig), absent);
    assert_eq!(place.problems(&mut sessions), absent);
    for _ in 0..2 {
        let bus = place.bus(Machine::small().script());
        for _ in 0..2 {
            assert_eq!((place.problems(&mut rig), place.problems(&mut sessions)), (String::new(), String::new()));
        }
        assert_eq!(bus.connections(), 2);
    }
    // The socket of a bus that crashed.
    drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
    assert_eq!(place.problems(&mut rig), "unix:path=BUS: BUS: Connection refused (os error 111)");
}
