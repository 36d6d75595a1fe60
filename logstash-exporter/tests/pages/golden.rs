//! The pages, compared with committed ones. `UPDATE_GOLDEN=1` rewrites them; the difference is the review.

use std::{env, fs};

use logstash_exporter::families::{Endpoint, Instance, Wanted};

use super::{ALL, answers, folders, here, page, read};

#[track_caller]
fn check(name: &str, got: &str) {
    let file = here().join("golden").join(format!("{name}.prom"));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, got).unwrap();
    }
    let want = fs::read_to_string(&file).unwrap();
    let same = want.lines().zip(got.lines()).take_while(|(want, got)| want == got).count();
    assert!(
        want == got,
        "{}:{}: `make golden` rewrites it\n- {}\n+ {}",
        file.display(),
        same + 1,
        want.lines().nth(same).unwrap_or_default(),
        got.lines().nth(same).unwrap_or_default()
    );
}

#[test]
fn every_folder() {
    for folder in folders() {
        let answers = answers(&folder);
        for (name, wanted) in [(folder.clone(), Wanted::default()), (format!("{folder}-legacy"), ALL)] {
            let read = read("http://ls:9600", &answers).unwrap();
            check(&name, &page(vec![read.instance], wanted));
        }
    }
}

#[test]
fn three_of_which_one_is_down() {
    let (one, other) = (answers("7.17"), answers("9.4"));
    let mut first = read("http://b:9600", &one).unwrap().instance;
    first.instance_name = "b_one";
    first.endpoints.push(Endpoint { name: "root", up: true, seconds: Some(0.25) });
    first.endpoints.push(Endpoint { name: "node_stats", up: true, seconds: Some(0.5) });
    let down = Instance {
        hostname: "http://c:9600",
        instance_name: "c_down",
        endpoints: vec![
            Endpoint { name: "root", up: false, seconds: None },
            Endpoint { name: "node_stats", up: false, seconds: None },
        ],
        ..Instance::default()
    };
    let last = read("http://a:9600", &other).unwrap().instance;
    check("three", &page(vec![down, first, last], ALL));
}
