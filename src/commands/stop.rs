//! The end that is asked for from outside: a job that is cancelled gets `SIGTERM` and little time. What is at work is dropped, and what publishes
//! ends between two steps. It must not end the process.

use tokio_util::sync::CancellationToken;

use crate::error::Failure;

/// Returns a token that is cancelled when the process is asked to end. From then on the signal does not kill it any more.
pub fn on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    #[cfg(unix)]
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut asked) => {
            let stop = stop.clone();
            tokio::spawn(async move {
                asked.recv().await;
                stop.cancel();
            });
        }
        // Then the signal kills the process, as it does with any other.
        Err(error) => tracing::debug!("SIGTERM cannot be caught: {error}"),
    }
    stop
}

/// Does work that may be dropped anywhere. Fails when the process is asked to end before it is done; `state` says, as a clause, what is left behind.
pub async fn unless<T>(stop: &CancellationToken, state: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.cancelled() => {
            Err(Failure::outside(format!("stopped by SIGTERM: {state}")).hint("run the job again; nothing of this run is in the way"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_dropped_when_the_end_is_asked_for() {
        let stop = CancellationToken::new();
        assert_eq!(unless(&stop, "nothing was written", async { 7 }).await, Ok(7));
        stop.cancel();
        let failure = unless(&stop, "nothing was written", std::future::pending::<()>()).await.unwrap_err();
        assert_eq!((failure.exit, failure.message.as_str()), (crate::exit::Exit::Incomplete, "stopped by SIGTERM: nothing was written"));
    }
}
