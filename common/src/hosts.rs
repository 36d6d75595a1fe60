//! `/etc/hosts`: the names this machine knows without asking anybody (hosts(5)).

use std::fs;
use std::net::IpAddr;

/// The file.
pub const FILE: &str = "/etc/hosts";

/// The addresses of a name, in the order of the file; none when the file or the name is not there.
pub fn addresses(name: &str) -> Vec<IpAddr> {
    // No file is no names.
    parse(&String::from_utf8_lossy(&fs::read(FILE).unwrap_or_default()), name)
}

/// As [`addresses`], from a text.
pub(crate) fn parse(hosts: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in hosts.lines() {
        let line = line.split_once('#').map_or(line, |(before, _comment)| before);
        let mut words = line.split_ascii_whitespace();
        let Some(ip) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_order() {
        let hosts = "# own\n::1 localhost me\n10.0.0.7\tnode7 me # x hidden\n::1 me\nbroken line\n";
        let ips = |name| parse(hosts, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ips("ME"), ["::1", "10.0.0.7"]);
        assert_eq!(ips("localhost"), ["::1"]);
        assert_eq!(ips("hidden"), [""; 0]);
        assert_eq!(ips("line"), [""; 0]);
    }
}
