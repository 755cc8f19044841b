//! The first review of a merge request: what is posted, where, with how many requests and mails.

use super::{INJECTED, Shop};
use assize::exit::Exit;

#[tokio::test(flavor = "multi_thread")]
async fn findings_become_threads_on_their_lines_and_a_summary_that_links_to_them() {
    let shop = Shop::new([("shop/orders.py", INJECTED)]).await;
    let ran = shop.run().await;
    println!("{}\n{}\n{}", ran.stdout, ran.stderr, shop.mr.posted());
    println!("{:#?}", shop.gitlab.lines());
    assert_eq!(ran.exit, Exit::Done);
    let again = shop.run().await;
    println!("{}\n{}", again.stdout, again.stderr);
    assert!(again.stdout.starts_with("Assize: nothing to do: round 1"), "{}", again.stdout);
}
