//! Where GitLab is and how it is reached: address, token, certificates, proxies, time. It must not send anything.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Client, NoProxy, Proxy, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use super::Retry;
use crate::env::Env;
use crate::error::Failure;

/// How long to wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one request may take, its answer included. GitLab itself gives up after 60 s.
const TOTAL: Duration = Duration::from_secs(75);

/// Everything that is needed to reach a GitLab.
pub struct Connection {
    /// Base of the REST API, as in `CI_API_V4_URL`; never made from a host name, so that installs under a path work.
    pub api: String,
    /// The GraphQL endpoint, as in `CI_API_GRAPHQL_URL`. It is needed for requests for changes before GitLab 19.2 alone.
    pub graphql: Option<String>,
    /// The token that everything is sent with.
    pub token: SecretString,
    /// PEM certificates to trust beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Proxies.
    pub proxies: Proxies,
    /// The longest time for one request, its answer included.
    pub timeout: Duration,
    /// What is sent again, and when.
    pub retry: Retry,
}

impl Connection {
    /// Returns a connection with the ordinary waiting times, without proxies or certificates of its own.
    pub fn new(api: impl Into<String>, token: SecretString) -> Self {
        Self { api: api.into(), graphql: None, token, ca_pem: None, proxies: Proxies::default(), timeout: TOTAL, retry: Retry::default() }
    }
}

/// The proxies of a run. An address may hold a password.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http:` addresses.
    pub http: Option<String>,
    /// For `https:` addresses.
    pub https: Option<String>,
    /// Hosts that are reached directly, with commas between them; `*` is all.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// Returns the proxies that the environment names. The lower-case names come first, as in curl; `HTTP_PROXY` is not read, because in a CGI
    /// program the caller would set it.
    pub fn from_env(env: &Env) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| env.var(name)).map(str::to_owned);
        Self {
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            no_proxy: first(&["no_proxy", "NO_PROXY"]),
        }
    }
}

/// A connection that was checked: what the transport holds.
pub(super) struct Checked {
    pub(super) client: Client,
    pub(super) api: Url,
    pub(super) graphql: Option<Url>,
    pub(super) authorization: HeaderValue,
}

/// Checks a connection. Makes no request.
pub(super) fn check(connection: &Connection) -> Result<Checked, Failure> {
    let mut api = address(&connection.api, "CI_API_V4_URL")?;
    // So that endpoints are appended, not put in place of the last part.
    let path = format!("{}/", api.path().trim_end_matches('/'));
    api.set_path(&path);
    let graphql = connection.graphql.as_deref().map(|url| address(url, "CI_API_GRAPHQL_URL")).transpose()?;
    Ok(Checked { client: client(connection)?, api, graphql, authorization: authorization(&connection.token)? })
}

fn address(text: &str, variable: &str) -> Result<Url, Failure> {
    let example = format!("{variable} looks like https://gitlab.example.com/api/v4");
    let url =
        Url::parse(text.trim()).map_err(|error| Failure::usage(format!("the address of GitLab is no URL: {error}")).hint(&example))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("the address of GitLab is no plain http or https URL").hint(example));
    }
    Ok(url)
}

fn authorization(token: &SecretString) -> Result<HeaderValue, Failure> {
    let token = token.expose_secret().trim();
    let value = (!token.is_empty()).then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok()).flatten();
    let mut value = value.ok_or_else(|| {
        Failure::usage("the GitLab token is empty or holds characters that no token has").hint("set ASSIZE_GITLAB_TOKEN to the token alone")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(connection: &Connection) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .user_agent(concat!("assize/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(connection.timeout))
        .timeout(connection.timeout)
        // An API does not redirect, and what it asks for would be sent to wherever it points.
        .redirect(redirect::Policy::none())
        // The proxies are those that were given, not what the process finds in its environment.
        .no_proxy();
    let direct = connection.proxies.no_proxy.as_deref().and_then(NoProxy::from_string);
    let proxies = [connection.proxies.http.as_deref().map(Proxy::http), connection.proxies.https.as_deref().map(Proxy::https)];
    for proxy in proxies.into_iter().flatten() {
        // The error repeats the address, which may hold a password.
        let proxy = proxy.map_err(|_| Failure::usage("the address of the proxy is no URL").hint("check HTTPS_PROXY"))?;
        builder = builder.proxy(proxy.no_proxy(direct.clone()));
    }
    if let Some(pem) = &connection.ca_pem {
        let certificates = Certificate::from_pem_bundle(pem).ok().filter(|certificates| !certificates.is_empty()).ok_or_else(|| {
            Failure::usage("the CA file of GitLab holds no readable certificate")
                .hint("CI_SERVER_TLS_CA_FILE names a file of PEM certificates")
        })?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| {
        Failure::usage(format!("cannot set up TLS: {}", super::fault::innermost(&error)))
            .hint("install the system's CA certificates, or name a file of them in SSL_CERT_FILE")
    })
}
