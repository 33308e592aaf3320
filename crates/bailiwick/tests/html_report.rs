//! The page of `-o html` in a real Chromium: it shows what the program found, it does what its controls say, and
//! nothing leaves it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test, also where it is no test function"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use bailiwick_testkit::browser::{self, Browser};
use bailiwick_testkit::generate::{Pods, Shape};
use serde_json::Value;
use tempfile::TempDir;

/// A page that is open, in the directory that holds it.
struct Page {
    browser: Browser,
    _directory: TempDir,
}

impl Page {
    /// The page that these arguments give, or nothing where there is no browser.
    fn of(arguments: &[&str]) -> Option<Self> {
        let Some(program) = browser::installed() else {
            eprintln!("NOT TESTED in a browser: Chromium is not installed");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("graph.html");
        let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(arguments)
            .args(["-o", "html"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        fs::write(&path, output.stdout).unwrap();
        let mut browser = Browser::start(&program).unwrap();
        browser.open(&format!("file://{}", path.display())).unwrap();
        let mut page = Self {
            browser,
            _directory: directory,
        };
        page.settle();
        Some(page)
    }

    /// Waits until nodes no longer move and the last picture is painted.
    fn settle(&mut self) {
        self.browser.settle().unwrap();
    }

    fn run(&mut self, script: &str) -> Value {
        self.browser.evaluate(script).unwrap()
    }

    fn text(&mut self, selector: &str) -> String {
        let script = format!("document.querySelector({selector:?})?.innerText ?? ''");
        self.run(&script).as_str().unwrap().to_owned()
    }

    fn count(&mut self, selector: &str) -> u64 {
        let script = format!("document.querySelectorAll({selector:?}).length");
        self.run(&script).as_u64().unwrap()
    }

    fn click(&mut self, selector: &str) {
        self.run(&format!("document.querySelector({selector:?}).click()"));
    }

    fn search(&mut self, words: &str) {
        let script = "(words) => { const box = document.getElementById('search'); box.value = words; \
                      box.dispatchEvent(new Event('input')); }";
        self.run(&format!("({script})({words:?})"));
        // The page waits a moment for more letters where there is much to search.
        self.run("new Promise((done) => setTimeout(done, 400))");
    }

    /// Clicks the middle of the picture.
    fn click_canvas(&mut self) {
        let script = "(() => { const box = document.getElementById('canvas').getBoundingClientRect(); \
                      return [box.x + box.width / 2, box.y + box.height / 2]; })()";
        let middle = self.run(script);
        let (x, y) = (middle[0].as_f64().unwrap(), middle[1].as_f64().unwrap());
        self.browser.click(x, y).unwrap();
    }

    /// Nothing left the page, and nothing went wrong in it.
    fn is_quiet(&self) {
        let sent = self
            .browser
            .events(&["Network.requestWillBeSent", "Network.webSocketCreated"]);
        let sent: Vec<&Value> = sent
            .map(|event| &event["params"]["request"]["url"])
            .collect();
        assert_eq!(sent.len(), 1, "only the page itself is read: {sent:?}");
        let said = [
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
        ];
        let said: Vec<&Value> = self.browser.events(&said).collect();
        assert!(said.is_empty(), "{said:?}");
    }
}

#[test]
fn the_page_of_the_example_does_what_its_controls_say() {
    let Some(mut page) = Page::of(&["paths", "-f", "examples/acme"]) else {
        return;
    };
    assert_eq!(page.text("h1"), "Paths to full control of the cluster");
    let all = page.count("#list button");
    assert!(all > 20, "{all} paths");

    // Search.
    page.search("ci/runner");
    let found = page.count("#list button");
    assert!(found > 0 && found < all, "{found} of {all} paths");
    assert!(
        page.text("#counts")
            .contains(&format!("{found} of {all} paths"))
    );

    // A path, and the proof of its first step.
    page.click("#list button");
    assert_eq!(page.count("#list [aria-current=true]"), 1);
    page.click("#details summary");
    let proof = page.text("#details .proof");
    assert!(
        proof.contains("RoleBinding ci/runner, subject 1"),
        "{proof}"
    );
    assert!(proof.contains("examples/acme/ci/runners.yaml:"), "{proof}");
    assert!(
        proof.contains("system:serviceaccount:ci:runner may create pods in namespace \"ci\""),
        "{proof}"
    );

    // A node of the path, with its ways in and out.
    page.click("#details h2 .link");
    let node = page.text("#details");
    assert!(node.contains("service account ci/runner"), "{node}");
    assert!(
        node.contains("Ways in: ") && node.contains("Ways out: "),
        "{node}"
    );

    // Escape closes the details, then the search.
    page.browser.press("Escape").unwrap();
    assert_eq!(page.count("#details[hidden]"), 1);
    page.browser.press("Escape").unwrap();
    assert_eq!(page.count("#list button"), all);

    // Filter by kind of step.
    page.click("[data-kind=exec]");
    let filtered = page.count("#list button");
    assert!(filtered > 0 && filtered < all, "{filtered} of {all} paths");
    assert_eq!(page.count("#list .via"), filtered);
    assert!(
        page.text("#list .via")
            .replace('\u{2011}', "-")
            .contains("exec")
    );
    page.browser.press("Escape").unwrap();
    assert_eq!(page.count("#list button"), all);

    // Keys: the next path, other layouts, dark and light.
    page.browser.press("ArrowDown").unwrap();
    assert_eq!(page.count("#list [aria-current=true]"), 1);
    let theme = page.run("document.documentElement.dataset.theme");
    for key in ["t", "l", "a", "f"] {
        page.browser.press(key).unwrap();
        page.settle();
    }
    assert_ne!(page.run("document.documentElement.dataset.theme"), theme);
    page.is_quiet();
}

#[test]
fn a_click_on_the_picture_opens_the_node_that_is_there() {
    let Some(mut page) = Page::of(&[
        "paths",
        "-f",
        "examples/acme",
        "--from",
        "sa:ci/runner",
        "-k",
        "1",
    ]) else {
        return;
    };
    // A step whose ends are in the middle of the picture, and back: the view stays.
    page.click("#list button");
    page.click("#details h2 .link:last-of-type");
    let chosen = page.text("#details h2");
    page.browser.press("Escape").unwrap();
    page.run("document.getElementById('details').hidden = true");
    page.settle();
    let hit = "(() => { const box = document.getElementById('canvas').getBoundingClientRect(); \
               for (let y = 4; y < box.height; y += 4) for (let x = 4; x < box.width; x += 4) { \
               const at = { clientX: box.x + x, clientY: box.y + y, bubbles: true }; \
               document.getElementById('canvas').dispatchEvent(new PointerEvent('pointermove', at)); \
               const tip = document.getElementById('tip'); \
               if (!tip.hidden && tip.firstChild.data === NAME) return [at.clientX, at.clientY]; } })()";
    let point = page.run(&hit.replace("NAME", &format!("{chosen:?}")));
    let (x, y) = (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
    page.browser.click(x, y).unwrap();
    assert_eq!(page.text("#details h2"), chosen);
    assert_eq!(page.count("#details[hidden]"), 0);
    page.is_quiet();
}

/// Names that would end the script, start one, or run in an attribute.
const HOSTILE: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "<img src=x onerror=document.title=1>"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: support}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "</script><img src=x onerror=\"document.title='broken in'\">"}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "<!--<script>`${document.title='broken in'}`"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: support}
rules: [{apiGroups: [""], resources: [users, groups], verbs: [impersonate]}]
"#;

#[test]
fn names_are_text_and_never_markup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hostile.yaml");
    fs::write(&file, HOSTILE).unwrap();
    let Some(mut page) = Page::of(&["paths", "-f", file.to_str().unwrap()]) else {
        return;
    };
    assert_eq!(page.count("#list button"), 2);
    for path in 0..2 {
        page.click(&format!("[data-path='{path}']"));
        page.click("#details summary");
        let details = page.text("#details");
        assert!(
            details.contains("<img src=x onerror=document.title=1>"),
            "{details}"
        );
    }
    assert_eq!(page.count("script"), 2, "the data and the program");
    assert_eq!(page.count("img"), 0);
    let title = page.run("document.title");
    assert_eq!(title, "Paths to full control of the cluster · Bailiwick");
    page.is_quiet();
}

#[test]
fn thousands_of_nodes_can_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.bwk");
    let cluster = Pods { pods: 6_000 }.cluster(&Shape::mixed(400), 7);
    bailiwick_input::snapshot::write(&cluster, fs::File::create(&file).unwrap()).unwrap();
    let Some(mut page) = Page::of(&["paths", "-f", file.to_str().unwrap()]) else {
        return;
    };
    // The list shows a page and counts the rest; nothing waits for 6,000 elements.
    assert_eq!(page.count("#list button"), 200);
    assert!(page.text("#more").ends_with(" more"));
    page.search("account-2");
    assert!(page.text("#counts").contains(" paths, "));
    page.browser.press("Escape").unwrap();
    page.browser.press("a").unwrap();
    page.settle();
    page.click_canvas();
    page.is_quiet();
}
