//! The noise filter, one file at a time: what it says about a name, a mark, a setting.

use globset::{Glob, GlobSet};
use proptest::prelude::*;

use super::*;
use crate::change::parse;

fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::new(patterns.iter().map(|pattern| Glob::new(pattern).unwrap())).unwrap()
}

fn modified(path: &str) -> String {
    format!("diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}\n+++ b/{path}\n@@ -50 +50 @@\n-a\n+b\n")
}

fn added(path: &str, line: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..2222222\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n"
    )
}

fn read(diff: &str) -> Change {
    parse(diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}"))
}

#[derive(Default)]
struct Given {
    marks: GeneratedMarks,
    ignore: GlobSet,
    include: GlobSet,
    never_send: GlobSet,
}

impl Given {
    fn filter(&self, diff: &str) -> Filtered {
        let sensitive = |file: &FileDiff| file.path().as_str().contains("auth");
        let rules = FilterRules { ignore: &self.ignore, include: &self.include, never_send: &self.never_send, sensitive: &sensitive };
        filter(&read(diff), &self.marks, rules)
    }

    fn noise(&self, diff: &str) -> Option<Noise> {
        self.filter(diff).left_out.pop().map(|(_, noise)| noise)
    }
}

#[test]
fn names_tell_noise_from_code() {
    let check = |noise: Option<Noise>, paths: &[&str]| {
        for path in paths {
            assert_eq!(Given::default().noise(&modified(path)), noise, "{path}");
        }
    };
    check(
        Some(Noise::LockFile),
        &["Cargo.lock", "web/package-lock.json", "go.sum", "uv.lock", "Gemfile.lock", "pnpm-lock.yaml", "flake.lock"],
    );
    check(
        Some(Noise::Vendored),
        &["vendor/a/b.go", "web/node_modules/x/index.js", "third_party/z.c", ".yarn/releases/yarn.cjs", ".pnp.cjs"],
    );
    check(Some(Noise::Minified), &["web/jquery.min.js", "app.bundle.js", "dist/index.js", "site-min.css"]);
    check(Some(Noise::SourceMap), &["a/app.js.map", "app.css.map"]);
    let secrets =
        [".env", "deploy/.env.production", "prod.env", "keys/id_rsa", "tls/server.key", "a.p12", "b.JKS", "x.pem", ".kube/config"];
    check(Some(Noise::SecretFile), &secrets);
    check(
        None,
        &[
            ".env.example",
            ".env.sample",
            ".env.template",
            "src/env.rs",
            "src/lock.rs",
            "src/vendoring.rs",
            "world.map",
            "src/admin.js",
            "dist/readme.md",
            "id_rsa.pub",
            "config",
            "src/distance.js",
            "package.json",
            "src/keys.rs",
        ],
    );
}

#[test]
fn files_without_lines_of_text_are_noise_of_their_own_kinds() {
    let check = |diff: &str, noise: Option<Noise>| assert_eq!(Given::default().noise(diff), noise, "{diff}");
    check("diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n", Some(Noise::PureRename));
    check("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", Some(Noise::ModeOnly));
    check("diff --git a/x b/x\nindex 1111111..2222222 100644\nBinary files a/x and b/x differ\n", Some(Noise::Binary));
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    check(
        &format!(
            "{}-Subproject commit {one}\n+Subproject commit {two}\n",
            modified("s").replace("100644", "160000").replace("-a\n+b\n", "")
        ),
        Some(Noise::Submodule),
    );
    check("diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n", None);
}

#[test]
fn a_certificate_is_public_and_a_key_beside_it_is_not() {
    let pem = |line: &str| Given::default().noise(&added("tls/a.pem", line));
    assert_eq!(pem("-----BEGIN CERTIFICATE-----"), None);
    assert_eq!(pem("-----BEGIN RSA PRIVATE KEY-----"), Some(Noise::SecretFile));
    assert_eq!(pem("MIIEvQIBADANBg"), Some(Noise::SecretFile));
    let part = modified("tls/a.pem").replace("+b", "+-----BEGIN CERTIFICATE-----");
    assert_eq!(Given::default().noise(&part), Some(Noise::SecretFile));
}

#[test]
fn long_lines_make_a_bundle_only_if_the_base_had_them_too() {
    let long = "x".repeat(2 * BUNDLED_LINE_BYTES);
    let given = Given::default();
    assert_eq!(given.noise(&added("web/app.js", &long)), Some(Noise::Minified));
    assert_eq!(given.noise(&added("web/app.rs", &long)), None);
    assert_eq!(given.noise(&modified("web/app.js").replace("-a\n+b", &format!("-{long}\n+{long}1"))), Some(Noise::Minified));
    assert_eq!(given.noise(&modified("web/app.js").replace("+b", &format!("+{long}"))), None);
}

#[test]
fn a_rename_into_a_noisy_place_is_reviewed_if_it_edits() {
    let diff = |to: &str| {
        format!(
            "diff --git a/src/x.js b/{to}\nsimilarity index 90%\nrename from src/x.js\nrename to {to}\nindex 1111111..2222222 100644\n\
             --- a/src/x.js\n+++ b/{to}\n@@ -1 +1 @@\n-a\n+b\n"
        )
    };
    let given = Given { ignore: globs(&["gen/**"]), ..Given::default() };
    for to in ["vendor/x.js", "src/x.min.js", "dist/x.js", "gen/x.js"] {
        assert_eq!(given.noise(&diff(to)), None, "{to}");
    }
    assert_eq!(given.noise(&diff(".env")), Some(Noise::SecretFile));
}

#[test]
fn settings_ignore_include_and_withhold() {
    let given = Given {
        ignore: globs(&["**/testdata/**"]),
        include: globs(&["vendor/ours/**", ".env", "customer/**"]),
        never_send: globs(&["customer/**"]),
        ..Given::default()
    };
    let check = |path: &str, noise: Option<Noise>| assert_eq!(given.noise(&modified(path)), noise, "{path}");
    check("a/testdata/x.json", Some(Noise::Ignored));
    check("vendor/ours/x.go", None);
    check("vendor/theirs/x.go", Some(Noise::Vendored));
    check("customer/list.csv", Some(Noise::NeverSend));
    check(".env", Some(Noise::SecretFile));
}

#[test]
fn migrations_are_never_noise() {
    let given = Given { ignore: globs(&["db/**"]), ..Given::default() };
    for path in ["db/migrate/20260101_x.rb", "app/migrations/0001_initial.py", "Migrations/A.Designer.cs", "db/V12__add.sql", "R__view.sql"]
    {
        let diff = modified(path).replace("@@ -50 +50 @@\n-a\n", "@@ -1,2 +1,2 @@\n # Code generated by x. DO NOT EDIT.\n-a\n");
        assert_eq!(given.noise(&diff), None, "{path}");
    }
    assert_eq!(given.noise(&modified("db/V__x.sql")), Some(Noise::Ignored));
}

#[test]
fn marks_count_only_if_the_base_had_them() {
    let with_mark = |status: &str, old: &str, new: &str| {
        let given = Given {
            marks: GeneratedMarks {
                base_text: [("x.go".into(), format!("{old}\n"))].into(),
                head_text: [("x.go".into(), format!("{new}\n"))].into(),
                ..GeneratedMarks::default()
            },
            ..Given::default()
        };
        let diff = if status == "added" { added("x.go", "b") } else { modified("x.go") };
        let filtered = given.filter(&diff);
        (filtered.left_out.first().map(|(_, noise)| noise.clone()), filtered.newly_generated.len())
    };
    let mark = "// Code generated by stringer; DO NOT EDIT.";
    let noise = Some(Noise::Generated("generated, do not edit".to_owned()));
    assert_eq!(with_mark("modified", mark, mark), (noise, 0));
    assert_eq!(with_mark("modified", "package x", mark), (None, 1));
    assert_eq!(with_mark("modified", mark, "package x"), (None, 0));
    assert_eq!(with_mark("added", "", mark), (None, 1));
}

#[test]
fn hunks_tell_the_mark_where_no_text_is_at_hand() {
    let given = Given::default();
    let diff = |lines: &str| modified("x.py").replace("@@ -50 +50 @@\n-a\n+b\n", lines);
    assert_eq!(given.noise(&diff("@@ -1,2 +1,2 @@\n # @generated by buck\n-a\n+b\n")), Some(Noise::Generated("@generated".to_owned())));
    let newly = given.filter(&diff("@@ -1 +1,2 @@\n+# @generated\n a\n"));
    assert_eq!((newly.left_out, newly.newly_generated), (Vec::new(), vec!["x.py".into()]));
    assert_eq!(given.noise(&diff("@@ -40,2 +40,2 @@\n # @generated by buck\n-a\n+b\n")), None);
}

#[test]
fn attributes_and_flags_count_for_files_that_were_there() {
    let given = |paths: &[(&str, bool)], flagged: &[&str]| Given {
        marks: GeneratedMarks {
            attributes: paths.iter().map(|&(path, set)| (path.into(), set)).collect(),
            flagged: flagged.iter().map(|&path| path.into()).collect(),
            ..GeneratedMarks::default()
        },
        ..Given::default()
    };
    let outcome = |given: Given, diff: &str| {
        let filtered = given.filter(diff);
        (filtered.left_out.first().map(|(_, noise)| noise.clone()), filtered.newly_generated.len())
    };
    let by = |what: &str| Some(Noise::Generated(what.to_owned()));
    assert_eq!(outcome(given(&[("x", true)], &[]), &modified("x")), (by("linguist-generated"), 0));
    assert_eq!(outcome(given(&[], &["x"]), &modified("x")), (by("GitLab's generated_file"), 0));
    assert_eq!(outcome(given(&[("x", false)], &["x"]), &modified("x")), (None, 0));
    assert_eq!(outcome(given(&[("x", true)], &["x"]), &added("x", "a")), (None, 1));
    let moved = "diff --git a/x b/y\nsimilarity index 90%\nrename from x\nrename to y\nindex 1111111..2222222 100644\n--- a/x\n+++ b/y\n\
                 @@ -1 +1 @@\n-a\n+b\n";
    assert_eq!(outcome(given(&[("y", true)], &["y"]), moved), (None, 1));
    assert_eq!(outcome(given(&[("x", true), ("y", true)], &[]), moved), (by("linguist-generated"), 0));
}

#[test]
fn marks_are_remarks_not_code() {
    let seen = |text: &str| {
        let marks = GeneratedMarks {
            base_text: [("x".into(), text.to_owned())].into(),
            head_text: [("x".into(), text.to_owned())].into(),
            ..GeneratedMarks::default()
        };
        Given { marks, ..Given::default() }.noise(&modified("x")).is_some()
    };
    for text in [
        "// @generated",
        " * @generated SignedSource<<0>>",
        "<!-- @generated -->",
        "// <auto-generated>",
        "# Generated by the protocol buffer compiler.  DO NOT EDIT!",
        "/*\n * NOTE: This class is auto generated by a tool.\n * Do not edit the class manually.\n */",
        "-- This file was generated by sqlc",
        "# This file is machine-generated - editing it directly is not advised",
        "package x\n\n// Code generated by mockgen. DO NOT EDIT.",
    ] {
        assert!(seen(text), "{text}");
    }
    for text in [
        "",
        "fn generated() {}",
        "let s = \"@generated\";",
        "//! Markers such as `@generated` take a file out of view.",
        "// @generated_by_hand",
        "# Do not edit the order of these lines.",
        &format!("{}// @generated", "\n".repeat(MARKER_LINES)),
    ] {
        assert!(!seen(text), "{text}");
    }
}

#[test]
fn filtered_files_at_sensitive_paths_go_to_the_security_reviewer() {
    let given = Given { never_send: globs(&["auth/customers.csv"]), ..Given::default() };
    let diff = [
        modified("auth/Cargo.lock"),
        modified("auth/customers.csv"),
        modified("auth/.env"),
        modified("auth/session.rs"),
        "diff --git a/auth/x.png b/auth/x.png\nindex 1111111..2222222 100644\nBinary files a/auth/x.png and b/auth/x.png differ\n"
            .to_owned(),
        modified("web/yarn.lock"),
    ]
    .concat();
    assert_eq!(given.filter(&diff).security_only, ["auth/Cargo.lock".into()]);
}

proptest! {
    #[test]
    fn every_file_is_reviewed_or_left_out_with_a_reason(picks in prop::collection::btree_set(prop::sample::select(vec![
        "Cargo.lock", "src/a.rs", "vendor/x.c", ".env", "a.min.js", "db/migrations/1.sql", "customer/x", "auth/go.sum", "b.js.map", "testdata/t",
    ]), 0..10)) {
        let given = Given { ignore: globs(&["testdata/**"]), never_send: globs(&["customer/**"]), ..Given::default() };
        let diff: String = picks.iter().map(|path| modified(path)).collect();
        let filtered = given.filter(&diff);
        let mut paths: Vec<_> = filtered.reviewed.files().iter().map(|file| file.path().as_str()).collect();
        paths.extend(filtered.left_out.iter().map(|(path, _)| path.as_str()));
        paths.sort_unstable();
        prop_assert_eq!(paths, picks.into_iter().collect::<Vec<_>>());
        let left_out = |path: &RepoPath| filtered.left_out.iter().any(|(out, noise)| out == path && !noise.is_withheld());
        prop_assert!(filtered.security_only.iter().all(left_out));
    }
}
