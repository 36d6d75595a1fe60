//! Every overlay renders to what is committed, and every object of it is one that Kubernetes takes.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use exporter_tests::manifests::kubernetes_schema::{NATIVE_SIDECARS, Schemas, VERSIONS};
use exporter_tests::manifests::kustomize::{Tree, folders, optional_parts};
use exporter_tests::manifests::rendering::{Rendering, folder, items};
use exporter_tests::skip::skip;

/// Ends of folders that are parts of others.
const PARTS: &[&str] = &["/app", "/operator/kube-state-metrics", "/operator/monitors"];

/// Not to be applied by itself: it is built, but what it comes to is in the renderings of others.
fn is_part(folder: &str) -> bool {
    folder == "base" || folder.starts_with("base/") || PARTS.iter().any(|part| folder.ends_with(part))
}

fn compare(path: &Path, got: &str, wrong: &mut Vec<String>) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, got).unwrap();
    }
    let want = fs::read_to_string(path).unwrap_or_default();
    if want != got {
        let differs = got.lines().zip(want.lines()).position(|(got, want)| got != want);
        let line = differs.unwrap_or_else(|| got.lines().count().min(want.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
        wrong.push(format!("{}:{}: committed {:?}, now {:?}", path.display(), line + 1, at(&want), at(got)));
    }
}

#[test]
fn every_overlay_renders_to_what_is_committed() {
    let (tree, full) = match (Tree::copy(), Tree::copy_with_everything()) {
        (Ok(tree), Ok(full)) => (tree, full),
        (Err(reason), _) | (_, Err(reason)) => return skip("every_overlay_renders_to_what_is_committed", &reason),
    };
    let (mut wrong, mut made) = (Vec::new(), BTreeSet::new());
    for name in folders() {
        let rendered = tree.build(&name);
        if is_part(&name) {
            continue;
        }
        let offers = !optional_parts(&name).is_empty();
        let with_everything = offers.then(|| (format!("{name}-everything"), full.build(&name)));
        for (name, text) in [(name, rendered)].into_iter().chain(with_everything) {
            compare(&folder().join(format!("{name}.yaml")), &text, &mut wrong);
            made.insert(name);
        }
    }
    let committed: BTreeSet<String> = Rendering::all().into_iter().map(|rendering| rendering.name).collect();
    assert!(wrong.is_empty(), "{}\nUPDATE_GOLDEN=1 rewrites them; read the diff", wrong.join("\n"));
    assert_eq!(committed, made, "renderings are committed of folders that are there, and of nothing else");
}

#[test]
fn kubernetes_takes_every_object() {
    let schemas = VERSIONS.map(|version| (version, Schemas::of(version)));
    let mut mistakes = Vec::new();
    for rendering in Rendering::all() {
        let native = rendering
            .pods()
            .iter()
            .any(|pod| items(pod.spec(), "initContainers").any(|container| container["restartPolicy"] == "Always"));
        let oldest = VERSIONS.iter().position(|version| !native || *version == NATIVE_SIDECARS).unwrap();
        for (_, schemas) in &schemas[oldest..] {
            let found = rendering.objects.iter().flat_map(|object| schemas.mistakes(object));
            mistakes.extend(found.map(|mistake| format!("{}: {mistake}", rendering.name)));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn old_clusters_have_a_rendering_of_every_example() {
    let all = Rendering::all();
    for example in all.iter().filter(|rendering| rendering.name.starts_with("examples/")) {
        let plain = example.name.ends_with("/plain");
        let sidecars = example.pods().iter().flat_map(|pod| pod.containers()).filter(|own| own.is_ours()).count();
        let native = example.pods().iter().flat_map(|pod| pod.containers()).filter(|own| own.init).count();
        assert_eq!((sidecars, native), (1, usize::from(!plain)), "{}", example.name);
        let twin = format!("{}/plain", example.name);
        assert!(plain || all.iter().any(|rendering| rendering.name == twin), "{twin} is missing");
    }
}

#[test]
fn optional_parts_are_there() {
    let parts = optional_parts("");
    assert!(parts.len() > 5, "{parts:?}");
    for (folder, part) in parts {
        assert!(folder.join(&part).exists(), "{}: {part}", folder.display());
    }
}
