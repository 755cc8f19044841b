//! The end that is asked for from outside: a job that is cancelled gets `SIGTERM` and little time. What is at work is dropped, and what publishes
//! ends between two steps. It must not end the process.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Failure;

/// How long work that is better finished than dropped may go on after the process was asked to end. Reports are still to be written then, and
/// GitLab's runner waits for some seconds only.
const GRACE: Duration = Duration::from_secs(3);

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

/// Does work that should come to its end, and may be dropped anywhere all the same: when the process is asked to end, it has a short time left.
pub async fn soon_after<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Failure> {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = late => {
            Err(Failure::outside("stopped by SIGTERM while it was publishing: some of it may be posted, and the rest is not")
                .hint("run the job again: it goes on where this one ended, and posts nothing twice"))
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

    #[tokio::test(start_paused = true)]
    async fn what_publishes_gets_a_short_time_to_end() {
        let stop = CancellationToken::new();
        let work = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        };
        assert_eq!(soon_after(&stop, work(60)).await, Ok(60));
        stop.cancel();
        assert_eq!(soon_after(&stop, work(2)).await, Ok(2));
        let begun = tokio::time::Instant::now();
        assert_eq!(soon_after(&stop, work(60)).await.unwrap_err().exit, crate::exit::Exit::Incomplete);
        assert_eq!(begun.elapsed(), GRACE);
    }
}
