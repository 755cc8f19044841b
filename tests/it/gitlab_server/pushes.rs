//! Pushes: versions come, threads move along or go out of date.

use serde_json::{Value, json};

use super::Scene;
use crate::gitlab::{Edit, Place, Setting, ThreadView};

/// The text of the file with a line put on top and another one changed.
const MOVED: &str = "zero\none\n2\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";
const CHANGED: &str = "one\nII\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

fn places(scene: &Scene) -> Vec<String> {
    scene.mr.threads().into_iter().map(|ThreadView { place, .. }| place).collect()
}

#[tokio::test]
async fn a_push_makes_a_version_and_the_newest_comes_first() {
    let scene = Scene::new().await;
    let [base, start, old] = scene.mr.refs();
    let head = scene.mr.push([("src/a.rs", MOVED)]);
    let (_, versions) = scene.http.get(&scene.path("versions")).await;
    let heads: Vec<&Value> = versions.as_array().expect("a list").iter().map(|version| &version["head_commit_sha"]).collect();
    assert_eq!(heads, [&json!(head), &json!(old)]);
    let newest = &versions[0];
    assert_eq!((&newest["base_commit_sha"], &newest["start_commit_sha"], &newest["real_size"]), (&json!(base), &json!(start), &json!("1")));
    let (_, one) = scene.http.get(&scene.path(&format!("versions/{}", newest["id"]))).await;
    assert_eq!((&one["diffs"][0]["new_path"], one["commits"].as_array().map(Vec::len)), (&json!("src/a.rs"), Some(2)));
    let (_, mr) = scene.http.get(&scene.path("")).await;
    assert_eq!((&mr["diff_refs"]["head_sha"], &mr["sha"], &mr["changes_count"]), (&json!(head), &json!(head), &json!("1")));
}

#[tokio::test]
async fn threads_move_with_their_lines() {
    let scene = Scene::new().await;
    scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 2), "Added.");
    scene.mr.comment(&scene.dana, Place::Removed("src/a.rs", 2), "Removed.");
    scene.mr.comment(&scene.dana, Place::Kept("src/a.rs", 3, 3), "Kept.");
    scene.mr.push([("src/a.rs", MOVED)]);
    assert_eq!(places(&scene), ["src/a.rs +3", "src/a.rs -2", "src/a.rs 3/4"]);
    scene.mr.push(Edit::new().rename("src/a.rs", "src/b.rs"));
    assert_eq!(places(&scene), ["src/b.rs +3", "src/a.rs -2", "src/b.rs 3/4"]);
}

#[tokio::test]
async fn a_thread_whose_line_is_gone_keeps_the_old_head_and_gets_a_note() {
    let scene = Scene::new().await;
    let thread = scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 2), "Added.");
    scene.mr.comment(&scene.dana, Place::File("src/a.rs"), "File.");
    let old = scene.mr.head();
    scene.mr.push([("src/a.rs", CHANGED)]);
    assert_eq!(places(&scene), ["src/a.rs +2 (outdated)", "src/a.rs (outdated)"]);
    let (_, seen) = scene.http.get(&scene.path(&format!("discussions/{thread}"))).await;
    let (first, second) = (&seen["notes"][0], &seen["notes"][1]);
    assert_eq!((&first["position"]["head_sha"], &first["resolved"], &second["system"]), (&json!(old), &json!(false), &json!(true)));
    assert!(second["body"].as_str().is_some_and(|body| body.starts_with("changed this line in [version 2 of the diff]")), "{second}");
    // Once out of date it stays where it was.
    scene.mr.push([("src/a.rs", MOVED)]);
    assert_eq!(scene.mr.thread("Added.").notes.len(), 2);
}

#[tokio::test]
async fn a_project_may_resolve_what_went_out_of_date() {
    let scene = Scene::new().await;
    scene.project.set(Setting::ResolveOutdated);
    scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 2), "Added.");
    scene.mr.push([("src/a.rs", CHANGED)]);
    assert!(scene.mr.thread("Added.").resolved);
    insta::assert_snapshot!(scene.mr.posted(), @r"
    === Thread on src/a.rs +2 (outdated) · resolved by dana
    @dana:
    Added.
    ");
}

#[tokio::test]
async fn a_rebase_moves_the_base_and_keeps_the_patch() {
    let scene = Scene::new().await;
    scene.mr.comment(&scene.dana, Place::Added("src/a.rs", 2), "Added.");
    let before = scene.http.get(&scene.path("versions")).await.1[0]["patch_id_sha"].clone();
    let tip = scene.project.commit([("other.txt", "theirs\n")]);
    scene.mr.rebase();
    let [base, start, _] = scene.mr.refs();
    assert_eq!([&base, &start], [&tip, &tip]);
    assert_eq!(
        (scene.http.get(&scene.path("versions")).await.1[0]["patch_id_sha"].clone(), places(&scene)),
        (before, vec!["src/a.rs +2".to_owned()])
    );
}

#[tokio::test]
async fn merging_the_target_in_moves_the_base_too() {
    let scene = Scene::new().await;
    let tip = scene.project.commit([("other.txt", "theirs\n")]);
    let head = scene.mr.merge_target();
    assert_eq!(scene.mr.refs(), [tip.clone(), tip, head]);
    let (_, diffs) = scene.http.get(&scene.path("diffs")).await;
    assert_eq!(diffs.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_amended_commit_and_a_revert_are_versions_like_any_other() {
    let scene = Scene::new().await;
    let first = scene.mr.head();
    scene.mr.amend([("src/a.rs", CHANGED)]);
    assert_eq!(scene.project.bare().git(&["rev-list", "--count", &format!("main..{}", scene.mr.head())]), "1");
    scene.mr.force(&first);
    assert_eq!(scene.mr.head(), first);
    assert_eq!(scene.http.get(&scene.path("versions")).await.1.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn another_target_is_another_base() {
    let scene = Scene::new().await;
    scene.project.commit_on("stable", [("old.txt", "stable\n")]);
    scene.mr.retarget("stable");
    let (_, mr) = scene.http.get(&scene.path("")).await;
    let tip = scene.project.bare().git(&["rev-parse", "stable"]);
    assert_eq!((&mr["target_branch"], &mr["diff_refs"]["start_sha"]), (&json!("stable"), &json!(tip)));
}

#[tokio::test]
async fn the_diff_is_not_there_at_once() {
    let scene = Scene::new().await;
    scene.mr.unprepared(2);
    for _ in 0..2 {
        let (_, mr) = scene.http.get(&scene.path("")).await;
        assert_eq!([&mr["diff_refs"], &mr["sha"], &mr["prepared_at"]], [&Value::Null; 3]);
        assert_eq!(mr["detailed_merge_status"], "preparing");
    }
    assert_eq!(scene.http.get(&scene.path("")).await.1["sha"], scene.mr.head());
}

#[tokio::test]
async fn raw_diffs_and_the_files_of_the_repository_are_gits_own() {
    let scene = Scene::new().await;
    let (_, raw) = scene.http.get(&scene.path("raw_diffs")).await;
    assert!(raw.as_str().is_some_and(|raw| raw.starts_with("diff --git a/src/a.rs b/src/a.rs\n")), "{raw}");
    let project = format!("projects/{}", scene.project.id());
    let (_, tree) = scene.http.get(&format!("{project}/repository/tree?ref=main&path=src")).await;
    assert_eq!((&tree[0]["path"], &tree[0]["type"], &tree[0]["mode"]), (&json!("src/a.rs"), &json!("blob"), &json!("100644")));
    let missing = scene.http.get(&format!("{project}/repository/files/none/raw?ref=main")).await;
    assert_eq!(missing, (404, json!({ "message": "404 File Not Found" })));
    let (_, file) = scene.http.get(&format!("{project}/repository/files/README.md?ref=main")).await;
    assert_eq!((&file["encoding"], &file["content"]), (&json!("base64"), &json!("IyBEZW1vCg==")));
    let [base, start, head] = scene.mr.refs();
    let (_, found) = scene.http.get(&format!("{project}/repository/merge_base?refs[]={start}&refs[]={head}")).await;
    assert_eq!(found["id"], base);
    let (_, compared) = scene.http.get(&format!("{project}/repository/compare?from={base}&to={head}")).await;
    assert_eq!(compared["diffs"][0]["new_path"], "src/a.rs");
    let (_, requests) = scene.http.get(&format!("{project}/repository/commits/{head}/merge_requests")).await;
    assert_eq!(requests[0]["iid"], scene.mr.iid);
}

#[tokio::test]
async fn modes_binaries_and_new_files_are_told_apart() {
    let scene = Scene::new().await;
    scene.mr.push(Edit::new().write_executable("run.sh", "true\n").write("logo.png", [0, 159, 146, 150]).delete("README.md"));
    let (_, diffs) = scene.http.get(&scene.path("diffs?per_page=100")).await;
    let line =
        |diff: &Value| format!("{} {}>{} {}", diff["new_path"], diff["a_mode"], diff["b_mode"], diff["diff"].as_str().map_or(0, str::len));
    let lines: Vec<String> = diffs.as_array().expect("a list").iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n").replace('"', ""), @r"
    README.md 100644>0 22
    logo.png 0>100644 45
    run.sh 0>100755 20
    src/a.rs 100644>100644 48
    ");
}
