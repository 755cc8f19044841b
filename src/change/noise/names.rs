//! What a file's name says about it: flat tables, nothing else. It must not look at the content, but for telling a certificate from a key.

use super::names_of;
use crate::change::{FileDiff, RepoPath};

/// Lock files of package managers, by whole name in lower case.
const LOCK_FILES: &[&str] = &[
    ".package-lock.json",
    ".terraform.lock.hcl",
    "bun.lock",
    "bun.lockb",
    "cabal.project.freeze",
    "cargo.lock",
    "cartfile.resolved",
    "chart.lock",
    "composer.lock",
    "conan.lock",
    "conda-lock.yml",
    "deno.lock",
    "devbox.lock",
    "flake.lock",
    "gemfile.lock",
    "gems.locked",
    "glide.lock",
    "go.sum",
    "go.work.sum",
    "gopkg.lock",
    "gradle.lockfile",
    "buildscript-gradle.lockfile",
    "mix.lock",
    "module.bazel.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "packages.lock.json",
    "paket.lock",
    "pants.lock",
    "pdm.lock",
    "pipfile.lock",
    "pixi.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "project.assets.json",
    "pubspec.lock",
    "pylock.toml",
    "rebar.lock",
    "renv.lock",
    "requirements.lock",
    "requirements-dev.lock",
    "shard.lock",
    "soldeer.lock",
    "spago.lock",
    "stack.yaml.lock",
    "symfony.lock",
    "uv.lock",
    "vcpkg-lock.json",
    "yarn.lock",
];

/// Folders that hold other people's code, by whole name.
const VENDOR_FOLDERS: &[&str] = &[
    ".bundle",
    ".pnpm-store",
    ".venv",
    ".yarn",
    "Carthage",
    "Godeps",
    "Pods",
    "_vendor",
    "bower_components",
    "elm-stuff",
    "jspm_packages",
    "node_modules",
    "site-packages",
    "third-party",
    "third_party",
    "thirdparty",
    "vendor",
    "vendored",
    "vendors",
    "venv",
];

/// Files of a package manager that stand beside the project's own, by whole name.
const VENDOR_FILES: &[&str] = &[".pnp.cjs", ".pnp.js", ".pnp.loader.mjs"];

/// Extensions of what bundlers write and minifiers shrink.
const BUNDLED_EXTENSIONS: &[&str] = &["cjs", "css", "js", "mjs"];

/// Ends of the name, before the extension, that minifiers and bundlers give.
const BUNDLED_STEMS: &[&str] = &[".min", "-min", ".bundle", ".bundled", ".chunk", ".packed", ".umd.min"];

/// Folders that bundlers write to; only scripts and stylesheets in them count.
const BUNDLED_FOLDERS: &[&str] = &["dist", ".next", ".nuxt", ".output"];

/// What stands between the name and `.map` in a source map.
const MAPPED_EXTENSIONS: &[&str] = &["cjs", "css", "js", "jsx", "mjs", "ts", "tsx", "wasm"];

/// Folders of database migrations, by whole name in lower case.
const MIGRATION_FOLDERS: &[&str] = &["alembic", "flyway", "liquibase", "migrate", "migration", "migrations", "schema_migrations"];

/// Names of files with secrets, in lower case.
const SECRET_FILES: &[&str] = &[
    ".dockercfg",
    ".git-credentials",
    ".htpasswd",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    "_netrc",
    "credentials.json",
    "id_dsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_rsa",
    "kubeconfig",
    "service-account.json",
    "service_account.json",
    "terraform.tfstate",
];

/// Extensions of private keys, keystores and states with secrets.
const SECRET_EXTENSIONS: &[&str] =
    &["bcfks", "bks", "jceks", "jks", "kdb", "kdbx", "key", "keystore", "p12", "p8", "pfx", "pk8", "ppk", "pvk", "tfstate", "truststore"];

/// Folder and name of credentials that are ordinary names elsewhere.
const SECRET_PLACES: &[(&str, &str)] = &[(".aws", "credentials"), (".docker", "config.json"), (".kube", "config"), (".ssh", "identity")];

/// Words that make an environment file an example.
const EXAMPLE_WORDS: &[&str] = &["default", "defaults", "dist", "example", "examples", "sample", "schema", "template", "tmpl", "tpl"];

/// Returns whether the file is a lock file of a package manager.
pub fn is_lock_file(path: &RepoPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    LOCK_FILES.contains(&name.as_str()) || name.ends_with(".lock.hcl")
}

/// Whether the file is in a folder of other people's code, or put there by a package manager.
pub(super) fn is_vendored(path: &RepoPath) -> bool {
    VENDOR_FILES.contains(&path.file_name()) || folders(path).any(|folder| VENDOR_FOLDERS.contains(&folder))
}

/// Whether the file is a source map.
pub(super) fn is_source_map(path: &RepoPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let mapped = name.strip_suffix(".map").and_then(|name| name.rsplit_once('.'));
    mapped.is_some_and(|(_, extension)| MAPPED_EXTENSIONS.contains(&extension))
}

/// Whether the name says that the file was bundled or minified.
pub(super) fn is_bundle(path: &RepoPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    BUNDLED_EXTENSIONS.contains(&extension)
        && (BUNDLED_STEMS.iter().any(|end| stem.ends_with(end)) || folders(path).any(|folder| BUNDLED_FOLDERS.contains(&folder)))
}

/// Whether long lines make such a file a bundle.
pub(super) fn can_be_bundled(path: &RepoPath) -> bool {
    path.extension().is_some_and(|extension| BUNDLED_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// Returns whether the file is a database migration, by its folder or by Flyway's way of naming.
pub fn is_migration(path: &RepoPath) -> bool {
    folders(path).any(|folder| MIGRATION_FOLDERS.contains(&folder.to_ascii_lowercase().as_str())) || is_flyway(path.file_name())
}

/// Whether a name is `V12__what.sql`, `U12__what.sql` or `R__what.sql`.
fn is_flyway(name: &str) -> bool {
    let Some((version, _)) = name.strip_suffix(".sql").and_then(|stem| stem.split_once("__")) else { return false };
    match version.strip_prefix(['V', 'U']) {
        Some(number) => !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_')),
        None => version == "R",
    }
}

/// Whether the file looks like a secret; a certificate in a `.pem` file is public.
pub(super) fn is_secret_file(file: &FileDiff) -> bool {
    names_of(file).any(looks_secret) && !names_of(file).all(|path| has_extension(path, "pem") && shows_only_certificates(file))
}

/// Only a diff that shows the whole file can tell: a key may stand outside the hunks of another.
fn shows_only_certificates(file: &FileDiff) -> bool {
    if file.old.is_some() && file.new.is_some() {
        return false;
    }
    let mut begins = file.lines().filter_map(|line| line.text.trim().strip_prefix("-----BEGIN "));
    let public = |begin: &str| begin.starts_with("CERTIFICATE") || begin.starts_with("PUBLIC KEY");
    begins.next().is_some_and(public) && begins.all(public)
}

/// Returns whether the name is that of an environment file, a private key, a keystore or a file of credentials.
pub fn looks_secret(path: &RepoPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let in_place = |(folder, place): &(&str, &str)| name == *place && path.folder().rsplit('/').next() == Some(folder);
    SECRET_FILES.contains(&name.as_str())
        || SECRET_EXTENSIONS.iter().any(|extension| has_extension(path, extension))
        || has_extension(path, "pem")
        || name.ends_with(".tfstate.backup")
        || SECRET_PLACES.iter().any(in_place)
        || is_env_file(&name)
}

/// Whether a name is `.env`, `.env.production` or `prod.env`, and not that of an example.
fn is_env_file(name: &str) -> bool {
    let is_env = name == ".env" || name.starts_with(".env.") || name.rsplit_once('.').is_some_and(|(_, extension)| extension == "env");
    let example = name.split(['.', '-', '_']).any(|word| EXAMPLE_WORDS.contains(&word));
    is_env && !example
}

fn has_extension(path: &RepoPath, extension: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension))
}

fn folders(path: &RepoPath) -> impl Iterator<Item = &str> {
    path.folder().split('/')
}
