use std::process::Command;

use bailiwick_testkit::packages::Packages;

use crate::house::{House, check_client};

const CLIENT: &str = r#"
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import java.util.Set;

public class Client {
    public static void main(String[] arguments) throws Exception {
        var options = DefaultWorkloadApiClient.ClientOptions.builder().spiffeSocketPath(arguments[0]).build();
        try (var client = DefaultWorkloadApiClient.newClient(options)) {
            var svid = client.fetchX509Context().getDefaultSvid();
            var domain = svid.getSpiffeId().getTrustDomain();
            var bundles = client.fetchX509Bundles();
            X509SvidValidator.verifyChain(svid.getChain(), bundles);
            var token = client.fetchJwtSvid("me").getToken();
            var keys = client.fetchJwtBundles();
            var remote = client.validateJwtSvid(token, "me");
            var local = JwtSvid.parseAndValidate(token, keys, Set.of("me"));
            boolean refused = false;
            try {
                client.validateJwtSvid(token, "you");
            } catch (Exception expected) {
                refused = true;
            }
            System.out.printf(
                "{\"id\": \"%s\", \"chain\": %d, \"roots\": %d, \"remote\": \"%s\", \"local\": \"%s\", \"refused\": %b}%n",
                svid.getSpiffeId(), svid.getChain().size(),
                bundles.getBundleForTrustDomain(domain).getX509Authorities().size(),
                remote.getSpiffeId(), local.getSpiffeId(), refused);
        }
        System.exit(0);
    }
}
"#;

#[test]
fn the_java_client_fetches_and_validates() {
    let Some(jars) = Packages::Java.ready().unwrap() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Client.java");
    std::fs::write(&source, CLIENT).unwrap();
    let house = House::new(&["/a"]);
    let output = Command::new("java")
        .arg("--class-path")
        .arg(jars.join("*"))
        .args(["-XX:TieredStopAtLevel=1".as_ref(), source.as_os_str()])
        .arg(house.endpoint())
        .output();
    let Ok(output) = output else {
        println!("NOT TESTED: there is no Java");
        return;
    };
    check_client(&output);
}
