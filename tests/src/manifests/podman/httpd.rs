//! An image of Debian's httpd that is laid out like the official one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::Podman;
use crate::fixture::Fixture;
use crate::tools::{run, tool};

/// Where Debian has its modules; elsewhere it is the folder "modules" of the server's root.
const MODULES: &str = "/usr/lib/apache2/modules";
/// The root in the official image.
const ROOT: &str = "usr/local/apache2";

/// As in the official image: httpd, and what the pod's arguments add. Debian's program has another root built in.
const FOREGROUND: &str = "#!/bin/sh\nexec httpd -d /usr/local/apache2 -DFOREGROUND \"$@\"\n";

/// Builds the image `httpd` for a configuration, and returns the configuration without the modules that are a part of
/// Debian's program: loading one of these is an error, and the official image has no others built in.
#[track_caller]
pub fn build_httpd(podman: &Podman, configuration: &str) -> String {
    let apache2 = tool("apache2");
    let built_in = run(Command::new(&apache2).arg("-l")).stdout;
    let built_in = String::from_utf8_lossy(&built_in).into_owned();
    let is_built_in = |module: &str| built_in.lines().any(|line| line.trim().strip_suffix(".c") == Some(module));
    let module = |line: &str| {
        let file = line.trim().strip_prefix("LoadModule ")?.split_whitespace().nth(1)?;
        Some(file.strip_prefix("modules/")?.strip_suffix(".so")?.to_owned())
    };
    let adapted = configuration.lines().filter(|line| !module(line).is_some_and(|module| is_built_in(&module)));
    let adapted: String = adapted.flat_map(|line| [line, "\n"]).collect();

    let image = Fixture::new()
        .file("usr/local/bin/httpd-foreground", FOREGROUND)
        .mode("usr/local/bin/httpd-foreground", 0o755)
        .file(format!("{ROOT}/conf/mime.types"), "text/html html\n")
        .file(format!("{ROOT}/htdocs/index.html"), "<p>It works.</p>\n")
        .folder(format!("{ROOT}/logs"))
        .file("etc/passwd", "www-data:x:33:33::/:/bin/false\n")
        .file("etc/group", "www-data:x:33:\n")
        .folder("tmp");
    let programs = [(apache2, format!("{ROOT}/bin/httpd")), (tool("sh"), "bin/sh".to_owned())];
    let modules = adapted.lines().filter_map(module).map(|module| {
        let file = format!("{module}.so");
        (Path::new(MODULES).join(&file), format!("{ROOT}/modules/{file}"))
    });
    for (from, to) in programs.into_iter().chain(modules) {
        copy(&from, &image.path(&to));
        for library in libraries(&from) {
            copy(Path::new(&library), &image.path(library.trim_start_matches('/')));
        }
    }
    let further = "ENV PATH=/usr/local/apache2/bin:/usr/local/bin:/usr/bin:/bin\nCMD [\"httpd-foreground\"]\n";
    podman.build_from("httpd", image.root(), further);
    adapted
}

/// The files a program or a library is linked with, and the one that C's own library asks for when a thread ends.
fn libraries(file: &Path) -> Vec<String> {
    let output = run(Command::new(tool("ldd")).arg(file));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found: Vec<String> =
        text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect();
    let ends_threads = found.iter().find_map(|library| library.strip_suffix("libc.so.6"));
    found.extend(ends_threads.map(|folder| format!("{folder}libgcc_s.so.1")));
    found
}

#[track_caller]
fn copy(from: &Path, to: &Path) {
    let copied = || -> io::Result<()> {
        fs::create_dir_all(to.parent().expect("a place in a folder"))?;
        fs::copy(from, to)?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o755))
    };
    copied().unwrap_or_else(|e| panic!("{} to {}: {e}", from.display(), to.display()));
}
