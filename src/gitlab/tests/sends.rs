//! The transport: what is sent, what is repeated, what an answer means.

use serde_json::{Value, json};

use super::*;
use crate::error::Failure;
use crate::exit::Exit;
use crate::gitlab::fault::answered;
use crate::gitlab::{GitlabErrorKind as Kind, Proxies};

fn user() -> Answer {
    Answer::json(200, &json!({ "id": 9001, "username": "bot", "something": "unknown" }))
}

fn html() -> Answer {
    Answer::text(200, "text/html", "<!DOCTYPE html><title>Sign in</title>")
}

#[tokio::test]
async fn a_request_goes_below_the_path_of_the_install_with_the_token() {
    let server = Server::script([user()]).await;
    assert_eq!(gitlab(&server).me().await, Ok(me()));
    let expected = Seen { line: "GET user".into(), authorization: format!("Bearer {TOKEN}"), body: String::new() };
    assert_eq!(server.seen(), [expected]);
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_token_goes_nowhere() {
    let elsewhere = Server::script([user()]).await;
    let to = format!("{}/user?secret=1", elsewhere.origin);
    let server = Server::script([Answer::text(302, "text/plain", "").with("location", to)]).await;
    let error = gitlab(&server).me().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::NotGitlab);
    let expected = format!("cannot read who the token belongs to: 302 to {}, which is not followed", elsewhere.origin);
    assert_eq!(error.to_string(), expected);
    assert_eq!(elsewhere.seen(), []);
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again_and_every_request_counts() {
    let limited = Answer::text(429, "text/plain", "Retry later\n").with("retry-after", "0");
    let application = Answer::json(429, &json!({ "message": { "error": "This endpoint has been requested too many times." } }));
    let page = Answer::text(502, "text/html", "<html><body>502 Bad Gateway</body></html>");
    let cut = Answer::text(200, "application/json", r#"{ "id": 90"#);
    for failure in [limited, application, page, cut, Answer::broken(), Answer::json(503, &json!({})), Answer::json(500, &json!({}))] {
        let server = Server::script([failure.clone(), failure, user()]).await;
        let gitlab = gitlab(&server);
        assert_eq!(gitlab.me().await, Ok(me()));
        assert_eq!(gitlab.calls(), 3);
    }
}

#[tokio::test]
async fn a_limit_that_lasts_is_said_with_its_time() {
    let server = Server::script([Answer::text(429, "text/plain", "Retry later\n").with("retry-after", "3600")]).await;
    let error = gitlab(&server).me().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::RateLimited { after: Some(Duration::from_hours(1)) });
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_post_is_repeated_only_when_nothing_can_have_been_done() {
    let note = Answer::json(201, &json!({ "id": 7, "body": "x", "author": { "id": 9001, "username": "bot" }, "created_at": "" }));
    let limited = Server::script([Answer::text(429, "text/plain", "Retry later\n"), note.clone()]).await;
    assert_eq!(gitlab(&limited).post_note(TARGET, &me(), "x").await, Ok(7));
    let posts = |server: &Server| server.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts(&limited), 2);
    // The look that follows fails too, so there is no second attempt.
    for failure in [Answer::json(500, &json!({ "message": "500 Internal Server Error" })), Answer::broken(), html()] {
        let server = Server::script([failure, Answer::json(403, &json!({ "message": "403 Forbidden" }))]).await;
        let error = gitlab(&server).post_note(TARGET, &me(), "x").await.unwrap_err();
        assert_eq!((error.kind(), posts(&server)), (&Kind::UnknownOutcome, 1));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_for_a_post_too() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gitlab = Gitlab::new(connection(&format!("http://{gone}/api/v4"))).unwrap();
    assert_eq!(gitlab.post_note(TARGET, &me(), "x").await.unwrap_err().kind(), &Kind::Unavailable);
    assert_eq!(gitlab.calls(), 3);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let server = Server::script([Answer::text(200, "text/plain", &"x".repeat(5000))]).await;
    let error = gitlab(&server).raw_diff(TARGET, 4096).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the diff of !5 of project 42: the answer is larger than 4 KiB");
    assert_eq!(gitlab(&server).raw_diff(TARGET, 5000).await.map(|diff| diff.len()), Ok(5000));
    // What is wrong is said whatever the size of the error.
    let server = Server::script([Answer::json(403, &json!({ "message": "x".repeat(100_000) }))]).await;
    assert_eq!(gitlab(&server).raw_diff(TARGET, 10).await.unwrap_err().kind(), &Kind::Forbidden);
}

#[tokio::test]
async fn what_is_not_gitlab_is_said_to_be_so() {
    for (answer, said) in [
        (html(), "200 and a web page instead of GitLab's"),
        (Answer::text(200, "text/plain", "hello"), "200 and an answer that is not JSON instead of GitLab's"),
        (Answer { status: 404, ..html() }, "404 from GitLab: a web page"),
    ] {
        let server = Server::script([answer]).await;
        let error = gitlab(&server).me().await.unwrap_err();
        assert_eq!((error.kind(), error.said()), (&Kind::NotGitlab, said));
        let error = gitlab(&server).threads(TARGET).await.unwrap_err();
        assert_eq!((error.kind(), error.said()), (&Kind::NotGitlab, said));
    }
    let server = Server::script([Answer::json(200, &json!({ "login": "x" }))]).await;
    assert_eq!(gitlab(&server).me().await.unwrap_err().kind(), &Kind::Unexpected);
}

#[tokio::test]
async fn the_token_shows_nowhere_even_if_a_server_repeats_it() {
    let server = Server::script([Answer::json(400, &json!({ "message": format!("no header Bearer {TOKEN} here") }))]).await;
    let failure = Failure::from(gitlab(&server).me().await.unwrap_err());
    assert_eq!(failure.message, "cannot read who the token belongs to: 400 from GitLab: no header Bearer *** here");
    assert!(!format!("{failure:?}").contains(TOKEN));
}

#[tokio::test]
async fn an_error_names_the_request_and_what_to_do() {
    let answer = Answer::json(403, &json!({ "error": "insufficient_scope", "error_description": "It needs more.", "scope": "api" }));
    let server = Server::script([answer.with("x-request-id", "01J")]).await;
    let error = gitlab(&server).head(TARGET).await.unwrap_err();
    assert_eq!(error.request_id(), Some("01J"));
    let expected = Failure {
        exit: Exit::Refused,
        message: "cannot read !5 of project 42: 403 from GitLab: insufficient_scope: It needs more. (request 01J)".to_owned(),
        hint: Some("give the token the scope `api` and its user the role Developer in the project of the merge request".to_owned()),
    };
    assert_eq!(Failure::from(error), expected);
}

#[test]
fn addresses_and_tokens_are_checked_before_anything_is_sent() {
    let failed = |connection: Connection| Gitlab::new(connection).err().map(|failure| (failure.exit, failure.message));
    for api in ["", "gitlab.example.com/api/v4", "ftp://gitlab.example.com", "https://me:pw@gitlab.example.com/api/v4", "https://x/?a=1"] {
        assert_eq!(failed(connection(api)).map(|(exit, _)| exit), Some(Exit::Usage), "{api}");
    }
    for token in ["", "  ", "a\nb"] {
        let connection = Connection { token: SecretString::from(token), ..connection("https://gitlab.example.com/api/v4") };
        assert_eq!(failed(connection).map(|(exit, _)| exit), Some(Exit::Usage), "{token:?}");
    }
    let proxies = Proxies { https: Some("http://user:secret@".to_owned()), ..Proxies::default() };
    let (_, message) = failed(Connection { proxies, ..connection("https://gitlab.example.com/api/v4") }).unwrap();
    assert_eq!(message, "the address of the proxy is no URL");
    let ca_pem = Some(b"no certificate".to_vec());
    let (_, message) = failed(Connection { ca_pem, ..connection("https://gitlab.example.com/api/v4") }).unwrap();
    assert_eq!(message, "the CA file of GitLab holds no readable certificate");
    // A line break at the end of a variable is a slip that everybody makes.
    let token = SecretString::from(format!("{TOKEN}\n"));
    assert_eq!(failed(Connection { token, ..connection("https://gitlab.example.com/api/v4/") }), None);
}

#[tokio::test]
async fn proxies_are_those_that_were_given_except_for_the_hosts_that_are_not() {
    let proxy = Server::script([user()]).await;
    let proxies = Proxies { http: Some(proxy.origin.clone()), ..Proxies::default() };
    let through = Connection { proxies: proxies.clone(), ..connection("http://gitlab.invalid/api/v4") };
    assert_eq!(Gitlab::new(through).unwrap().me().await, Ok(me()));
    assert_eq!(proxy.lines().len(), 1);
    let direct = Server::script([user()]).await;
    let proxies = Proxies { no_proxy: Some("127.0.0.1,example.com".to_owned()), ..proxies };
    let past = Connection { proxies, ..connection(&format!("{}/api/v4", direct.origin)) };
    assert_eq!(Gitlab::new(past).unwrap().me().await, Ok(me()));
    assert_eq!((proxy.lines().len(), direct.lines().len()), (1, 1));
}

#[test]
fn proxies_come_from_the_environment_that_was_captured() {
    let vars = [("HTTPS_PROXY", "http://upper"), ("https_proxy", "http://lower"), ("HTTP_PROXY", "http://cgi"), ("NO_PROXY", "a,b")];
    let env = crate::env::Env { vars: vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), ..crate::env::Env::default() };
    let proxies = Proxies::from_env(&env);
    assert_eq!((proxies.http.as_deref(), proxies.https.as_deref(), proxies.no_proxy.as_deref()), (None, Some("http://lower"), Some("a,b")));
}

/// One answer of the kind that `fixtures.json` of the contract lists, and what it means to a POST.
fn meaning(status: u16, kind: &str, body: &str) -> Kind {
    let headers = [("content-type", kind)].map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let status = reqwest::StatusCode::from_u16(status).unwrap();
    answered(&reqwest::Method::POST, status, &headers.into_iter().collect(), body.as_bytes()).kind
}

#[test]
fn every_refusal_has_its_kind() {
    let message = |text: &str| json!({ "message": text }).to_string();
    let cases: [(u16, String, Kind); 19] = [
        (400, message(r#"400 Bad request - Note {:line_code=>["can't be blank", "must be a valid line code"]}"#), Kind::PositionRefused),
        (400, message(r#"400 Bad request - Note {line_code: ["must be a valid line code"]}"#), Kind::PositionRefused),
        (400, message(r#"400 Bad request - Note {:position=>["is incomplete"]}"#), Kind::PositionRefused),
        (400, json!({ "message": { "line_code": ["can't be blank"] } }).to_string(), Kind::PositionRefused),
        (400, json!({ "error": "body is missing, position[head_sha] is missing" }).to_string(), Kind::Refused),
        (400, message(r#"400 Bad request - Note {:note=>["can't be blank"]}"#), Kind::Refused),
        (400, message("400 Bad request - Discussion can not be replied to."), Kind::Refused),
        (401, message("401 Unauthorized"), Kind::Unauthorized),
        (401, json!({ "error": "invalid_token", "error_description": "Token is expired." }).to_string(), Kind::Unauthorized),
        (403, json!({ "error": "insufficient_scope", "scope": "api" }).to_string(), Kind::Forbidden),
        (403, message("403 Forbidden"), Kind::Forbidden),
        (404, message("404 Project Not Found"), Kind::NotFound),
        (409, message("SHA does not match HEAD of source branch: eeee"), Kind::Conflict),
        (422, message("422 Unprocessable Entity"), Kind::Refused),
        (
            429,
            json!({ "message": { "error": "This endpoint has been requested too many times." } }).to_string(),
            Kind::RateLimited { after: None },
        ),
        (500, message("500 Internal Server Error"), Kind::UnknownOutcome),
        (503, String::new(), Kind::UnknownOutcome),
        (202, json!({ "commands_changes": {}, "summary": ["Added ~bug label."] }).to_string(), Kind::CommandsRun),
        (307, String::new(), Kind::NotGitlab),
    ];
    for (status, body, kind) in cases {
        assert_eq!(meaning(status, "application/json", &body), kind, "{status} {body}");
    }
    assert_eq!(meaning(502, "text/html", "<html><body>502 Bad Gateway</body></html>"), Kind::UnknownOutcome);
    assert_eq!(meaning(403, "text/html", "<html>blocked by the firewall"), Kind::NotGitlab);
}

proptest::proptest! {
    #[test]
    fn no_answer_breaks_a_message(status in 200_u16..600, body in ".{0,400}", json in proptest::prelude::any::<bool>()) {
        let body = if json { Value::from(body).to_string() } else { body };
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        let fault = answered(&reqwest::Method::GET, status, &reqwest::header::HeaderMap::new(), body.as_bytes());
        proptest::prop_assert!(!fault.said.contains(char::is_control) && fault.said.chars().count() < 400);
    }
}
