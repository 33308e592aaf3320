use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bailiwick_testkit::binaries;
use bailiwick_testkit::janitor::Janitor;
use serde_json::Value;

use crate::house::{House, rules};
use crate::validators::run;

/// How long it may take to write its files on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn openssl(dir: &Path, arguments: &[&str]) -> (bool, String) {
    run("openssl", "apt-get install openssl", arguments, dir)
}

/// Waits until the certificate in the file is that of `id`.
fn wait_for(janitor: &Janitor, id: &str) {
    let start = Instant::now();
    let arguments = [
        "x509",
        "-in",
        "svid.pem",
        "-noout",
        "-ext",
        "subjectAltName",
    ];
    loop {
        let (_, said) = openssl(janitor.dir(), &arguments);
        if said.contains(&format!("URI:{id},")) {
            return;
        }
        let log = janitor.log_end("helper");
        assert!(start.elapsed() < LIMIT, "no {id}: {said}\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn spiffe_helper_keeps_its_files_up_to_date() {
    let house = House::new(&["/a"]);
    let dir = tempfile::tempdir().unwrap().keep();
    let mut janitor = Janitor::start(dir.clone()).unwrap();
    let config = format!(
        "agent_address = \"{}\"\ncert_dir = \".\"\ndaemon_mode = true\n\
         svid_file_name = \"svid.pem\"\nsvid_key_file_name = \"key.pem\"\nsvid_bundle_file_name = \"roots.pem\"\n\
         jwt_svids = [{{jwt_audience = \"me\", jwt_svid_file_name = \"token\"}}]\njwt_bundle_file_name = \"keys.json\"\n",
        house.socket.display()
    );
    fs::write(dir.join("helper.conf"), config).unwrap();
    let mut command = Command::new(binaries::spiffe("spiffe-helper").unwrap());
    command.args(["-config", "helper.conf"]);
    janitor.spawn("helper", command).unwrap();

    wait_for(&janitor, "spiffe://td.example/a");
    let start = Instant::now();
    while !["token", "keys.json"]
        .iter()
        .all(|name| dir.join(name).is_file())
    {
        assert!(start.elapsed() < LIMIT, "{}", janitor.log_end("helper"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let verify = [
        "verify",
        "-x509_strict",
        "-CAfile",
        "roots.pem",
        "-untrusted",
        "svid.pem",
        "svid.pem",
    ];
    let (valid, said) = openssl(&dir, &verify);
    assert!(valid, "{said}");
    let public = |arguments: &[&str]| openssl(&dir, arguments).1;
    assert_eq!(
        public(&["x509", "-in", "svid.pem", "-noout", "-pubkey"]),
        public(&["pkey", "-in", "key.pem", "-pubout"])
    );
    let mode = fs::metadata(dir.join("key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = fs::read_to_string(dir.join("token")).unwrap();
    assert_eq!(token.split('.').count(), 3, "a JWT in its compact form");
    let keys: Value =
        serde_json::from_str(&fs::read_to_string(dir.join("keys.json")).unwrap()).unwrap();
    assert!(
        keys["td.example"].is_string() || keys["keys"].is_array(),
        "{keys}"
    );

    house.rules.send_replace(rules(&["/b"]));
    wait_for(&janitor, "spiffe://td.example/b");
    assert!(openssl(&dir, &verify).0);
}
