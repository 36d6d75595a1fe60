//! A machine that does not exist: its units, seats and sessions, as systemd and logind would tell them.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::wire::{ObjectPath, OwnedVariant, Variant};

use crate::bus::fake::{Asked, Say, Script};

/// Object, interface and property.
type Key = (String, String, String);

#[derive(Default)]
pub(super) struct Machine {
    /// Name, load state, active state.
    pub(super) units: Vec<(String, &'static str, String)>,
    pub(super) seats: Vec<&'static str>,
    /// Identifier and seat.
    pub(super) sessions: Vec<(&'static str, &'static str)>,
    pub(super) properties: HashMap<Key, OwnedVariant>,
}

fn value(value: impl Into<Variant<'static>>) -> OwnedVariant {
    OwnedVariant::try_from(value.into()).unwrap()
}

impl Machine {
    /// A small one in which something of everything is.
    pub(super) fn small() -> Self {
        let mut machine = Self::default();
        machine.manager("252.19-1~deb12u1", "degraded", "kvm");
        for (name, kind, state, restarts, tasks, most) in [
            ("cron.service", "simple", "active", 0_u32, 1_u64, u64::MAX),
            ("nginx.service", "forking", "failed", 3, u64::MAX, 4915),
            ("getty@tty1.service", "idle", "inactive", 1, u64::MAX, 4915),
            (r"odd\x2dname\x20\xc3.service", "notify", "reloading", u32::MAX, 7, 1 << 60),
            ("quoted\"name.service", "oneshot", "activating", 0, 0, 0),
        ] {
            machine.unit(name, "loaded", state);
            machine.set(name, "Service", "Type", kind);
            machine.set(name, "Service", "NRestarts", restarts);
            machine.set(name, "Service", "TasksCurrent", tasks);
            machine.set(name, "Service", "TasksMax", most);
            machine.set(name, "Unit", "ActiveEnterTimestamp", 1_700_000_000_123_456_u64);
        }
        for (name, load, state) in [
            ("gone.service", "not-found", "inactive"),
            ("masked.service", "masked", "inactive"),
            ("-.mount", "loaded", "active"),
            ("dev-sda.device", "loaded", "active"),
            ("basic.target", "loaded", "active"),
            ("broken.path", "loaded", "maintenance"),
            ("apt-daily.timer", "loaded", "active"),
            ("never.timer", "loaded", "inactive"),
            ("sshd.socket", "loaded", "active"),
            ("old.socket", "loaded", "deactivating"),
        ] {
            machine.unit(name, load, state);
            machine.set(name, "Unit", "ActiveEnterTimestamp", 1_700_000_001_000_000_u64);
        }
        machine.set("-.mount", "Mount", "Type", "ext4");
        machine.set("apt-daily.timer", "Timer", "LastTriggerUSec", 1_699_999_999_999_999_u64);
        machine.set("never.timer", "Timer", "LastTriggerUSec", 0_u64);
        for (name, accepted) in [("sshd.socket", 12_u32), ("old.socket", 1)] {
            machine.set(name, "Socket", "NAccepted", accepted);
            machine.set(name, "Socket", "NConnections", 2_u32);
        }
        machine.set("sshd.socket", "Socket", "NRefused", 5_u32);
        machine.seats = vec!["seat1", "seat0"];
        machine.session("1", "seat0", false, "tty", "user");
        machine.session("c1", "seat0", false, "wayland", "greeter");
        machine.session("7", "", true, "tty", "user");
        machine.session("8", "", true, "tty", "user");
        machine.session("9", "", true, "holodeck", "manager");
        machine
    }

    /// One with many units.
    pub(super) fn large(units: usize) -> Self {
        let mut machine = Self::default();
        machine.manager("256", "running", "");
        for number in 0..units {
            let name = match number % 10 {
                0 => format!("at-{number}.timer"),
                1 => format!("listen-{number}.socket"),
                2 => format!("mnt-{number}.mount"),
                _ => format!("work@{number}.service"),
            };
            machine.unit(&name, "loaded", ["active", "inactive", "failed"][number % 3]);
            machine.set(&name, "Unit", "ActiveEnterTimestamp", 1_700_000_000_000_000 + number as u64);
            machine.set(&name, "Service", "Type", ["simple", "oneshot"][number % 2]);
            machine.set(&name, "Service", "NRestarts", number as u32);
            machine.set(&name, "Service", "TasksCurrent", number as u64);
            machine.set(&name, "Service", "TasksMax", u64::MAX);
            machine.set(&name, "Timer", "LastTriggerUSec", number as u64);
            for property in ["NAccepted", "NConnections", "NRefused"] {
                machine.set(&name, "Socket", property, number as u32);
            }
        }
        machine
    }

    pub(super) fn manager(&mut self, version: &'static str, state: &'static str, virtualization: &'static str) {
        for (name, text) in [("Version", version), ("SystemState", state), ("Virtualization", virtualization)] {
            let interface = "org.freedesktop.systemd1.Manager".to_owned();
            self.properties.insert((MANAGER.to_owned(), interface, name.to_owned()), value(text));
        }
    }

    fn unit(&mut self, name: &str, load: &'static str, state: &str) {
        self.units.push((name.to_owned(), load, state.to_owned()));
    }

    pub(super) fn set(&mut self, unit: &str, interface: &str, property: &str, to: impl Into<Variant<'static>>) {
        self.properties.insert(key(unit, interface, property), value(to));
    }

    pub(super) fn remove(&mut self, unit: &str, interface: &str, property: &str) {
        self.properties.remove(&key(unit, interface, property)).unwrap();
    }

    fn session(&mut self, id: &'static str, seat: &'static str, remote: bool, kind: &'static str, class: &'static str) {
        self.sessions.push((id, seat));
        for (name, to) in [("Remote", value(remote)), ("Type", value(kind)), ("Class", value(class))] {
            let interface = "org.freedesktop.login1.Session".to_owned();
            self.properties.insert((session_path(id), interface, name.to_owned()), to);
        }
    }

    /// What it answers.
    pub(super) fn say(&self, asked: &Asked) -> Say {
        let root = || ObjectPath::try_from("/").unwrap();
        match asked.member.as_str() {
            "Get" => {
                let [interface, name] = &asked.texts[..] else { return Say::Close };
                match self.properties.get(&(asked.path.clone(), interface.clone(), name.clone())) {
                    Some(value) => Say::answer(value),
                    None => Say::Error("org.freedesktop.DBus.Error.UnknownProperty"),
                }
            }
            "ListUnits" => {
                let rows = self.units.iter().map(|(name, load, state)| {
                    let path = ObjectPath::try_from(path(name)).unwrap();
                    (name.as_str(), "A unit", *load, state.as_str(), "sub", "", path, 0_u32, "", root())
                });
                Say::answer(&rows.collect::<Vec<_>>())
            }
            "ListSeats" => Say::answer(&self.seats.iter().map(|seat| (*seat, root())).collect::<Vec<_>>()),
            "ListSessions" => {
                let rows = self
                    .sessions
                    .iter()
                    .map(|(id, seat)| (*id, 1000_u32, "user", *seat, ObjectPath::try_from(session_path(id)).unwrap()));
                Say::answer(&rows.collect::<Vec<_>>())
            }
            _ => Say::Error("org.freedesktop.DBus.Error.UnknownMethod"),
        }
    }

    pub(super) fn script(self) -> Script {
        Arc::new(move |_, asked| self.say(asked))
    }
}

const MANAGER: &str = "/org/freedesktop/systemd1";

fn key(unit: &str, interface: &str, property: &str) -> Key {
    (path(unit), format!("org.freedesktop.systemd1.{interface}"), property.to_owned())
}

/// The object of a unit: what is neither letter nor digit is written as two hexadecimal digits.
pub(super) fn path(unit: &str) -> String {
    let mut path = format!("{MANAGER}/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || at > 0 && byte.is_ascii_digit() {
            path.push(byte.into());
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

fn session_path(id: &str) -> String {
    format!("/org/freedesktop/login1/session/_{id}")
}
