//! node-exporter beside a real supervisord, on its Unix socket, while it comes and goes.

use std::process::Command;

use exporter_tests::child::Logged;
use exporter_tests::fixture::Fixture;
use exporter_tests::page::metric;
use exporter_tests::running::Running;
use exporter_tests::tools::tool;
use exporter_tests::wait::until;

/// Starts one whose processes end with it, and waits until the first of them runs.
#[track_caller]
fn start(folder: &Fixture) -> Logged {
    let place = folder.root().display();
    let sleep = "setpriv --pdeathsig KILL sleep 1000";
    let program = |name: &str, command: &str, more: &str| {
        format!("[program:{name}]\ncommand={command}\nstdout_logfile=NONE\nstderr_logfile=NONE\n{more}\n")
    };
    let text = format!(
        "[unix_http_server]\nfile={place}/s.sock\n[supervisord]\nlogfile=/dev/stderr\nlogfile_maxbytes=0\n\
         pidfile={place}/s.pid\n[rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n{}{}{}",
        program("sleeper", sleep, ""),
        program("pair", sleep, "numprocs=2\nprocess_name=%(process_num)d<&\""),
        program("ended", "sh -c 'exit 3'", "autorestart=false\nstartsecs=0"),
    );
    std::fs::write(folder.path("s.conf"), text).unwrap();
    let mut command = Command::new(tool("setpriv"));
    command.args(["--pdeathsig", "KILL"]).arg(tool("supervisord")).arg("-n").arg("-c").arg(folder.path("s.conf"));
    let supervisord = Logged::spawn("supervisord", &mut command);
    supervisord.wait_for_line("that it runs", |line| line.contains("sleeper entered RUNNING").then_some(()));
    supervisord
}

#[test]
fn processes_come_and_go() {
    let folder = Fixture::new();
    let exporter = Running::start(
        "node-exporter",
        &[
            "--collector.disable-defaults".to_owned(),
            "--collector.supervisord".to_owned(),
            format!("--collector.supervisord.url=unix://{}", folder.path("s.sock").display()),
        ],
    );
    let success = || metric("node_scrape_collector_success").label("collector", "supervisord");
    exporter.scrape().has(success().value(0.0));
    let of = |name: &str, group: &str, process: &str| metric(name).label("group", group).label("name", process);
    for _ in 0..2 {
        let mut supervisord = start(&folder);
        let page = until("all processes to be where they should", || {
            let page = exporter.scrape();
            match page.all(&metric("node_supervisord_up").value(1.0)).len() {
                3 => Ok(page),
                n => Err(format!("{n} are up")),
            }
        });
        page.has(success().value(1.0));
        for (group, process) in [("sleeper", "sleeper"), ("pair", "0<&\""), ("pair", "1<&\"")] {
            page.has(of("node_supervisord_up", group, process).value(1.0));
            page.has(of("node_supervisord_state", group, process).value(20.0));
            assert!(page.value(of("node_supervisord_start_time_seconds", group, process)) > 1.7e9);
        }
        page.has(of("node_supervisord_state", "ended", "ended").value(100.0));
        page.has(of("node_supervisord_exit_status", "ended", "ended").value(3.0));
        page.has(of("node_supervisord_up", "ended", "ended").value(0.0));
        page.lacks(of("node_supervisord_start_time_seconds", "ended", "ended"));
        let descriptors = exporter.descriptors();
        for _ in 0..20 {
            exporter.scrape();
        }
        // The connection of a scrape may be open for a moment after its answer.
        until("no descriptor to be left over", || match exporter.descriptors() {
            n if n <= descriptors => Ok(()),
            n => Err(format!("{n} are open, there were {descriptors}")),
        });
        supervisord.ask_to_stop();
        supervisord.wait();
        let page = exporter.scrape();
        page.has(success().value(0.0));
        page.lacks(metric("node_supervisord_up"));
    }
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{status}\n{log}");
    assert_eq!(log.matches("deprecated").count(), 1, "{log}");
}
