//! The language of a file, from its name alone.

use std::fmt;

use super::RepoPath;

/// The language of a file, as rules name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(&'static str);

/// Every language with its extensions and whole file names.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("rust", &["rs"], &[]),
    ("python", &["py", "pyi", "pyw"], &[]),
    ("typescript", &["ts", "mts", "cts"], &[]),
    ("tsx", &["tsx"], &[]),
    ("javascript", &["js", "mjs", "cjs", "jsx"], &[]),
    ("go", &["go"], &[]),
    ("java", &["java"], &[]),
    ("kotlin", &["kt", "kts"], &[]),
    ("swift", &["swift"], &[]),
    ("c", &["c", "h"], &[]),
    ("cpp", &["cc", "cpp", "cxx", "hh", "hpp", "hxx"], &[]),
    ("csharp", &["cs"], &[]),
    ("ruby", &["rb", "rake"], &["Gemfile", "Rakefile"]),
    ("php", &["php"], &[]),
    ("shell", &["sh", "bash", "zsh"], &[".bashrc", ".profile"]),
    ("sql", &["sql"], &[]),
    ("yaml", &["yml", "yaml"], &[]),
    ("json", &["json"], &[]),
    ("toml", &["toml"], &[]),
    ("terraform", &["tf", "tfvars"], &[]),
    ("dockerfile", &["dockerfile"], &["Dockerfile", "Containerfile"]),
    ("markdown", &["md", "markdown"], &[]),
    ("html", &["html", "htm"], &[]),
    ("css", &["css", "scss", "sass", "less"], &[]),
    ("text", &["txt", "rst", "adoc"], &[]),
];

impl Language {
    /// Returns the language a rule names, e.g. `rust`.
    pub fn parse(word: &str) -> Option<Self> {
        TABLE.iter().find(|(name, _, _)| *name == word).map(|(name, _, _)| Self(name))
    }

    /// Returns the language of a file, if its name tells.
    pub fn of(path: &RepoPath) -> Option<Self> {
        let name = path.file_name();
        let extension = path.extension().map(str::to_ascii_lowercase);
        TABLE
            .iter()
            .find(|(_, extensions, names)| {
                names.contains(&name)
                    || names.iter().any(|whole| name.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.')))
                    || extension.as_deref().is_some_and(|extension| extensions.contains(&extension))
            })
            .map(|(name, _, _)| Self(name))
    }

    /// Returns the names of all languages, in the order of the table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(name, _, _)| *name)
    }

    /// Returns the name, as rules and fences write it.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Returns the usual extension, for an example without a file name.
    pub fn extension(self) -> &'static str {
        TABLE.iter().find(|(name, _, _)| *name == self.0).and_then(|(_, extensions, _)| extensions.first().copied()).unwrap_or("txt")
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_its_language() {
        let check =
            |path: &str, language: Option<&str>| assert_eq!(Language::of(&RepoPath::from(path)).map(Language::name), language, "{path}");
        check("src/lib.rs", Some("rust"));
        check("web/App.TSX", Some("tsx"));
        check("Dockerfile", Some("dockerfile"));
        check("Dockerfile.prod", Some("dockerfile"));
        check("LICENSE", None);
    }
}
