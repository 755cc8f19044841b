//! Spans of a run for an OpenTelemetry collector: OTLP over HTTP, sent from a thread of its own, with a bounded farewell. A collector that is slow or down
//! must neither slow nor fail a review. Only names, counts and times are sent, never a prompt or an answer.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::env::Env;

/// How long one delivery may take.
const DELIVERY: Duration = Duration::from_secs(2);
/// How long the end of a run waits for the last delivery.
const FAREWELL: Duration = Duration::from_secs(3);
/// The name of everything that comes from here.
const NAME: &str = "assize";

/// The way to a collector.
pub struct Export(SdkTracerProvider);

impl Export {
    /// Returns the way to the collector that `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` names; nothing without either, with
    /// `OTEL_SDK_DISABLED=true`, or if it cannot be set up.
    pub fn new(env: &Env) -> Option<Self> {
        if env.var("OTEL_SDK_DISABLED") == Some("true") {
            return None;
        }
        let endpoint = match (env.var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), env.var("OTEL_EXPORTER_OTLP_ENDPOINT")) {
            (Some(exact), _) => exact.to_owned(),
            (None, Some(base)) => format!("{}/v1/traces", base.trim_end_matches('/')),
            (None, None) => return None,
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Apart::new()?)
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(endpoint)
            .with_headers(pairs(env.var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()))
            .with_timeout(DELIVERY)
            .build()
            .ok()?;
        let named = KeyValue::new("service.name", env.var("OTEL_SERVICE_NAME").unwrap_or(NAME).to_owned());
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let others = pairs(env.var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        let others = others.into_iter().map(|(key, value)| KeyValue::new(key, value));
        let resource = Resource::builder_empty().with_attributes(others.chain([named, version])).build();
        Some(Self(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()))
    }

    /// Returns what collects the spans of this program; those of libraries stay out.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(NAME, LevelFilter::INFO))
    }

    /// Delivers what is left, for a bounded time.
    pub fn farewell(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FAREWELL) {
            tracing::debug!("the collector did not take all spans: {error}");
        }
    }
}

/// Reads `key=value,key=value`, with values percent-encoded as OpenTelemetry's variables have them. What is no pair is left out.
fn pairs(text: &str) -> HashMap<String, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.trim().to_owned(), decoded(value.trim())))
    };
    text.split(',').filter_map(pair).collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A client with a runtime of its own: spans are delivered from a thread that the runtime of the review knows nothing about.
#[derive(Debug)]
struct Apart {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Apart {
    fn new() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let client = reqwest::Client::builder().timeout(DELIVERY).redirect(reqwest::redirect::Policy::none()).build().ok()?;
        Some(Self { runtime, client })
    }
}

#[async_trait::async_trait]
impl HttpClient for Apart {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(self.client.send_bytes(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        let mut env = Env::default();
        assert!(Export::new(&env).is_none());
        env.vars.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), "http://127.0.0.1:1".into());
        env.vars.insert("OTEL_SDK_DISABLED".into(), "true".into());
        assert!(Export::new(&env).is_none());
    }

    #[test]
    fn pairs_are_read_as_opentelemetry_writes_them() {
        let mut read: Vec<(String, String)> = pairs("a=1, authorization=Basic%20eA%3D%3D,broken,b=50%").into_iter().collect();
        read.sort();
        let expected = [("a", "1"), ("authorization", "Basic eA=="), ("b", "50%")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
