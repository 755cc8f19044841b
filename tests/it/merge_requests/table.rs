//! A merge request that a model reads and a coordinator is asked about. It must not hold tests.

use serde_json::{Value, json};

use super::{Ran, Shop};
use crate::gitlab::{Edit, Options};
use crate::model_server::{Answer, ModelServer, Seen};

/// A merge request that one reviewer reads, and the models behind it.
pub(super) struct Table {
    pub(super) shop: Shop,
    pub(super) models: ModelServer,
}

/// A program of so many functions, some of which are something else.
pub(super) fn code(count: usize, other: &[(usize, &str)]) -> String {
    let body =
        |number: usize| other.iter().find(|(at, _)| *at == number).map_or_else(|| format!("x + {number}"), |(_, text)| (*text).to_owned());
    let functions: Vec<String> = (1..=count).map(|number| format!("def f{number}(x):\n    return {}\n\n\n", body(number))).collect();
    functions.concat()
}

/// A claim of the reviewer about the line of this text.
pub(super) fn claim(severity: &str, quote: &str) -> Value {
    json!({
        "title": format!("`{quote}` fails for an empty list"), "severity": severity, "path": "app.py", "first": "", "last": "",
        "quote": format!("    return {quote}"), "body": "The first element is read before anybody looks whether there is one.", "confidence": 0.9
    })
}

/// An answer of the coordinator to a question about an earlier finding.
pub(super) fn answer(question: usize, says: &str, reply: &str) -> Value {
    json!({ "id": format!("Q-{question}"), "says": says, "reply": reply, "why": "`app.py`, line 2, decides it" })
}

impl Table {
    pub(super) async fn new(edit: impl Into<Edit>) -> Self {
        let models = ModelServer::start().await;
        let config = format!("version: 1\n{}", super::one_reviewer(&models.url));
        let base = Edit::new().write(".assize.yml", config).write("app.py", code(40, &[]));
        let shop = Shop::on(Options::default(), base, edit).await;
        Self { shop, models }
    }

    /// What the reviewer claims in the next run; the coordinator keeps all of it, and nobody refutes it.
    pub(super) fn claims(&self, claims: &[Value]) -> &Self {
        let submitted = |tool: &str, body: &Value| Answer::default().call("call-1", tool, &body.to_string());
        self.models.when("# Your part: Generalist", submitted("submit_findings", &json!({ "findings": claims })));
        if !claims.is_empty() {
            let keep = |id: String| json!({ "id": id, "decision": "keep", "why": "shown" });
            let kept: Vec<Value> = (1..=claims.len()).map(|number| keep(format!("C-{number}"))).collect();
            self.models.when("# Your part: Coordinator", submitted("submit_verdict", &json!({ "judgements": kept })));
            self.models.when("# Your part: Refuter", submitted("submit_verdict", &json!({ "judgements": kept })));
        }
        self
    }

    /// What the coordinator answers in the next run.
    pub(super) fn answers(&self, answers: &[Value]) -> &Self {
        let body = json!({ "judgements": [], "answers": answers });
        self.models.when("# Your part: Follow-up", Answer::default().call("call-1", "submit_verdict", &body.to_string()));
        self
    }

    pub(super) async fn run(&self) -> Ran {
        let ran = self.shop.run().await;
        self.models.forget();
        self.shop.is_clean();
        ran
    }

    /// Returns how often a part was asked so far.
    pub(super) fn asked(&self, part: &str) -> usize {
        let part = format!("# Your part: {part}");
        self.models.seen().iter().filter(|seen: &&Seen| seen.body.to_string().contains(&part)).count()
    }
}
