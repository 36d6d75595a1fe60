use super::*;

#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(body: &str, read: fn(&Status) -> T, want: T) {
    let body = format!("{body}\nScoreboard: _W.\n");
    assert_eq!(read(&parse(body.as_bytes()).unwrap()), want, "{body}");
}

#[test]
fn figures_and_texts() {
    check("Total Accesses: 12", |s| (s.accesses, s.extended, s.unparsed), (Some(12.0), true, 0));
    check("CPULoad: .0406386", |s| s.cpu_load_percent, Some(0.040_638_6));
    check("CPULoad: inf", |s| s.cpu_load_percent, Some(f64::INFINITY));
    check("Load1: -1.00", |s| s.load1, Some(-1.0));
    check("ServerMPM: event\r", |s| s.mpm.clone(), Some("event".to_owned()));
    check("ServerMPM:", |s| s.mpm.clone(), None);
    check("Server Built: Jul 29 2016 04:26:14", |s| s.built.clone(), Some("Jul 29 2016 04:26:14".to_owned()));
    check("ServerUptime:", |s| (s.extended, s.unparsed), (false, 0));
    check("BusyServers: 3\nIdleServers: 4", |s| (s.busy_workers, s.idle_workers), (Some(3.0), Some(4.0)));
    check("", |s| s.scoreboard.as_ref().map(Scoreboard::slots), Some(3));
}

#[test]
fn of_two_values_the_last_that_is_one_counts() {
    check("BusyWorkers: 3\nBusyWorkers: 4", |s| s.busy_workers, Some(4.0));
    check("BusyWorkers: 3\nBusyWorkers: n/a", |s| (s.busy_workers, s.faults.len()), (Some(3.0), 1));
}

#[test]
fn a_bad_line_costs_itself() {
    check("Uptime: n/a\nTotal Accesses: 7", |s| (s.uptime_seconds, s.accesses), (None, Some(7.0)));
    let says = |s: &Status| (s.faults.iter().map(ToString::to_string).collect::<Vec<_>>(), s.unparsed);
    let fault = "1: Uptime: expected a number from 0, found \"n/a\"".to_owned();
    check("Uptime: n/a\nTotal Accesses: 7", says, (vec![fault], 1));
    check("h\nNewKey: 1\nno colon\n: \n\n  \n", says, (vec![], 3));
}

#[test]
fn the_first_line_is_a_name() {
    for (line, unparsed) in [("localhost", 0), ("fe80::1", 0), ("::1", 0), ("a b", 1), ("X-Key: 1", 1)] {
        assert_eq!(parse(format!("{line}\nBusyWorkers: 1\n").as_bytes()).unwrap().unparsed, unparsed, "{line}");
    }
}

#[test]
fn caches_end_where_another_module_begins() {
    let cache = |s: &Status| s.tls_session_cache.as_ref().and_then(|cache| cache.entries);
    check("TLSSessionCacheStatus\nCacheType: SHMCB\nCacheCurrentEntries: 4", cache, Some(4.0));
    check("TLSSessionCacheStatus\ngarbage\nCacheCurrentEntries: 4", cache, Some(4.0));
    check("TLSSessionCacheStatus\nManagedCertificatesOK: 1\nCacheCurrentEntries: 4", cache, None);
    let memcache = "TLSSessionCacheStatus\nMemcached:: 1, Sets: 2\nCache:: Gets: 5, Sets: 3\nNotAvailable";
    check(memcache, |s| (s.tls_session_cache.clone(), s.unparsed), (Some(Cache::default()), 0));
}

#[test]
fn what_makes_an_answer_valid() {
    for body in ["Scoreboard: ", "BusyWorkers: none", "BusyServers: 1", "x\r\nScoreboard: _\r\n"] {
        assert!(parse(body.as_bytes()).is_ok(), "{body}");
    }
    assert_eq!(parse(b"IdleWorkers: 1"), Err(NotStatus::CutShort));
}

#[test]
fn whatever_the_length() {
    let slots = 3_000_000;
    let body = [&b"Scoreboard: "[..], &vec![b'_'; slots], b"\nBusyWorkers: 1"].concat();
    let status = parse(&body).unwrap();
    assert_eq!(status.scoreboard.map(|board| board.slots()), Some(slots as u64));
    assert_eq!(status.busy_workers, Some(1.0));
    let many = "Uptime: x\n".repeat(10_000) + "BusyWorkers: 1";
    let status = parse(many.as_bytes()).unwrap();
    assert_eq!((status.faults.len(), status.unparsed), (FAULTS, 10_000));
}
