//! Where threads stand: on the lines of every kind, on files, and in the summary when GitLab takes neither.

use assize::exit::Exit;

use super::{Shop, lines};
use crate::gitlab::{Edit, Fault, Options};

#[tokio::test(flavor = "multi_thread")]
async fn an_added_line_in_the_middle_of_a_file_has_the_thread() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_new_file_and_of_a_renamed_one_have_threads() {
    let edit = Edit::new()
        .write("new.txt", "fine\nBUG in a new file\n")
        .rename("old.txt", "fresh.txt")
        .write("fresh.txt", lines(30, &[(7, "BUG moved")]));
    let shop = Shop::with_rule(edit).await;
    shop.run().await;
    assert_eq!(shop.places(), ["fresh.txt +7", "new.txt +2"]);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_space_and_letters_of_its_own_has_a_thread() {
    let shop = Shop::with_rule([("dir with space/größe.txt", "BUG\n")]).await;
    shop.run().await;
    assert_eq!(shop.places(), ["dir with space/größe.txt +1"]);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_carriage_returns_has_its_thread_on_the_line() {
    let shop = Shop::with_rule([("dos.txt", "fine\r\nBUG\r\nfine\r\n")]).await;
    shop.run().await;
    assert_eq!(shop.places(), ["dos.txt +2"]);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_ten_threads_are_opened_in_a_round_and_the_rest_is_in_the_summary() {
    let text = (0..14).map(|number| format!("BUG number {number}\nfine {number}")).collect::<Vec<_>>().join("\n") + "\n";
    let shop = Shop::with_rule([("many.txt", text)]).await;
    let ran = shop.run().await;
    assert_eq!(shop.places().len(), 10);
    assert!(shop.summary().starts_with("### Assize: 14 important"), "{}", shop.summary());
    assert!(ran.calls(&shop) <= 10 + 12, "{:#?}", shop.gitlab.lines());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_open_no_thread() {
    let shop = Shop::new([("Dockerfile", "FROM python:latest\n")]).await;
    shop.run().await;
    assert_eq!(shop.places(), Vec::<String>::new());
    assert!(shop.summary().contains("1 suggestion"), "{}", shop.summary());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_gitlab_refuses_goes_to_the_file() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    let refusal = serde_json::json!({ "message": { "line_code": ["can't be blank", "must be a valid line code"] } });
    shop.gitlab.on("POST", "draft_notes").nth(1).fails(Fault::Json(400, refusal));
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places()), (Exit::Done, vec!["notes.txt".to_owned()]), "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gitlab_takes_nowhere_stands_in_the_summary_and_the_job_says_so() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    let refusal = serde_json::json!({ "message": { "line_code": ["must be a valid line code"] } });
    shop.gitlab.on("POST", "draft_notes").always().fails(Fault::Json(400, refusal.clone()));
    shop.gitlab.on("POST", "discussions").always().fails(Fault::Json(400, refusal));
    let ran = shop.run().await;
    assert_eq!((ran.exit, shop.places().len()), (Exit::Incomplete, 0), "{}{}", ran.stdout, ran.stderr);
    assert!(shop.summary().contains("known bug"), "{}", shop.summary());
    // The next run finishes it.
    shop.gitlab.heal();
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["notes.txt +20"]);
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_of_a_run_that_died_are_thrown_away() {
    let shop = Shop::with_rule([("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
    shop.gitlab.on("POST", "draft_notes/bulk_publish").always().fails(Fault::ErrorBefore);
    shop.run().await;
    shop.gitlab.heal();
    shop.run().await;
    assert_eq!(shop.places(), ["notes.txt +20"], "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_and_the_new_generation_of_gitlab_show_the_same() {
    let mut shown = Vec::new();
    for version in ["16.4.0", "18.2.1", "19.5.0-ee"] {
        let options = Options { version: version.to_owned(), ..Options::default() };
        let shop = Shop::with_rule_on(options, [("notes.txt", lines(40, &[(20, "BUG here")]))]).await;
        assert_eq!(shop.run().await.exit, Exit::Done, "{version}");
        shop.is_clean();
        assert!(shop.gitlab.mails_by("assize").len() <= 2, "{version}: {:?}", shop.gitlab.mails_by("assize"));
        shown.push((shop.places(), shop.summary().lines().next().unwrap_or_default().to_owned()));
    }
    assert!(shown.iter().all(|one| *one == shown[0]), "{shown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_diff_gitlab_leaves_out_are_reviewed_and_their_threads_stand_on_the_file() {
    let options = Options { collapse_above: Some(10), patch_limit: 50, ..Options::default() };
    let shop = Shop::with_rule_on(options, [("notes.txt", lines(40, &[(20, "BUG here"), (30, "BUG there")]))]).await;
    shop.run().await;
    assert_eq!(shop.places(), ["notes.txt", "notes.txt"], "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_and_its_text_is_posted_nowhere() {
    let secret = format!("glpat-{}", "x7Kq2mPz9RtB4vWc8sLd");
    let shop = Shop::new([("deploy.py", format!("TOKEN = \"{secret}\"\n"))]).await;
    shop.run().await;
    assert_eq!(shop.places().len(), 1, "{}", shop.mr.posted());
    assert!(!shop.mr.posted().contains(&secret), "{}", shop.mr.posted());
    shop.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_of_several_lines_has_its_thread_on_the_range() {
    let text = "def load(path):\n    try:\n        return open(path).read()\n    except Exception:\n        pass\n";
    let shop = Shop::new([("shop/load.py", text)]).await;
    assert_eq!(shop.run().await.exit, Exit::Done);
    assert_eq!(shop.places(), ["shop/load.py +4..5"], "{}", shop.mr.posted());
    shop.is_clean();
}
