//! Files of the agent that are not as they should be: it says which, and goes on when they are.

use std::os::unix::fs::PermissionsExt;

use super::*;

impl House {
    /// Waits until an agent says of one of its files that it cannot be used, and why.
    async fn broken(&self, file: &Path, why: &str) {
        let file = format!("`{}`", file.display());
        let said = |news: &String| {
            news.starts_with("Broken(") && news.contains(&file) && news.contains(why)
        };
        until(async || self.news.lock().unwrap().iter().any(said).then_some(())).await;
    }

    fn blames_the_server(&self) -> bool {
        let news = self.news.lock().unwrap();
        news.iter().any(|news| news.starts_with("Trouble("))
    }
}

#[tokio::test]
async fn a_trust_bundle_that_cannot_be_read_is_named() {
    let house = house().await;
    let path = house.path("roots.pem");
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    house.broken(&path, "cannot be read: No such file").await;
    fs::write(&path, "roots").unwrap();
    house
        .broken(&path, "holds no SPIFFE bundle and no roots")
        .await;
    fs::write(&path, r#"{"keys": 7}"#).unwrap();
    house
        .broken(&path, "holds no bundle: no bundle in SPIFFE format")
        .await;
    // Probes hear of it too.
    let state = agent.client().await.agent_state().await.unwrap().unwrap();
    assert!(
        !state.ready && state.trouble.contains("roots.pem"),
        "{state:?}"
    );
    assert!(!house.blames_the_server());
    fs::write(&path, good).unwrap();
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
}

#[tokio::test]
async fn a_token_that_is_not_there_is_named() {
    let house = house().await;
    let NodeProof::TokenFile(path) = house.token_file("good-n1") else {
        panic!("another proof");
    };
    fs::remove_file(&path).unwrap();
    let proof = NodeProof::TokenFile(path.clone());
    let agent = house.agent("a", proof, WEB).await;
    house.broken(&path, "cannot be read: No such file").await;
    assert!(!house.blames_the_server());
    fs::write(&path, "good-n1").unwrap();
    agent.ids().await;
}

#[tokio::test]
async fn a_kept_identity_that_cannot_be_used_is_named_and_left_aside() {
    let house = house().await;
    let keep = |name: &str| {
        let folder = house.path(name).join("keep");
        fs::create_dir_all(&folder).unwrap();
        folder.join("agent.pem")
    };
    let write = |path: &Path, text: &str, mode: u32| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let kept = keep("a");
    write(&kept, "rubbish", 0o600);
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    house.broken(&kept, "it holds no certificate in PEM").await;
    agent.ids().await;
    let good = fs::read_to_string(&kept).unwrap();
    drop(agent);
    let (certificate, key) = good.split_once("-----BEGIN CERT").unwrap();
    let key = (certificate, format!("-----BEGIN CERT{key}"));
    for (name, text, mode, why) in [
        ("b", key.1.as_str(), 0o600, "it holds no private key in PEM"),
        ("c", good.as_str(), 0o644, "has mode 644"),
    ] {
        let kept = keep(name);
        write(&kept, text, mode);
        let agent = house.agent(name, house.token_file("good-n1"), WEB).await;
        house.broken(&kept, why).await;
        agent.ids().await;
    }
    assert_eq!(house.joined().len(), 3);
    assert!(!house.blames_the_server());

    // What is kept and good is not given up for a trust bundle that is mended later.
    write(&keep("d"), &good, 0o600);
    let roots = house.path("roots.pem");
    let text = fs::read(&roots).unwrap();
    fs::write(&roots, "").unwrap();
    let nothing = NodeProof::JoinTokenFile(house.path("nowhere"));
    let agent = house.agent("d", nothing, WEB).await;
    house.broken(&roots, "holds no").await;
    fs::write(&roots, text).unwrap();
    agent.ids().await;
    assert_eq!(house.joined().len(), 3);
}

#[tokio::test]
async fn an_identity_that_cannot_be_kept_is_used_all_the_same() {
    let house = house().await;
    let keep = house.path("a").join("keep");
    fs::create_dir_all(keep.join("agent.pem/in the way")).unwrap();
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    let kept = keep.join("agent.pem");
    house.broken(&kept, "is a directory").await;
    agent.ids().await;
    house.broken(&kept, "cannot use").await;
    assert_eq!(house.joined().len(), 1);
    assert!(!house.blames_the_server());
}
