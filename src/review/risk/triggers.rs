//! What makes the reviewers *release* and *agents-md* run: files that ship, and files that the instructions of coding agents tell about. It must not
//! decide whether a reviewer runs: the roster does.

use super::places::{find_phrase, has_extension, is_deployment, words};
use crate::change::{FileDiff, RepoPath, Status, is_migration};

/// Manifests of packages, whole and in lower case.
#[rustfmt::skip]
const MANIFESTS: &[&str] = &[
    "build.gradle", "build.gradle.kts", "build.sbt", "cargo.toml", "composer.json", "deno.json", "gemfile", "go.mod", "meta.yaml", "mix.exs", "package.json",
    "package.swift", "pipfile", "podfile", "pom.xml", "pubspec.yaml", "pyproject.toml", "requirements.txt", "setup.cfg", "setup.py",
];

/// Extensions of manifests.
const MANIFEST_EXTENSIONS: &[&str] = &["csproj", "fsproj", "gemspec", "nuspec", "podspec", "vbproj"];

/// Stems of files that hold a version.
const VERSION_STEMS: &[&str] = &["__version__", "_version", "version"];

/// Names of changelogs, without extension.
const CHANGELOGS: &[&str] = &["changelog", "changes", "history", "news", "release_notes", "release-notes", "releases"];

/// Folders of changelog entries.
const CHANGELOG_FOLDERS: &[&str] = &[".changeset", ".changes", "changelog.d", "changelogs", "newsfragments"];

/// Extensions of interface definitions and schemas.
const SCHEMA_EXTENSIONS: &[&str] =
    &["avdl", "avsc", "fbs", "gql", "graphql", "graphqls", "prisma", "proto", "raml", "smithy", "thrift", "wsdl", "xsd"];

/// Names of interface definitions and schemas, whole and in lower case.
const SCHEMAS: &[&str] = &["schema.json", "schema.rb", "schema.sql", "schema.yaml", "schema.yml", "structure.sql"];

/// Beginnings of the names of interface definitions.
const SCHEMA_BEGINNINGS: &[&str] = &["asyncapi", "openapi", "swagger"];

/// Words side by side that are about feature flags.
const FLAG_PHRASES: &[&str] = &["feature flag", "feature toggle", "featureflag"];

/// Returns why a file is part of what ships, as a clause that names it; `None` if it is not.
pub fn touches_release(file: &FileDiff) -> Option<String> {
    under_its_names(file, |path| {
        let lower = path.as_str().to_ascii_lowercase();
        let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
        let folders = || folder.split('/');
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        let api = SCHEMA_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) && has_extension(path, &["json", "yaml", "yml"]);
        if MANIFESTS.contains(&name) || has_extension(path, MANIFEST_EXTENSIONS) {
            Some("is a manifest")
        } else if VERSION_STEMS.contains(&stem) {
            Some("holds a version")
        } else if is_migration(path) {
            Some("is a migration")
        } else if api || SCHEMAS.contains(&name) || name.ends_with(".schema.json") || has_extension(path, SCHEMA_EXTENSIONS) {
            Some("defines an interface or a schema")
        } else if CHANGELOGS.contains(&stem) || folders().any(|folder| CHANGELOG_FOLDERS.contains(&folder)) {
            Some("is a changelog")
        } else if is_deployment(path) {
            Some("defines CI or deployment")
        } else if says(path, FLAG_PHRASES) {
            Some("is about feature flags")
        } else {
            None
        }
    })
}

/// Instructions of coding agents, whole and in lower case.
const AGENT_FILES: &[&str] = &[
    ".clinerules",
    ".cursorrules",
    ".goosehints",
    ".windsurfrules",
    "agent.md",
    "agents.md",
    "claude.md",
    "copilot-instructions.md",
    "gemini.md",
    "conventions.md",
];

/// Folders of such instructions.
const AGENT_FOLDERS: &[&str] = &[".agents", ".claude", ".clinerules", ".cursor", ".gemini"];

/// Definitions of the build, whole and in lower case.
#[rustfmt::skip]
const BUILD_FILES: &[&str] = &[
    "build", "build.bazel", "build.gradle", "build.gradle.kts", "build.rs", "build.sbt", "build.zig", "cargo.toml", "cmakelists.txt", "composer.json",
    "configure.ac", "deno.json", "gemfile", "go.mod", "go.work", "gulpfile.js", "justfile", "lerna.json", "makefile", "meson.build", "mix.exs",
    "module.bazel", "moon.yml", "noxfile.py", "nx.json", "package.json", "package.swift", "pipfile", "pnpm-workspace.yaml", "pom.xml", "pubspec.yaml",
    "pyproject.toml", "rakefile", "requirements-dev.txt", "requirements.txt", "rush.json", "settings.gradle", "settings.gradle.kts", "setup.cfg",
    "setup.py", "taskfile.yaml", "taskfile.yml", "tox.ini", "turbo.json", "workspace",
];

/// Settings of test frameworks, whole and in lower case.
const TEST_FILES: &[&str] = &[".mocharc.json", ".rspec", "conftest.py", "nextest.toml", "phpunit.xml", "phpunit.xml.dist", "pytest.ini"];

/// Beginnings of the names of such settings.
const TEST_BEGINNINGS: &[&str] =
    &["cypress.config.", "jest.config.", "karma.conf.", "playwright.config.", "vitest.config.", "vitest.workspace."];

/// What a developer's machine must have, whole and in lower case.
#[rustfmt::skip]
const ENVIRONMENT_FILES: &[&str] = &[
    ".env.example", ".env.sample", ".env.template", ".envrc", ".java-version", ".node-version", ".npmrc", ".nvmrc", ".pre-commit-config.yaml",
    ".python-version", ".ruby-version", ".tool-versions", ".yarnrc", ".yarnrc.yml", "brewfile", "config.toml", "default.nix", "devcontainer.json",
    "flake.nix", "mise.toml", "rust-toolchain", "rust-toolchain.toml", "shell.nix", "vagrantfile",
];

/// Returns why a file is material to the instructions of coding agents, as a clause that names it; `None` if it is not.
pub fn touches_agent_instructions(file: &FileDiff) -> Option<String> {
    let by_name = under_its_names(file, |path| {
        let lower = path.as_str().to_ascii_lowercase();
        let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
        // Cargo's settings have a name that many others share.
        let environment = ENVIRONMENT_FILES.contains(&name) && (name != "config.toml" || folder.rsplit('/').next() == Some(".cargo"));
        if AGENT_FILES.contains(&name) || folder.split('/').any(|folder| AGENT_FOLDERS.contains(&folder)) {
            Some("instructs coding agents")
        } else if BUILD_FILES.contains(&name) {
            Some("defines the build")
        } else if TEST_FILES.contains(&name) || TEST_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) {
            Some("configures the tests")
        } else if environment || folder.split('/').any(|folder| folder == ".devcontainer") {
            Some("sets up the environment")
        } else if is_deployment(path) {
            Some("defines CI or deployment")
        } else {
            None
        }
    });
    by_name.or_else(|| moves_the_layout(file))
}

/// Instructions tell where things are, down to about two folders.
fn moves_the_layout(file: &FileDiff) -> Option<String> {
    let top = |path: &RepoPath| path.folder().split('/').take(2).map(str::to_owned).collect::<Vec<_>>();
    let (Status::Renamed, Some(old), Some(new)) = (file.status, &file.old, &file.new) else { return None };
    (top(old) != top(new)).then(|| format!("{old} moves to {new}"))
}

/// Asks about the file's new name, then its old one.
fn under_its_names(file: &FileDiff, why: impl Fn(&RepoPath) -> Option<&'static str>) -> Option<String> {
    [&file.new, &file.old].into_iter().flatten().find_map(|path| why(path).map(|why| format!("{path} {why}")))
}

/// Whether some part of a path holds one of these phrases, word by word.
fn says(path: &RepoPath, phrases: &[&str]) -> bool {
    path.as_str().split('/').any(|part| {
        let said = words(part);
        phrases.iter().any(|phrase| find_phrase(&said, phrase).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::parse;

    fn file(path: &str) -> FileDiff {
        let diff = format!("diff --git a/{path} b/{path}\nold mode 100644\nnew mode 100755\n");
        parse(diff.as_bytes()).unwrap().files()[0].clone()
    }

    #[test]
    fn what_ships_is_told_from_what_does_not() {
        let check = |path: &str, why: Option<&str>| {
            assert_eq!(touches_release(&file(path)), why.map(|why| format!("{path} {why}")), "{path}");
        };
        check("Cargo.toml", Some("is a manifest"));
        check("tools/x.gemspec", Some("is a manifest"));
        check("src/_version.py", Some("holds a version"));
        check("db/migrate/1_x.rb", Some("is a migration"));
        check("api/v1/user.proto", Some("defines an interface or a schema"));
        check("docs/openapi.yaml", Some("defines an interface or a schema"));
        check("CHANGELOG.md", Some("is a changelog"));
        check("changelogs/unreleased/x.yml", Some("is a changelog"));
        check("Dockerfile", Some("defines CI or deployment"));
        check("config/feature_flags/new_ui.yml", Some("is about feature flags"));
        check("src/FeatureFlags.kt", Some("is about feature flags"));
        check("src/lib.rs", None);
        check("src/conversion.rs", None);
        check("README.md", None);
    }

    #[test]
    fn what_agents_are_told_about_is_told_from_what_they_are_not() {
        let check = |path: &str, why: Option<&str>| {
            assert_eq!(touches_agent_instructions(&file(path)), why.map(|why| format!("{path} {why}")), "{path}");
        };
        check("AGENTS.md", Some("instructs coding agents"));
        check(".cursor/rules/x.mdc", Some("instructs coding agents"));
        check("Makefile", Some("defines the build"));
        check("web/package.json", Some("defines the build"));
        check("web/jest.config.ts", Some("configures the tests"));
        check("rust-toolchain.toml", Some("sets up the environment"));
        check(".cargo/config.toml", Some("sets up the environment"));
        check("app/config.toml", None);
        check(".gitlab-ci.yml", Some("defines CI or deployment"));
        check("src/lib.rs", None);
    }

    #[test]
    fn a_move_between_upper_folders_changes_the_layout() {
        let moved = |old: &str, new: &str| {
            let diff = format!("diff --git a/{old} b/{new}\nsimilarity index 100%\nrename from {old}\nrename to {new}\n");
            touches_agent_instructions(&parse(diff.as_bytes()).unwrap().files()[0])
        };
        assert_eq!(moved("src/a/x.rs", "src/b/x.rs"), Some("src/a/x.rs moves to src/b/x.rs".to_owned()));
        assert_eq!(moved("src/a/b/x.rs", "src/a/c/y.rs"), None);
    }
}
