//! The scripts of the GitHub Action, run as the runner would, with the real program, git and a `gh` that writes down
//! what it is asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const READER: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: dev}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, name: dev, apiGroup: rbac.authorization.k8s.io}]
";

/// A repository with a base and a change, and a runner's environment.
struct Job {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Job {
    fn new(base: &str, change: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let pairs = [
            ("BAILIWICK", env!("CARGO_BIN_EXE_bailiwick").to_owned()),
            ("GITHUB_ACTION_PATH", root().display().to_string()),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_STEP_SUMMARY", path("summary.md")),
            ("GITHUB_REPOSITORY", "acme/shop".to_owned()),
            ("RUNNER_TEMP", path("")),
            ("INPUT_PATH", "deploy".to_owned()),
            ("INPUT_BASE", String::new()),
            ("INPUT_FAIL_ON", "high".to_owned()),
            ("INPUT_DIFF_FAIL_ON", "new-path".to_owned()),
            ("INPUT_BASELINE", String::new()),
            ("INPUT_EXCEPTIONS", String::new()),
            ("INPUT_DEFAULTS", "1.37".to_owned()),
            ("INPUT_SARIF", "bailiwick.sarif".to_owned()),
            (
                "INPUT_BAILIWICK",
                env!("CARGO_BIN_EXE_bailiwick").to_owned(),
            ),
        ];
        let environment = pairs.map(|(key, value)| (key.to_owned(), value)).into();
        let mut job = Self {
            folder,
            environment,
        };
        fs::create_dir_all(job.path("repository/deploy")).unwrap();
        job.git(&["init", "--quiet"]);
        job.commit(base);
        let base = job.git(&["rev-parse", "HEAD"]);
        job.set("INPUT_BASE", base.trim());
        job.commit(change);
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&mut self, key: &str, value: &str) {
        self.environment.insert(key.to_owned(), value.to_owned());
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=dev", "-c", "user.email=dev@acme.example"])
            .args(arguments)
            .current_dir(self.path("repository"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn commit(&self, manifests: &str) {
        fs::write(self.path("repository/deploy/rbac.yaml"), manifests).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
    }

    fn script(&self, name: &str) -> Output {
        Command::new("bash")
            .arg(root().join("action").join(name))
            .current_dir(self.path("repository"))
            .envs(&self.environment)
            .output()
            .unwrap()
    }

    /// Runs the step and takes its outputs into the environment, as the action does.
    fn run(&mut self) -> BTreeMap<String, String> {
        let output = self.script("run.sh");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let text = fs::read_to_string(self.path("output")).unwrap();
        let pairs = text.lines().map(|line| line.split_once('=').unwrap());
        let outputs: BTreeMap<String, String> = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for (name, key) in [
            ("scan-exit", "SCAN_EXIT"),
            ("diff-exit", "DIFF_EXIT"),
            ("comment", "COMMENT"),
        ] {
            self.set(key, &outputs[name]);
        }
        outputs
    }

    fn gate(&self) -> (bool, String) {
        let output = self.script("gate.sh");
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }
}

fn admin() -> String {
    READER.replace("name: view", "name: cluster-admin")
}

#[test]
fn a_change_that_gives_everything_is_reported_and_fails() {
    let mut job = Job::new(READER, &admin());
    let outputs = job.run();
    assert_eq!((&*outputs["scan-exit"], &*outputs["diff-exit"]), ("1", "1"));
    let sarif = fs::read_to_string(job.path("repository/bailiwick.sarif")).unwrap();
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "full-control");
    let file = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(file, "deploy/rbac.yaml");
    for text in ["summary.md", "comment"] {
        let path = outputs.get(text).map_or(job.path(text), PathBuf::from);
        let text = fs::read_to_string(path).unwrap();
        for part in [
            "### What changes for whom",
            "group dev",
            "**Bailiwick: 1 finding: 1 critical**",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    let (passed, said) = job.gate();
    assert!(!passed);
    assert_eq!(said.matches("::error::").count(), 2, "{said}");
    job.set("INPUT_FAIL_ON", "never");
    job.set("INPUT_DIFF_FAIL_ON", "never");
    assert!(job.gate().0);
}

#[test]
fn a_change_of_nothing_passes() {
    let mut job = Job::new(READER, &format!("# The same.{READER}"));
    let outputs = job.run();
    assert_eq!((&*outputs["scan-exit"], &*outputs["diff-exit"]), ("0", "0"));
    let summary = fs::read_to_string(job.path("summary.md")).unwrap();
    assert!(summary.contains("Nobody's access changes."), "{summary}");
    assert_eq!(job.gate(), (true, String::new()));
}

#[test]
fn broken_input_fails_whatever_is_asked() {
    let mut job = Job::new(READER, &format!("{READER}---\nkind: [\n"));
    job.set("INPUT_FAIL_ON", "never");
    let outputs = job.run();
    assert_eq!(&*outputs["scan-exit"], "3");
    assert!(!job.gate().0);
}

#[test]
fn wrong_use_ends_the_step_and_then_the_job() {
    let mut job = Job::new(READER, READER);
    job.set("INPUT_BASELINE", "nowhere.json");
    let output = job.script("run.sh");
    assert_eq!(output.status.code(), Some(2));
    job.set("SCAN_EXIT", "");
    job.set("DIFF_EXIT", "");
    assert!(!job.gate().0);
}

#[test]
fn without_a_base_nothing_is_compared() {
    for base in ["", "none"] {
        let mut job = Job::new(READER, &admin());
        job.set("INPUT_BASE", base);
        let outputs = job.run();
        assert_eq!((&*outputs["scan-exit"], &*outputs["diff-exit"]), ("1", ""));
    }
}

#[test]
fn inputs_are_no_code() {
    let mut job = Job::new(READER, READER);
    job.set(
        "INPUT_EXCEPTIONS",
        "$(touch pwned)`touch pwned`; touch pwned",
    );
    assert_eq!(job.script("run.sh").status.code(), Some(2));
    assert!(!job.path("repository/pwned").exists());
}

#[test]
fn a_comment_stays_below_what_github_takes() {
    let many: String = (0..300)
        .map(|number| {
            format!(
                "---{}",
                admin()
                    .replace("{name: dev}", &format!("{{name: b{number}}}"))
                    .replace("name: dev,", &format!("name: dev{number},"))
            )
        })
        .collect();
    let mut job = Job::new(READER, &many);
    let outputs = job.run();
    let comment = fs::read_to_string(&outputs["comment"]).unwrap();
    assert!(comment.len() < 65_536, "{}", comment.len());
    assert!(comment.contains("more lines do not fit here"), "{comment}");
    assert!(comment.contains("300 findings"), "{comment}");
}

#[test]
fn a_comment_is_written_once_and_then_updated() {
    let check = |earlier: &str, expected: &str| {
        let mut job = Job::new(READER, &admin());
        job.run();
        // The first question is which comments there are; `--jq` would have picked the id.
        let gh = format!(
            "#!/bin/sh\necho \"$@\" >>'{0}/asked'\ncase $* in *--jq*) echo '{earlier}' ;; esac\n",
            job.path("").display()
        );
        fs::create_dir(job.path("bin")).unwrap();
        fs::write(job.path("bin/gh"), gh).unwrap();
        fs::set_permissions(job.path("bin/gh"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!(
            "{}:{}",
            job.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        job.set("PATH", &path);
        job.set("NUMBER", "7");
        let output = job.script("comment.sh");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let asked = fs::read_to_string(job.path("asked")).unwrap();
        let last = asked.lines().last().unwrap();
        assert!(last.contains(expected), "{asked}");
        let body = last.split_once("body=@").unwrap().1;
        let body = fs::read_to_string(body).unwrap();
        assert!(body.starts_with("<!-- bailiwick -->\n"), "{body}");
    };
    check("", "--method POST repos/acme/shop/issues/7/comments ");
    check("42", "--method PATCH repos/acme/shop/issues/comments/42 ");
}

#[test]
fn the_program_that_is_given_is_used() {
    let job = Job::new(READER, READER);
    let output = job.script("build.sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let outputs = fs::read_to_string(job.path("output")).unwrap();
    assert_eq!(
        outputs,
        format!("bailiwick={}\n", env!("CARGO_BIN_EXE_bailiwick"))
    );
}

/// `action.yml` names scripts that are there, and gives each the environment that it reads.
#[test]
fn the_action_gives_the_scripts_what_they_read() {
    let action = fs::read_to_string(root().join("action.yml")).unwrap();
    let steps: Vec<&str> = action.split("\n    - name: ").collect();
    let mut scripts = 0;
    for step in &steps[1..] {
        let Some((_, rest)) = step.split_once("$GITHUB_ACTION_PATH/action/") else {
            continue;
        };
        let name = rest.split('"').next().unwrap();
        let script = fs::read_to_string(root().join("action").join(name)).unwrap();
        scripts += 1;
        let mut words: Vec<&str> = script
            .split(|c: char| !c.is_ascii_uppercase() && c != '_')
            .collect();
        words.retain(|word| {
            word.starts_with("INPUT_")
                || ["BAILIWICK", "NUMBER", "COMMENT", "SCAN_EXIT", "DIFF_EXIT"].contains(word)
        });
        for word in words {
            assert!(
                step.contains(&format!("        {word}: ${{{{")),
                "{name} reads {word}"
            );
        }
        assert!(!step.contains("run: ${{") && !rest.split("env:").next().unwrap().contains("${{"));
    }
    assert_eq!(
        scripts,
        fs::read_dir(root().join("action")).unwrap().count()
    );
}
