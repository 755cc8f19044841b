//! Where a link in model-written text may lead. It must not fetch anything; what is not plainly allowed is not a link.

/// Path segments of pages that GitLab takes for references: a link there would leave a “mentioned in” behind, so it is shown as text.
const REFERENCES: [&str; 15] = [
    "issues",
    "merge_requests",
    "epics",
    "work_items",
    "snippets",
    "milestones",
    "iterations",
    "cadences",
    "vulnerabilities",
    "feature_flags",
    "alert_management",
    "designs",
    "contacts",
    "crm",
    "uploads",
];
/// Longest link, in bytes.
const MAX_URL_BYTES: usize = 500;

/// The places that links in model-written text may lead to: the project's own host, and the pages of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    origin: String,
    rule_pages: Vec<String>,
}

impl Links {
    /// Returns the links allowed for a project: `page` is any page of its host, e.g. `https://gitlab.example.com/shop/api`; each of
    /// `rule_pages` is the start of the address of rule pages, whole path segments.
    pub fn new(page: &str, rule_pages: Vec<String>) -> Self {
        Self { origin: split(page).map(|(origin, _)| origin).unwrap_or_default(), rule_pages }
    }

    /// Returns whether `url` may be a link as it stands.
    pub fn allow(&self, url: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=+,;%@".contains(&b);
        if url.len() > MAX_URL_BYTES || !url.bytes().all(plain) {
            return false;
        }
        let Some((origin, path)) = split(url) else { return false };
        if self.rule_pages.iter().any(|page| leads_below(url, page)) {
            return true;
        }
        // GitLab decodes an address before it looks for references in it; an encoded one is not worth the doubt.
        origin == self.origin && !path.contains(['%', '@']) && !path.split(['/', '?', '#', '&', '=']).any(is_reference)
    }
}

fn is_reference(segment: &str) -> bool {
    REFERENCES.iter().any(|name| segment.eq_ignore_ascii_case(name))
}

fn leads_below(url: &str, page: &str) -> bool {
    let page = page.trim_end_matches('/');
    !page.is_empty()
        && url.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#', '?']))
        && !url.contains("..")
}

/// Splits an address into scheme with host and port, in lower case, and the rest; none if it is not plainly `http` or `https`.
fn split(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let fine = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
    fine.then(|| (format!("{scheme}://{host}").to_ascii_lowercase(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_own_host_and_to_rule_pages_only() {
        let links = Links::new("https://gitlab.example.com/shop/api", vec!["https://docs.example.com/rules".to_owned()]);
        for url in [
            "https://gitlab.example.com/shop/api/-/blob/main/src/a.rs#L4",
            "https://GitLab.example.com/shop/api/-/jobs/12",
            "https://docs.example.com/rules/SEC-0012",
            "https://docs.example.com/rules#top",
        ] {
            assert!(links.allow(url), "{url}");
        }
        for url in [
            "http://gitlab.example.com/shop",
            "https://gitlab.example.com.evil.org/",
            "https://gitlab.example.com:8443/",
            "https://gitlab.example.com@evil.org/",
            "https://evil.org/?https://gitlab.example.com/",
            "https://gitlab.example.com/shop/api/-/issues/4",
            "https://gitlab.example.com/shop/api/-/%69ssues/4",
            "https://gitlab.example.com/shop/api/-/merge_requests/4#note_1",
            "https://docs.example.com/rules-evil/",
            "https://docs.example.com/rules/../x",
            "javascript:alert(1)",
            "//evil.org/",
            "/shop/api",
            "#1",
            "@all",
            "https://gitlab.example.com\\@evil.org/",
        ] {
            assert!(!links.allow(url), "{url}");
        }
    }

    #[test]
    fn a_project_without_a_known_host_allows_no_link_of_its_own() {
        assert!(!Links::new("", vec![String::new()]).allow("https://gitlab.example.com/"));
    }
}
