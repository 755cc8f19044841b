//! What a path says about its file: security-sensitive, part of CI or of deployment, documentation. Flat tables of whole words; it must not match
//! parts of words: `tokenizer.rs` is no token.

use std::ops::Range;

use globset::GlobSet;

use crate::change::RepoPath;

/// Words of a path that make it security-sensitive, in lower case and singular where an `s` makes the plural.
#[rustfmt::skip]
const SENSITIVE_WORDS: &[&str] = &[
    // Authentication.
    "auth", "authn", "authentication", "authenticate", "authenticated", "authenticator", "credential", "kerberos", "ldap", "login", "logon", "logout",
    "mfa", "oauth", "oidc", "open id", "openid", "otp", "passkey", "passphrase", "passwd", "password", "saml", "scim", "signin", "signon", "sso", "totp", "webauthn",
    // Authorisation.
    "abac", "access control", "acl", "authorisation", "authorise", "authorised", "authoriser", "authorization", "authorize", "authorized", "authorizer",
    "authz", "codeowner", "entitlement", "impersonate", "impersonation", "permission", "privilege", "rbac", "sudo", "sudoer",
    // Sessions.
    "cookie", "cors", "csrf", "jwk", "jwt", "session", "xsrf",
    // Cryptography.
    "aes", "api key", "access key", "apikey", "argon2", "bcrypt", "cert", "certificate", "cipher", "crypto", "cryptographic", "cryptography", "decrypt",
    "decryption", "encrypt", "encrypted", "encryption", "encryption key", "gpg", "hmac", "host key", "keyring", "keystore", "keyvault", "kms", "pgp",
    "pki", "private key", "privatekey", "scrypt", "signing", "signing key", "ssh", "ssl", "tls", "truststore", "x509",
    // Secrets and tokens.
    "secret", "token", "vault",
    // Payment.
    "billing", "creditcard", "credit card", "invoice", "payment", "payout", "paypal", "refund", "stripe", "wallet",
    // Sandboxing and hardening.
    "apparmor", "chroot", "firewall", "sandbox", "sandboxed", "sandboxing", "seccomp", "security", "selinux",
];

/// Extensions of keys, certificates and policies.
const SENSITIVE_EXTENSIONS: &[&str] = &["cer", "crt", "csr", "jks", "key", "p12", "pem", "pfx", "pub", "rego"];

/// Words that mean something harmless together; taken out before the others are looked for.
const HARMLESS_PHRASES: &[&str] = &["design token", "secret santa", "token tree", "token stream"];

/// File names of CI, deployment and ownership, whole and in lower case.
#[rustfmt::skip]
const DEPLOY_FILES: &[&str] = &[
    ".drone.yml", ".gitlab-ci.yaml", ".gitlab-ci.yml", ".semaphore.yml", ".travis.yml", "action.yaml", "action.yml", "app.yaml", "appspec.yml",
    "appveyor.yml", "bitbucket-pipelines.yml", "buildspec.yml", "captain-definition", "chart.yaml", "cloudbuild.json", "cloudbuild.yaml", "cloudbuild.yml",
    "codeowners", "fly.toml", "helmfile.yaml", "helmfile.yml", "jenkinsfile", "kustomization.yaml", "kustomization.yml", "netlify.toml", "now.json",
    "procfile", "pulumi.yaml", "railway.toml", "render.yaml", "serverless.yaml", "serverless.yml", "skaffold.yaml", "terragrunt.hcl", "vagrantfile",
    "vercel.json", "wercker.yml",
];

/// Beginnings of such names: what follows is a variant (`Dockerfile.prod`, `docker-compose.override.yml`).
#[rustfmt::skip]
const DEPLOY_BEGINNINGS: &[&str] = &[
    ".woodpecker.", "azure-pipelines", "compose.", "containerfile", "docker-bake.", "docker-compose", "dockerfile", "jenkinsfile.", "values-", "values.",
];

/// Ends of such names.
const DEPLOY_ENDS: &[&str] =
    &[".bicep", ".containerfile", ".dockerfile", ".gitlab-ci.yaml", ".gitlab-ci.yml", ".nomad", ".tf", ".tf.json", ".tfvars"];

/// Folders all of whose files define CI or deployment, whole and in lower case.
#[rustfmt::skip]
const DEPLOY_FOLDERS: &[&str] = &[
    ".buildkite", ".ci", ".circleci", ".gitlab-ci", ".semaphore", ".tekton", ".woodpecker", "ansible", "argocd", "ci-component", "cloudformation", "deploy",
    "deployment", "deployments", "flux-system", "helm", "k8s", "kubernetes", "kustomize", "terraform",
];

/// The same, of two folders one in the other.
const DEPLOY_FOLDER_PAIRS: &[(&str, &str)] = &[(".github", "actions"), (".github", "workflows"), (".gitlab", "agents"), (".gitlab", "ci")];

/// Extensions of documentation.
const DOC_EXTENSIONS: &[&str] = &["adoc", "asciidoc", "markdown", "md", "mdx", "org", "pod", "rdoc", "rst", "tex", "textile"];

/// Names of documentation without such an extension, or with `.txt`.
const DOC_STEMS: &[&str] = &[
    "authors",
    "changelog",
    "changes",
    "contributing",
    "contributors",
    "copying",
    "history",
    "licence",
    "license",
    "news",
    "notice",
    "readme",
    "thanks",
];

/// Folders in which a `.txt` is documentation.
const DOC_FOLDERS: &[&str] = &["doc", "docs", "documentation", "man"];

/// Extensions in which tokens are colours and distances.
const STYLE_EXTENSIONS: &[&str] = &["css", "less", "pcss", "sass", "scss", "styl"];

/// Returns why a path is security-sensitive, as a clause; `None` if it is not.
///
/// The project's own globs hold for every file; the built-in words and places not for documentation.
pub fn is_sensitive(path: &RepoPath, extra: &GlobSet) -> Option<String> {
    if extra.is_match(path.as_str()) {
        return Some("the project's own list names it".to_owned());
    }
    // What steers this reviewer is no documentation, whatever its extension.
    if matches!(path.as_str(), ".assize.yml" | ".assize.yaml") || path.as_str().starts_with(".assize/") {
        return Some("it configures this review".to_owned());
    }
    if is_documentation(path) {
        return None;
    }
    if is_deployment(path) {
        return Some("it defines CI or deployment".to_owned());
    }
    if has_extension(path, SENSITIVE_EXTENSIONS) {
        return Some("it holds a key, a certificate or a policy".to_owned());
    }
    sensitive_word(path).map(|word| format!("its path says `{word}`"))
}

/// Returns the first sensitive word of a path, as the table has it.
fn sensitive_word(path: &RepoPath) -> Option<&'static str> {
    let is_style = has_extension(path, STYLE_EXTENSIONS);
    let name = path.file_name();
    // The last extension tells the language; `auth.test.ts` is about its other words, and so is `.htpasswd`.
    let stem = name.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty()).unwrap_or(name);
    path.folder().split('/').chain([stem]).find_map(|part| {
        let mut said = words(part);
        for phrase in HARMLESS_PHRASES {
            while let Some(place) = find_phrase(&said, phrase) {
                said.drain(place);
            }
        }
        let is_colour = |word: &str| is_style && word == "token";
        SENSITIVE_WORDS.iter().copied().find(|word| !is_colour(word) && find_phrase(&said, word).is_some())
    })
}

/// Splits `parseHTTPToken_v2-old` into its words, in lower case: `parse http token v2 old`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = text.chars().collect();
    for (index, &char) in chars.iter().enumerate() {
        if !char.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(index + 1);
        // A capital begins a word behind a small letter or a digit, and where an acronym ends: `HTTPToken`.
        let begins =
            char.is_uppercase() && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if begins {
            words.push(String::new());
        }
        words.last_mut().expect("there is always a word").extend(char.to_lowercase());
    }
    // A number behind a word is a version of it: `oauth2`, `session3`. Words that carry one by nature are in the tables as they are.
    let numbered: Vec<_> = words.iter().filter_map(|word| word.strip_suffix(|c: char| c.is_ascii_digit())).map(str::to_owned).collect();
    words.extend(numbered);
    words.retain(|word| !word.is_empty());
    words
}

/// Finds the words of a phrase side by side; the last one may be in the plural.
pub(super) fn find_phrase(words: &[String], phrase: &str) -> Option<Range<usize>> {
    let length = phrase.split(' ').count();
    let is = |word: &str, wanted: &str, last: bool| word == wanted || (last && word.strip_suffix('s') == Some(wanted));
    (0..=words.len().checked_sub(length)?).map(|start| start..start + length).find(|place| {
        let pairs = words[place.clone()].iter().zip(phrase.split(' '));
        pairs.enumerate().all(|(index, (word, wanted))| is(word, wanted, index + 1 == length))
    })
}

/// Returns whether a path is documentation, by its extension or by its name.
pub(super) fn is_documentation(path: &RepoPath) -> bool {
    if has_extension(path, DOC_EXTENSIONS) {
        return true;
    }
    let name = path.file_name().to_ascii_lowercase();
    let plain = name.strip_suffix(".txt");
    let stem = plain.unwrap_or(&name);
    DOC_STEMS.contains(&stem) || (plain.is_some() && path.folder().split('/').any(|folder| DOC_FOLDERS.contains(&folder)))
}

/// Returns whether a path defines CI, deployment or who must approve a change.
pub(super) fn is_deployment(path: &RepoPath) -> bool {
    let lower = path.as_str().to_ascii_lowercase();
    let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let folders: Vec<&str> = folder.split('/').collect();
    // `values.yaml` is Helm's, `values.rs` is not.
    let begins = |beginning: &&str| {
        name.strip_prefix(*beginning).is_some_and(|rest| {
            let is_data = has_extension(path, &["hcl", "json", "yaml", "yml"]);
            if beginning.contains("file") { rest.is_empty() || rest.starts_with(['.', '-', '_']) } else { is_data }
        })
    };
    DEPLOY_FILES.contains(&name)
        || DEPLOY_BEGINNINGS.iter().any(begins)
        || DEPLOY_ENDS.iter().any(|end| name.ends_with(end))
        || folders.iter().any(|folder| DEPLOY_FOLDERS.contains(folder))
        || folders.windows(2).any(|pair| DEPLOY_FOLDER_PAIRS.contains(&(pair[0], pair[1])))
}

pub(super) fn has_extension(path: &RepoPath, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|own| extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use globset::Glob;

    use super::*;

    fn why(path: &str) -> Option<String> {
        is_sensitive(&path.into(), &GlobSet::default())
    }

    #[test]
    fn whole_words_of_a_path_make_it_sensitive() {
        let check = |path: &str, word: &str| assert_eq!(why(path), Some(format!("its path says `{word}`")), "{path}");
        check("src/auth/handler.rs", "auth");
        check("src/user_session.py", "session");
        check("src/UserSession.java", "session");
        check("src/parseHTTPToken.ts", "token");
        check("web/refresh-tokens.ts", "token");
        check("lib/oauth2.rb", "oauth");
        check("pkg/JWTVerifier.go", "jwt");
        check("services/auth-service/main.go", "auth");
        check("src/password_test.go", "password");
        check("src/auth.test.ts", "auth");
        check("src/apiKey.ts", "api key");
        check("config/secrets.yml", "secret");
        check("app/models/payment.rb", "payment");
        check("src/Sandbox.swift", "sandbox");
        check("src/tls.rs", "tls");
        check("lib/x509.go", "x509");
        check("src/OAuth2Client.kt", "auth");
        check("src/OpenIDConnect.cs", "open id");
    }

    #[test]
    fn parts_of_words_do_not() {
        for path in [
            "src/tokenizer.rs",
            "web/design-tokens.css",
            "web/designTokens.ts",
            "design-tokens/colors.json",
            "web/tokens.scss",
            "src/author.rs",
            "src/authors/list.py",
            "src/obsession.rs",
            "src/secretary.rs",
            "src/accessible.ts",
            "src/certain.rs",
            "src/repayments_x/none.rs",
            "src/keyboard.rs",
            "src/lib.rs",
            "values.rs",
            "src/composer.ts",
            "src/deployer.rs",
        ] {
            assert_eq!(why(path), None, "{path}");
        }
    }

    #[test]
    fn definitions_of_ci_and_deployment_are_sensitive() {
        for path in [
            ".gitlab-ci.yml",
            "ci/build.gitlab-ci.yml",
            ".gitlab/ci/test.yml",
            ".github/workflows/test.yaml",
            "Dockerfile",
            "images/Dockerfile.prod",
            "api.dockerfile",
            "docker-compose.override.yml",
            "compose.yaml",
            "k8s/api.yaml",
            "charts/api/Chart.yaml",
            "charts/api/values-prod.yaml",
            "infra/main.tf",
            "terraform/x/y.json",
            "Jenkinsfile",
            "CODEOWNERS",
            ".gitlab/CODEOWNERS",
        ] {
            assert_eq!(why(path).as_deref(), Some("it defines CI or deployment"), "{path}");
        }
    }

    #[test]
    fn documentation_never_is() {
        for path in [
            "docs/authentication.md",
            "src/auth/README.md",
            "k8s/README.rst",
            "SECURITY.md",
            "auth/LICENSE",
            "docs/tokens.txt",
            "terraform/CHANGELOG",
        ] {
            assert_eq!(why(path), None, "{path}");
        }
        assert!(why("config/secrets.txt").is_some());
        assert!(why("policies/admission.rego").is_some());
    }

    #[test]
    fn the_projects_own_list_and_the_reviewers_own_files_hold_for_all() {
        let extra = GlobSet::new([Glob::new("infra/**").unwrap()]).unwrap();
        assert_eq!(is_sensitive(&"infra/notes.md".into(), &extra).as_deref(), Some("the project's own list names it"));
        for path in [".assize.yml", ".assize/codex/SEC-0001-x.md"] {
            assert_eq!(why(path).as_deref(), Some("it configures this review"), "{path}");
        }
    }

    #[test]
    fn names_are_split_where_people_see_words() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("parseHTTPToken_old-one", &["parse", "http", "token", "old", "one"]);
        check("oauth2", &["oauth2", "oauth"]);
        check("__init__", &["init"]);
        check("ÉtatJWT", &["état", "jwt"]);
    }
}
