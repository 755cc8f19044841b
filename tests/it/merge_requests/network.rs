//! What stands between a job and the world: proxies, and certificates of an authority of one's own. The program runs as a process, because what it
//! finds in its environment is what counts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Shop, lines};
use crate::gitlab::{Depth, Edit, Options, Pipeline};
use crate::model_server::{Answer, ModelServer};

const GITLAB: &str = "gitlab.example.test";
const MODELS: &str = "models.example.test";

/// An authority of one's own, and its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("it signs itself");
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Puts TLS in front of a server; returns the port. The certificate is for the names of this file and for 127.0.0.1.
    async fn front(&self, server: &str) -> u16 {
        let names = [GITLAB, MODELS, "127.0.0.1"].map(str::to_owned).to_vec();
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &self.issuer).expect("it signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("they fit");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate goes.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(server).await.expect("the server listens");
                    copy_bidirectional(&mut stream, &mut behind).await.ok();
                });
            }
        });
        port
    }
}

/// A proxy that knows where the names of this file are, and writes down what it was asked for.
async fn proxy(gitlab: u16, models: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asks = Arc::clone(&asks);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut first, mut line) = (String::new(), String::new());
                stream.read_line(&mut first).await.expect("a request");
                while stream.read_line(&mut line).await.expect("headers") > 2 {
                    line.clear();
                }
                let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let (name, port) = target.split_once(':').expect("CONNECT NAME:PORT");
                let port = match name {
                    GITLAB => gitlab,
                    MODELS => models,
                    _ => port.parse().expect("a port"),
                };
                asks.lock().expect("nobody panics").push(first.split(" HTTP").next().unwrap_or_default().to_owned());
                let mut behind = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("it waits");
                copy_bidirectional(&mut stream, &mut behind).await.ok();
            });
        }
    });
    (port, asked)
}

/// A merge request whose reviewer is asked at this address.
async fn shop(models: &str) -> Shop {
    let config = super::CONFIG.to_owned() + &super::one_reviewer(models);
    let base = Edit::new()
        .write(".assize.yml", config)
        .write(".assize/codex/ACME-0001-bug.md", super::BUG_RULE)
        .write("notes.txt", lines(40, &[]));
    Shop::on(Options::default(), base, [("notes.txt", lines(40, &[(20, "BUG here")]))]).await
}

fn nothing_found(models: &ModelServer) {
    for _ in 0..3 {
        models.then(Answer::default().call("c1", "submit_findings", &json!({ "findings": [] }).to_string()));
    }
}

/// Runs the job as a process, with these variables beside its own; returns its code and everything that it said.
async fn run(shop: &Shop, api: &str, vars: &[(&str, &str)]) -> (Option<i32>, String) {
    let job = shop.with_token(shop.mr.job(Pipeline::Detached, Depth::Full));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_assize"));
    command.arg("review").current_dir(job.path()).env_clear().envs(&job.vars).kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("CI_API_V4_URL", api).envs(vars.iter().copied());
    let output = command.output().await.expect("the binary starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_and_models_are_reached_through_the_proxy_with_certificates_of_ones_own() {
    let (authority, models) = (Authority::new(), ModelServer::start().await);
    let shop = shop(&format!("https://{MODELS}")).await;
    nothing_found(&models);
    let (gitlab_port, models_port) = (authority.front(&shop.gitlab.url()).await, authority.front(&models.url).await);
    let (port, asked) = proxy(gitlab_port, models_port).await;
    let (file, proxy) = (authority.file(), format!("http://127.0.0.1:{port}"));
    let file = file.to_str().expect("UTF-8");
    let (code, said) = run(
        &shop,
        &format!("https://{GITLAB}/api/v4"),
        &[("HTTPS_PROXY", &proxy), ("CI_SERVER_TLS_CA_FILE", file), ("SSL_CERT_FILE", file)],
    )
    .await;
    assert_eq!((code, shop.places()), (Some(0), vec!["notes.txt +20".to_owned()]), "{said}");
    let asked = asked.lock().expect("nobody panics").join("\n");
    assert!(asked.contains(&format!("CONNECT {GITLAB}:443")) && asked.contains(&format!("CONNECT {MODELS}:443")), "{asked}");
    assert!(!models.seen().is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_proxy_names_is_reached_directly() {
    let (authority, models) = (Authority::new(), ModelServer::start().await);
    let models_port = authority.front(&models.url).await;
    let shop = shop(&format!("https://127.0.0.1:{models_port}")).await;
    nothing_found(&models);
    let gitlab_port = authority.front(&shop.gitlab.url()).await;
    let file = authority.file();
    let file = file.to_str().expect("UTF-8");
    // Nobody listens at this proxy.
    let vars = [("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "localhost,127.0.0.1"), ("SSL_CERT_FILE", file)];
    let (code, said) = run(&shop, &format!("https://127.0.0.1:{gitlab_port}/api/v4"), &vars).await;
    assert_eq!((code, shop.places().len()), (Some(0), 1), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_named_with_what_to_set() {
    let (authority, models) = (Authority::new(), ModelServer::start().await);
    let models_port = authority.front(&models.url).await;
    let shop = shop(&format!("https://127.0.0.1:{models_port}")).await;
    let gitlab_port = authority.front(&shop.gitlab.url()).await;
    let (code, said) = run(&shop, &format!("https://127.0.0.1:{gitlab_port}/api/v4"), &[]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("no connection to 127.0.0.1, whose certificate is not trusted") && said.contains("CI_SERVER_TLS_CA_FILE"),
        "{said}"
    );

    // GitLab's is known, the model server's is not: the detectors' findings are posted, and the reader's failure says why.
    let file = authority.file();
    let vars = [("CI_SERVER_TLS_CA_FILE", file.to_str().expect("UTF-8"))];
    let (code, said) = run(&shop, &format!("https://127.0.0.1:{gitlab_port}/api/v4"), &vars).await;
    assert_eq!((code, shop.places().len()), (Some(3), 1), "{said}");
    let why = shop.summary();
    assert!(why.contains("certificate") && why.contains("SSL_CERT_FILE"), "{why}");
}
