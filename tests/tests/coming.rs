//! The programs that are not built yet say so, and do not pretend to run.

use exporter_tests::running::run_to_end;

const COMING: [&str; 1] = ["blackbox-exporter"];

#[test]
fn they_end_with_status_1_and_one_line() {
    for program in COMING {
        let end = run_to_end::<&str>(program, &[]);
        assert_eq!(end.status.code(), Some(1), "{program}");
        assert_eq!(end.stdout, "", "{program}");
        assert_eq!(end.stderr.lines().count(), 1, "{program}: {}", end.stderr);
        assert!(end.stderr.starts_with(&format!("{program}: error: not part of version ")), "{}", end.stderr);
    }
}

#[test]
fn they_know_their_version() {
    for program in COMING {
        let end = run_to_end(program, &["--version"]);
        assert_eq!(end.status.code(), Some(0), "{program}");
        assert!(end.stdout.starts_with(&format!("{}, version ", program.replace('-', "_"))), "{}", end.stdout);
    }
}
