//! Paths inside a repository. It must not touch the file system.

use std::fmt;
use std::fmt::Write as _;

/// A path inside a repository, with `/` between its parts and none in front.
///
/// Git paths are bytes. Ordinary ones are UTF-8 and stand for themselves; others are shown as git quotes them (`caf\351.txt`) and keep
/// their bytes beside, so that the blob can still be found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath {
    text: String,
    raw: Option<Box<[u8]>>,
}

impl RepoPath {
    /// Returns the path of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self { text: text.to_owned(), raw: None };
        }
        let mut text = String::with_capacity(bytes.len() + 8);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                write!(text, "\\{byte:03o}").expect("writing to a string cannot fail");
            }
        }
        Self { text, raw: Some(bytes.into()) }
    }

    /// Returns the path as people read it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the path as git stores it.
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// Returns what stands behind the last `/`.
    pub fn file_name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or(&self.text)
    }

    /// Returns the folder without a trailing `/`; empty at the root.
    pub fn folder(&self) -> &str {
        self.text.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns what stands behind the last `.` of the file name, if anything does.
    pub fn extension(&self) -> Option<&str> {
        self.file_name().rsplit_once('.').map(|(_, extension)| extension).filter(|extension| !extension.is_empty())
    }
}

impl From<&str> for RepoPath {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), raw: None }
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_git_quotes_them_and_kept() {
        let path = RepoPath::from_bytes(b"docs/caf\xe9.txt");
        assert_eq!(path.as_str(), r"docs/caf\351.txt");
        assert_eq!(path.as_bytes(), b"docs/caf\xe9.txt");
        assert_eq!((path.folder(), path.file_name(), path.extension()), ("docs", r"caf\351.txt", Some("txt")));
    }
}
