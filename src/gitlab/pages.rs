//! Lists that come in pages. It must not know what they hold.
//!
//! The library's own paging ends at the first short page, and GitLab's pages of notes are short wherever it hides one: only a missing link to
//! a next page is an end. The link's host is not believed, only what it asks for: behind a proxy it often names another one.

use gitlab::api::{Endpoint, RestClient as _};
use http::{Request, Response};
use reqwest::Url;
use reqwest::header::LINK;
use serde::de::DeserializeOwned;

use super::fault::{self, Fault};
use super::transport::MAX_ANSWER_BYTES;
use super::{Gitlab, GitlabError, GitlabErrorKind};

/// Pages of one list, of 100 entries each. GitLab allows 5,000 notes, system notes not counted.
const MAX_PAGES: usize = 200;
/// Largest list, in bytes of all its pages.
const MAX_LIST_BYTES: usize = 256 << 20;

impl Gitlab {
    /// Reads all pages of a list. `more` are parameters beside the endpoint's own.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        what: &str,
        endpoint: &(impl Endpoint + Sync),
        more: &[(&str, &str)],
    ) -> Result<Vec<T>, GitlabError> {
        let way = self.way(MAX_ANSWER_BYTES);
        let mut url = way.rest_endpoint(&endpoint.endpoint()).map_err(|error| fault::of_library(error).at(what))?;
        endpoint.parameters().add_to_url(&mut url);
        url.query_pairs_mut().append_pair("per_page", "100").extend_pairs(more);
        let (mut all, mut bytes) = (Vec::new(), 0);
        for _ in 0..MAX_PAGES {
            let request = Request::get(url.as_str()).body(Vec::new()).expect("a URL is a URI");
            let response = way.send(request).await.map_err(|fault| fault.at(what))?;
            bytes += response.body().len();
            let page: Vec<T> = read(&response).map_err(|fault| fault.at(what))?;
            all.extend(page);
            match next(&response, &url).map_err(|fault| fault.at(what))? {
                None => return Ok(all),
                Some(_) if bytes > MAX_LIST_BYTES => break,
                Some(next) => url = next,
            }
        }
        let said = format!("the list is longer than {MAX_PAGES} pages or {} MiB", MAX_LIST_BYTES >> 20);
        Err(GitlabError::new(what, GitlabErrorKind::TooLarge, said))
    }
}

fn read<T: DeserializeOwned>(response: &Response<bytes::Bytes>) -> Result<T, Fault> {
    serde_json::from_slice(response.body()).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => fault::unexpected(&error),
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            fault::not_json(response.status(), response.body())
        }
    })
}

/// Returns the page after the one at `url`.
fn next(response: &Response<bytes::Bytes>, url: &Url) -> Result<Option<Url>, Fault> {
    let unreadable = || Fault::new(GitlabErrorKind::Unexpected, "the link to the next page cannot be read");
    let mut next = None;
    for value in response.headers().get_all(LINK) {
        let text = value.to_str().map_err(|_| unreadable())?;
        if text.is_empty() {
            continue;
        }
        let links = http_link::parse_link_header(text, url).map_err(|_| unreadable())?;
        next = next.or_else(|| links.into_iter().find(|link| link.rel == "next").map(|link| link.target));
    }
    let mut after = url.clone();
    match next {
        Some(link) => after.set_query(link.query()),
        None => match numbered(response).map_err(|()| unreadable())? {
            Some(page) => {
                let pairs: Vec<_> =
                    url.query_pairs().filter(|(name, _)| name != "page").map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
                after.query_pairs_mut().clear().extend_pairs(pairs).append_pair("page", &page.to_string());
            }
            None => return Ok(None),
        },
    }
    // A server that points back at the same page would be asked for it for ever.
    if after == *url { Err(unreadable()) } else { Ok(Some(after)) }
}

/// Returns the number of the next page, for servers behind a proxy that drops links.
fn numbered(response: &Response<bytes::Bytes>) -> Result<Option<u32>, ()> {
    let Some(value) = response.headers().get("x-next-page").filter(|value| !value.is_empty()) else { return Ok(None) };
    value.to_str().ok().and_then(|text| text.trim().parse().ok()).map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_link_leads_to_another_host_or_path(link in "[ -~]{0,60}", wrapped in any::<bool>()) {
            let url = Url::parse("https://gitlab.example.com/sub/api/v4/x?per_page=100").unwrap();
            let value = if wrapped { format!("<{link}>; rel=\"next\"") } else { link };
            let response = Response::builder().header(LINK, value).body(bytes::Bytes::new()).unwrap();
            if let Ok(Some(next)) = super::next(&response, &url) {
                prop_assert_eq!((next.origin(), next.path()), (url.origin(), url.path()));
            }
        }
    }
}
