//! D-Bus as the collectors of services need it: calls over one kept connection, many in flight, under one deadline.
//!
//! * Source: the D-Bus specification. [`address`] reads where a bus is, [`message`] what goes over the wire,
//!   [`connection`] owns the socket.
//! * A connection is kept between scrapes. One that failed in any way is closed, since late answers would be taken for
//!   those of the next scrape; the next scrape opens a new one.
//! * Nothing blocks: the socket never does, and all waiting ends at the deadline. No thread is started.

use std::time::{Duration, Instant};

use common::error::{CollectError, Reason};
use common::sandbox::Need;

pub(crate) mod address;
mod connection;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod message;

use address::Address;
use connection::{Connection, Failure};
pub(crate) use message::{Body, Call, Refusal, Value};

/// Where the bus of the system is when the environment does not tell; `/var/run` for the sake of old systems.
const SYSTEM_BUS: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// The most that the calls of one scrape may take. A manager that reloads thousands of units is silent for seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses of the bus of the system, from the environment.
pub(crate) fn system_bus() -> String {
    std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| SYSTEM_BUS.into())
}

/// What asking one of `addresses` needs. A socket that is a file is nothing to the sandbox.
pub(crate) fn needs(addresses: &str) -> Vec<Need> {
    let is_abstract = |address| matches!(address, Ok(Address::Abstract(_)));
    if address::parse(addresses).any(is_abstract) { vec![Need::AbstractSockets] } else { Vec::new() }
}

/// A peer that speaks D-Bus, and the connection to it while there is one.
pub(crate) struct Bus {
    /// As the user knows them, for messages.
    text: String,
    /// A bus wants to be greeted; a service that is spoken to directly knows no such call.
    greet: bool,
    connection: Option<Connection>,
}

impl Bus {
    /// The bus behind `addresses`, of which the first that answers is taken.
    pub(crate) fn new(addresses: String) -> Self {
        Self { text: addresses, greet: true, connection: None }
    }

    /// A service that listens itself, without a bus between.
    pub(crate) fn direct(addresses: String) -> Self {
        Self { greet: false, ..Self::new(addresses) }
    }

    /// Makes sure that there is a connection; gives when its calls have to be through.
    pub(crate) fn connect(&mut self, scrape: Instant) -> Result<Instant, CollectError> {
        let deadline = deadline(scrape);
        if self.connection.as_mut().is_some_and(Connection::is_open) {
            return Ok(deadline);
        }
        // The old one is closed first: there are never two.
        self.close();
        let mut failure = None;
        for address in address::parse(&self.text) {
            match address.and_then(|address| self.open(&address, deadline)) {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(deadline);
                }
                // What the first one answered tells most.
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        Err(self.failed(&failure.unwrap_or_else(|| Failure::Address("no address".to_owned()))))
    }

    /// Closes the connection, if there is one.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    fn open(&self, address: &Address, deadline: Instant) -> Result<Connection, Failure> {
        let mut connection = Connection::open(address, deadline)?;
        if self.greet {
            let hello = Call {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member: "Hello",
                texts: &[],
            };
            let mut refusal = None;
            connection.exchange(deadline, &mut std::iter::once(hello), &mut |_, answer| {
                refusal = answer.err().map(|refusal| refusal.to_string());
            })?;
            if let Some(refusal) = refusal {
                return Err(Failure::Refused(refusal));
            }
        }
        Ok(connection)
    }

    /// Makes calls and hands each answer out with the number of its call; answers come in any order.
    ///
    /// A failure is that of the connection, which is closed then; answers that came before it have been handed out.
    pub(crate) fn exchange<'c>(
        &mut self,
        deadline: Instant,
        calls: &mut dyn Iterator<Item = Call<'c>>,
        answer: &mut dyn FnMut(usize, Result<&Body<'_>, Refusal<'_>>),
    ) -> Result<(), CollectError> {
        let Some(connection) = &mut self.connection else { return Err(self.failed(&Failure::Closed)) };
        let result = connection.exchange(deadline, calls, answer);
        result.map_err(|failure| {
            self.close();
            self.failed(&failure)
        })
    }

    /// As [`exchange`](Self::exchange) for one call whose refusal is an error; `read` says what is wrong with a body.
    pub(crate) fn ask(
        &mut self,
        deadline: Instant,
        call: Call<'_>,
        mut read: impl FnMut(&Body<'_>) -> Result<(), String>,
    ) -> Result<(), CollectError> {
        let member = call.member;
        let mut result = Ok(());
        self.exchange(deadline, &mut std::iter::once(call), &mut |_, answer| {
            result = answer.map_err(|refusal| refusal.to_string()).and_then(&mut read);
        })?;
        result.map_err(|what| CollectError::at(self.text.as_str(), Reason::Error, format!("{member}: {what}")))
    }

    fn failed(&self, failure: &Failure) -> CollectError {
        CollectError::at(self.text.as_str(), failure.reason(), failure.to_string())
    }
}

/// Well before the scrape's: what was read has to be written and sent.
fn deadline(scrape: Instant) -> Instant {
    let now = Instant::now();
    now + (scrape.saturating_duration_since(now) * 3 / 4).min(PATIENCE)
}

/// A call that reads one property.
pub(crate) fn property<'c>(destination: &'c str, path: &'c str, texts: &'c [&'c str; 2]) -> Call<'c> {
    Call { destination, path, interface: "org.freedesktop.DBus.Properties", member: "Get", texts }
}
