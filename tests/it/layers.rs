//! scripts/rings.py, a part of `make lint`: it finds rings of modules and imports of a layer above.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The table of layers that the script reads: `top` stands above `low` and `ground`.
const ARCHITECTURE: &str = "| layer | modules | own |\n| --- | --- | --- |\n\
    | program | `top` | x |\n| ground | `low`, `ground` | y |\n";

fn check(files: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("docs")).unwrap();
    fs::write(dir.path().join("docs/architecture.md"), ARCHITECTURE).unwrap();
    for (name, code) in files {
        let path = dir.path().join("src").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, code).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/rings.py");
    Command::new("python3")
        .arg(script)
        .arg(dir.path())
        .output()
        .unwrap()
}

#[track_caller]
fn assert_found(files: &[(&str, &str)], fault: &str) {
    let output = check(files);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains(fault), "{stdout}");
}

#[track_caller]
fn assert_passes(files: &[(&str, &str)]) {
    let output = check(files);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{text:?}");
}

#[test]
fn two_modules_that_use_each_other_are_a_ring() {
    let low = ("low.rs", "use crate::ground::A;\npub struct B;\n");
    assert_found(&[low, ("ground.rs", "use crate::low::B;\npub struct A;\n")], "low needs ground");
    assert_found(
        &[low, ("ground.rs", "pub struct A;\nfn b() -> crate::low::B { crate::low::B }\n")],
        "ground needs low",
    );
    assert_passes(&[low, ("ground.rs", "pub struct A;\n")]);
}

#[test]
fn a_child_that_uses_a_type_of_the_parent_that_drives_it_is_a_ring() {
    let child = ("low/child.rs", "use super::A;\npub fn run(_: A) {}\n");
    assert_found(
        &[("low.rs", "mod child;\npub struct A;\nfn run() { child::run(A) }\n"), child],
        "a ring of 2 modules",
    );
    // The parent shows a type that is defined in a file of its own: no ring.
    let types = ("low/types.rs", "pub struct A;\n");
    let parent = ("low.rs", "mod child;\nmod types;\npub use self::types::A;\nfn run() { child::run(A) }\n");
    assert_passes(&[parent, child, types]);
}

#[test]
fn an_import_of_a_layer_above_is_found_and_comments_strings_and_tests_are_none() {
    let top = ("top.rs", "use crate::low::B;\npub struct C;\n");
    assert_found(&[top, ("low.rs", "use crate::ground::A;\nuse crate::top::C;\npub struct B;\n")], "low needs top");
    assert_found(&[top, ("other.rs", "")], "other is in no layer");
    let harmless = "// use crate::top::C;\nconst A: &str = \"crate::top::C\";\npub struct B;\n\
        #[cfg(test)]\nmod tests {\n    use crate::top::C;\n}\n";
    assert_passes(&[top, ("low.rs", harmless)]);
}
