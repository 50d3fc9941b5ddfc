//! The programs around the hardware.

use crate::check::{Check, Evidence, Group, Obstacle, Outcome, Session};
use crate::tool::Tool;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The one folder with unsafe code: calls into compiled models.
const UNSAFE_FOLDER: &str = "testbench/src/verilator";

/// What would bring it back; in two pieces, because this file is searched, too.
const ALLOWED: &str = concat!("allow(", "unsafe_code)");

pub const CARGO: Tool = Tool {
    program: "cargo",
    package: "https://rustup.rs",
};
const CARGO_DENY: Tool = Tool {
    program: "cargo-deny",
    package: "cargo install cargo-deny --locked",
};

pub fn all() -> Vec<Check> {
    vec![
        Check::new(
            Group::Host,
            "host.unsafe",
            "no crate has unsafe code outside `testbench/src/verilator`, which calls compiled models",
            |session| unsafe_code(session.root),
        ),
        Check::new(
            Group::Host,
            "host.dependencies",
            "every dependency has a permissive licence, or one that `deny.toml` allows it by name, and comes from the package registry",
            dependencies,
        )
        .only_in_full(),
    ]
}

fn unsafe_code(root: &Path) -> Result<Outcome, Obstacle> {
    let mut outcome = Outcome::shown(Evidence::Proven);
    let mut wrong = Vec::new();
    let mut crates = 0;
    for entry in fs::read_dir(root)? {
        let folder = entry?.path().join("src");
        let Some(main) = ["lib.rs", "main.rs"]
            .map(|file| folder.join(file))
            .into_iter()
            .find(|file| file.is_file())
        else {
            continue;
        };
        crates += 1;
        let has_unsafe = root.join(UNSAFE_FOLDER).starts_with(&folder);
        let text = fs::read_to_string(&main)?;
        if let Some(problem) = problem_of_root(&text, has_unsafe) {
            wrong.push(format!("{}: {problem}", main.display()));
        }
        for file in sources(&folder)? {
            let allows = fs::read_to_string(&file)?.contains(ALLOWED);
            if allows && !file.starts_with(root.join(UNSAFE_FOLDER)) {
                wrong.push(format!("{} allows unsafe code", file.display()));
            }
        }
    }
    if !wrong.is_empty() {
        outcome = Outcome::failed(wrong.join("\n"));
    }
    let unguarded = problem_of_root("//! A crate.\nmod x;\n", false).is_some();
    Ok(outcome
        .detail("crates", crates)
        .control("a crate that does not forbid unsafe code", unguarded))
}

/// The compiler does the rest, once a crate asks it to.
fn problem_of_root(text: &str, has_unsafe: bool) -> Option<&'static str> {
    match has_unsafe {
        true if !text.contains("#![deny(unsafe_code)]") => Some("no `#![deny(unsafe_code)]`"),
        false if !text.contains("#![forbid(unsafe_code)]") => Some("no `#![forbid(unsafe_code)]`"),
        _ => None,
    }
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn dependencies(session: &Session) -> Result<Outcome, Obstacle> {
    CARGO_DENY.find()?;
    let arguments = ["deny", "check", "licenses", "bans", "sources"];
    let limit = Duration::from_secs(600);
    let ended = CARGO.try_run(&arguments, session.root, limit)?;
    Ok(match ended {
        Some(ended) if ended.success => Outcome::shown(Evidence::Measured).detail(
            "advisories",
            "not looked up: they need a database from the network",
        ),
        Some(ended) => Outcome::failed(ended.text),
        None => Outcome::failed("no answer within 10 minutes"),
    })
}
