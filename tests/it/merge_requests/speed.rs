//! How long a job takes until it asks its first model. Measured, never asserted.

use std::time::{Duration, Instant};

use super::{Shop, lines};
use crate::gitlab::{Depth, Edit, Options, Pipeline};
use crate::model_server::ModelServer;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: cargo test --test it speed -- --ignored --nocapture"]
async fn a_job_asks_its_first_model_soon_after_it_started() {
    let models = ModelServer::start().await;
    let config = format!("version: 1\n{}", super::models_at(&models.url));
    let mut base = Edit::new().write(".assize.yml", config).write("notes.txt", lines(40, &[]));
    for number in 0..10_000 {
        base = base.write(&format!("src/part{}/file{number}.py", number % 100), format!("x = {number}\n"));
    }
    let options = Options { latency: Duration::from_millis(20), ..Options::default() };
    let shop = Shop::on(options, base, [("notes.txt", lines(40, &[(20, "new")])), ("src/part1/file1.py", "x = 2\n".to_owned())]).await;
    let job = shop.mr.job(Pipeline::Detached, Depth::Full);
    let started = Instant::now();
    let mut run = std::pin::pin!(shop.run_job(job, &[]));
    let took = loop {
        tokio::select! {
            _ = &mut run => break started.elapsed(),
            () = tokio::time::sleep(Duration::from_millis(2)) => if !models.seen().is_empty() { break started.elapsed() },
        }
    };
    assert!(!models.seen().is_empty(), "no model was asked");
    tell(took);
}

#[expect(clippy::print_stderr, reason = "a measurement is for the eyes of who asked for it")]
fn tell(took: Duration) {
    eprintln!("first model request after {} ms", took.as_millis());
}
