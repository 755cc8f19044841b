//! Answers from a story instead of a server, and the keeping of them. It must not read or write files: lists come in and go out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::{Model, ModelError, ModelErrorKind, Reply, Request, Started};

/// One answer of a run, as its story keeps it.
#[derive(Clone, Debug)]
pub struct RecordedAnswer {
    /// Who asked: the request's `reader`.
    pub reader: String,
    /// What came back, failures too, so that a repeated run fails in the same places.
    pub reply: Result<Reply, ModelError>,
}

/// A model that answers from a story: each reader gets its own answers, in their order.
pub struct Recorded {
    name: String,
    answers: Mutex<BTreeMap<String, VecDeque<Result<Reply, ModelError>>>>,
}

impl Recorded {
    /// Returns a model by the name that it had in the run.
    pub fn new(name: impl Into<String>, answers: impl IntoIterator<Item = RecordedAnswer>) -> Self {
        let mut by_reader = BTreeMap::<String, VecDeque<_>>::new();
        for answer in answers {
            by_reader.entry(answer.reader).or_default().push_back(answer.reply);
        }
        Self { name: name.into(), answers: Mutex::new(by_reader) }
    }

    fn next(&self, reader: &str) -> Result<Reply, ModelError> {
        let next = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(reader).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| {
            let what = format!("{}: the story holds no further answer for `{reader}`; it belongs to another run or version", self.name);
            Err(ModelError::new(ModelErrorKind::NotRecorded, what))
        })
    }
}

impl Model for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            started.tell();
            self.next(&request.reader)
        })
    }
}

/// A model that passes everything to another one and keeps the answers for the story. A call that is dropped before its end leaves nothing.
pub struct Recording {
    inner: Arc<dyn Model>,
    answers: Mutex<Vec<RecordedAnswer>>,
}

impl Recording {
    /// Returns a model that keeps what `inner` answers.
    pub fn new(inner: Arc<dyn Model>) -> Self {
        Self { inner, answers: Mutex::new(Vec::new()) }
    }

    /// Returns the answers so far, by reader, each reader's in their order: the same list however the calls interleaved.
    pub fn answers(&self) -> Vec<RecordedAnswer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answers.sort_by(|one, other| one.reader.cmp(&other.reader));
        answers
    }
}

impl Model for Recording {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn turn<'a>(&'a self, request: &'a Request, started: &'a Started) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            let reply = self.inner.turn(request, started).await;
            let answer = RecordedAnswer { reader: request.reader.clone(), reply: reply.clone() };
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            reply
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Patience, Stop, Worth};
    use crate::review::Usage;

    fn request(reader: &str) -> Request {
        Request {
            reader: reader.into(),
            tools: Arc::new([]),
            system: "".into(),
            change: "".into(),
            brief: "".into(),
            turns: vec![],
            answer: None,
            max_output: 1,
            worth: Worth::Most,
            cache_key: String::new(),
            patience: Patience { silence: Duration::ZERO, total: Duration::ZERO },
        }
    }

    fn answer(reader: &str, text: &str) -> RecordedAnswer {
        let reply = Reply { text: text.into(), calls: vec![], stop: Stop::Done, usage: Usage::default(), by: "a/m".into(), tried: vec![] };
        RecordedAnswer { reader: reader.into(), reply: Ok(reply) }
    }

    async fn ask(model: &dyn Model, reader: &str) -> Result<String, ModelError> {
        model.turn(&request(reader), &Started::default()).await.map(|reply| reply.text)
    }

    #[tokio::test]
    async fn each_reader_gets_its_own_answers_in_order_and_then_none() {
        let model = Recorded::new("a/m", [answer("security", "s1"), answer("docs", "d1"), answer("security", "s2")]);
        assert_eq!(ask(&model, "security").await.unwrap(), "s1");
        assert_eq!(ask(&model, "docs").await.unwrap(), "d1");
        assert_eq!(ask(&model, "security").await.unwrap(), "s2");
        let error = ask(&model, "security").await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::NotRecorded);
        assert_eq!(error.message, "a/m: the story holds no further answer for `security`; it belongs to another run or version");
    }

    #[tokio::test]
    async fn a_recorded_answer_has_begun_so_that_nobody_waits_for_it() {
        let (model, started) = (Recorded::new("a/m", []), Started::default());
        model.turn(&request("docs"), &started).await.unwrap_err();
        started.wait().await;
    }

    #[tokio::test]
    async fn what_was_kept_can_be_played_again_with_its_failures() {
        let failed = ModelError { status: Some(413), ..ModelError::new(ModelErrorKind::TooLong, "too long") };
        let original = Recorded::new(
            "a/m",
            [answer("security", "s1"), RecordedAnswer { reader: "security".into(), reply: Err(failed) }, answer("docs", "d1")],
        );
        let recording = Recording::new(Arc::new(original));
        assert_eq!(recording.name(), "a/m");
        for reader in ["security", "docs", "security"] {
            ask(&recording, reader).await.ok();
        }
        let kept = recording.answers();
        assert_eq!(kept.iter().map(|answer| answer.reader.as_str()).collect::<Vec<_>>(), ["docs", "security", "security"]);
        let again = Recorded::new("a/m", kept);
        assert_eq!(ask(&again, "security").await.unwrap(), "s1");
        assert_eq!(ask(&again, "security").await.unwrap_err().kind, ModelErrorKind::TooLong);
        assert_eq!(ask(&again, "docs").await.unwrap(), "d1");
    }
}
