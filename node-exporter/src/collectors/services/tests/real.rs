//! A real dbus-daemon between collector and stand-in, and the stand-in alone for other exporters.

use super::*;

/// A bus of a system as Debian configures it, but that anybody may own any name.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"#;

struct Daemon(Child);

impl Daemon {
    fn start(bus: &Path) -> Option<Self> {
        let config = bus.with_extension("conf");
        fs::write(&config, CONFIG.replace("BUS", bus.to_str().unwrap())).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg("--config-file").arg(config).args(["--nofork", "--nopidfile", "--nosyslog"]);
        let mut daemon = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?);
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(bus).is_err() {
            assert!(daemon.0.try_wait().unwrap().is_none() && Instant::now() < deadline, "no dbus-daemon");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NAMES: &[&str] = &["org.freedesktop.systemd1", "org.freedesktop.login1"];

#[test]
fn a_real_bus_tells_the_same_and_may_come_back() {
    let (place, scripted) = (Place::new(), Place::new());
    let Some(daemon) = Daemon::start(&place.path()) else {
        return eprintln!("skipped: no dbus-daemon; `make deps` installs it");
    };
    let fake = scripted.bus(Machine::small().script());
    let (want, want_sessions) = (scripted.systemd(EVERYTHING).scrape(), scripted.logind().scrape());
    drop(fake);
    let (mut rig, mut sessions) = (place.systemd(EVERYTHING), place.logind());
    let nobody = rig.scrape().1.concat();
    assert!(nobody.contains("org.freedesktop.DBus.Error."), "{nobody}");
    offer(&place.path(), NAMES, Machine::small().script());
    for _ in 0..2 {
        assert_eq!(wait_for(&mut rig), want);
        assert_eq!(wait_for(&mut sessions), want_sessions);
    }
    drop(daemon);
    assert_eq!(rig.scrape().0, "", "the bus is gone");
    let _daemon = Daemon::start(&place.path());
    offer(&place.path(), NAMES, Machine::small().script());
    assert_eq!(wait_for(&mut rig), want, "the bus came back");
    assert_eq!(wait_for(&mut sessions), want_sessions);
}

/// More calls than a bus lets one connection have under way.
#[test]
fn a_real_bus_and_many_units() {
    let place = Place::new();
    let Some(_daemon) = Daemon::start(&place.path()) else {
        return eprintln!("skipped: no dbus-daemon; `make deps` installs it");
    };
    offer(&place.path(), NAMES, Machine::large(600).script());
    let (page, problems) = wait_for(&mut place.systemd(EVERYTHING));
    assert_eq!(problems, [""; 0]);
    assert_eq!(page.lines().filter(|line| line.starts_with("node_systemd_unit_state{")).count(), 600 * 5);
}

/// The stand-in's names are not there at once.
fn wait_for(rig: &mut Rig) -> (String, Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let scrape = rig.scrape();
        let is_there = !scrape.1.concat().contains("ServiceUnknown") && !scrape.1.concat().contains("NameHasNoOwner");
        if is_there || Instant::now() > deadline {
            return scrape;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Not a test: a bus for another exporter to ask. `STAND_IN=/tmp/bus UNITS=5000 cargo test … stand_in -- --ignored`;
/// with `DAEMON=1` it is a dbus-daemon.
#[test]
#[ignore = "runs until it is stopped"]
fn stand_in() {
    let path = PathBuf::from(std::env::var_os("STAND_IN").unwrap());
    let units = std::env::var("UNITS").ok().and_then(|units| units.parse().ok());
    let script = units.map_or_else(Machine::small, Machine::large).script();
    let daemon = std::env::var_os("DAEMON").and_then(|_| Daemon::start(&path));
    let fake = if daemon.is_some() {
        offer(&path, NAMES, script);
        None
    } else {
        Some(Fake::new(&path, Greeting::Takes, script))
    };
    std::thread::sleep(Duration::from_secs(3600));
    drop((fake, daemon));
}
