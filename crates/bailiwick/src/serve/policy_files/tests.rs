use bailiwick_pdp::Prepared;

use super::super::stamps::WRITING;
use super::*;

const DENY: &str = "forbid (principal, action, resource);";

fn revocation(name: &str, user: &str) -> String {
    format!(
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Revocation\nmetadata: {{name: {name}}}\nspec: {{user: {user}}}\n"
    )
}

struct Home {
    directory: tempfile::TempDir,
    files: PolicyFiles,
    compiler: Compiler,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            files: PolicyFiles::new(vec![directory.path().to_owned()]),
            directory,
            compiler: Compiler::new().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn scan(&mut self, told: &[&str]) -> Result<Option<Scan>> {
        let files = told.iter().map(|name| self.directory.path().join(name));
        let told = Told {
            files: files.collect(),
            gone: BTreeSet::new(),
            all: told.is_empty(),
        };
        match self.files.scan(&told, &self.compiler, &mut || false)? {
            Found::Changes(scan) => Ok(Some(scan)),
            Found::Nothing => Ok(None),
            Found::Stopped => panic!("nobody said so"),
        }
    }

    /// What is put and what is removed, once it is taken.
    fn takes(&mut self, told: &[&str], put: &[&str], removed: &[&str]) {
        let scan = self.scan(told).unwrap().unwrap();
        let ids = |ids: Vec<&DocumentId>| -> Vec<String> {
            let mut names: Vec<String> = ids.iter().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(ids(scan.edit.put.iter().map(Prepared::id).collect()), put);
        assert_eq!(ids(scan.edit.remove.iter().collect()), removed);
        self.files.take(scan);
    }
}

#[test]
fn what_is_refused_is_told_once_whenever_it_was_written() {
    let mut home = Home::new();
    home.write("a.cedar", DENY);
    home.takes(&[], &["ClusterPolicy a"], &[]);
    home.write("a.cedar", "forbid (");
    let refused = home.scan(&["a.cedar"]).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("a.cedar"), "{refused}");
    // Nothing has happened since: neither while the file is new, nor later.
    assert!(home.scan(&[]).unwrap().is_none());
    std::thread::sleep(WRITING);
    assert!(home.scan(&[]).unwrap().is_none());
    // What was in force is so again, and is broken again.
    home.write("a.cedar", DENY);
    home.takes(&["a.cedar"], &["ClusterPolicy a"], &[]);
    home.write("a.cedar", "forbid (");
    assert!(home.scan(&["a.cedar"]).is_err());
}

#[test]
fn only_what_has_changed_is_read() {
    let mut home = Home::new();
    let (a, b) = (revocation("a", "anna"), revocation("b", "ben"));
    home.write("all.yaml", &format!("{a}---\n{b}"));
    home.write("deny.cedar", DENY);
    home.takes(
        &[],
        &["ClusterPolicy deny", "Revocation a", "Revocation b"],
        &[],
    );
    assert!(home.scan(&[]).unwrap().is_none());
    let b = revocation("b", "bert");
    home.write("all.yaml", &format!("{a}---\n{b}"));
    home.takes(&["all.yaml"], &["Revocation b"], &[]);
    home.write("all.yaml", &b);
    home.takes(&["all.yaml"], &[], &["Revocation a"]);
    // From one file to another.
    home.write("all.yaml", "");
    home.write("other.yaml", &b);
    std::thread::sleep(2 * WRITING);
    home.takes(&["all.yaml", "other.yaml"], &["Revocation b"], &[]);
    std::fs::remove_file(home.directory.path().join("deny.cedar")).unwrap();
    assert!(home.scan(&[]).unwrap().is_none(), "it may come back");
    std::thread::sleep(2 * WRITING);
    home.takes(&[], &[], &["ClusterPolicy deny"]);
    let json = serde_json::json!([]).to_string();
    home.write("x.json", &json.replace("[]", "{\"apiVersion\":\"bailiwick.dev/v1alpha1\",\"kind\":\"Revocation\",\"metadata\":{\"name\":\"j\"},\"spec\":{\"group\":\"g\"}}"));
    home.takes(&["x.json"], &["Revocation j"], &[]);
}

/// A file of one document that was written again with what it held already lifted its revocation.
#[test]
fn a_file_that_is_written_again_as_it_was_changes_nothing() {
    let mut home = Home::new();
    for text in [
        revocation("a", "anna"),
        format!("---\n{}", revocation("a", "ben")),
    ] {
        home.write("a.yaml", &text);
        home.takes(&["a.yaml"], &["Revocation a"], &[]);
        home.write("a.yaml", &text);
        home.takes(&["a.yaml"], &[], &[]);
    }
}

#[test]
fn many_files_are_read_as_few_are() {
    let mut home = Home::new();
    let names: Vec<String> = (10..10 + 3 * MANY).map(|n| format!("r{n}")).collect();
    for name in &names {
        home.write(&format!("{name}.yaml"), &revocation(name, "anna"));
    }
    let put: Vec<String> = names
        .iter()
        .map(|name| format!("Revocation {name}"))
        .collect();
    let put: Vec<&str> = put.iter().map(String::as_str).collect();
    home.takes(&[], &put, &[]);
    home.write("r11.yaml", "kind: [");
    home.write("r50.yaml", &revocation("r10", "ben"));
    let told: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let wrong = home.scan(&told).err().unwrap().to_string();
    assert!(
        wrong.starts_with(&home.directory.path().join("r11.yaml").display().to_string()),
        "{wrong}"
    );
    assert!(
        wrong.contains("Revocation r10: 2 documents have this kind and name"),
        "{wrong}"
    );
}

/// A change that was told waited for a look at very many files.
#[test]
fn a_look_at_all_files_can_be_stopped() {
    let mut home = Home::new();
    for number in 0..3 * BETWEEN {
        let name = format!("r{number}");
        home.write(&format!("{name}.yaml"), &revocation(&name, "anna"));
    }
    let (mut asked, stop_at) = (0, 1);
    let mut stop = || {
        asked += 1;
        asked > stop_at
    };
    let found = home.files.scan(&Told::all(), &home.compiler, &mut stop);
    assert!(matches!(found, Ok(Found::Stopped)));
    assert_eq!(asked, 2);
    let found = home.scan(&[]).unwrap();
    assert_eq!(found.map(|scan| scan.edit.put.len()), Some(3 * BETWEEN));
}

/// A broken file lifted a revocation: it was read while it was being written, when it was empty.
#[test]
fn a_file_that_is_being_written_takes_nothing_away() {
    let mut home = Home::new();
    home.write("a.yaml", &revocation("a", "anna"));
    home.takes(&[], &["Revocation a"], &[]);
    home.write("a.yaml", "");
    for told in [&[][..], &["a.yaml"]] {
        assert!(home.scan(told).unwrap().is_none(), "{told:?}");
    }
    // Nobody writes for so long.
    std::thread::sleep(2 * WRITING);
    home.takes(&[], &[], &["Revocation a"]);
}

/// Some programs take a file away and write a new one in its place: what it forbade was allowed in between.
#[test]
fn a_file_that_is_gone_for_a_moment_takes_nothing_away() {
    let mut home = Home::new();
    home.write("a.yaml", &revocation("a", "anna"));
    home.takes(&[], &["Revocation a"], &[]);
    std::fs::remove_file(home.directory.path().join("a.yaml")).unwrap();
    assert!(home.scan(&["a.yaml"]).unwrap().is_none());
    home.write("a.yaml", "");
    assert!(home.scan(&[]).unwrap().is_none());
    home.write("a.yaml", &revocation("a", "ben"));
    home.takes(&["a.yaml"], &["Revocation a"], &[]);
}

#[test]
fn what_is_wrong_is_told_once_and_nothing_is_taken() {
    let mut home = Home::new();
    home.write("a.yaml", &revocation("a", "anna"));
    home.takes(&[], &["Revocation a"], &[]);
    home.write(
        "b.yaml",
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Revocation\n",
    );
    home.write("a.yaml", &revocation("c", "cleo"));
    let wrong = home.scan(&["a.yaml", "b.yaml"]).err().unwrap().to_string();
    assert!(
        wrong.contains("b.yaml:1: Revocation: `metadata.name` is missing"),
        "{wrong}"
    );
    std::thread::sleep(2 * WRITING);
    // Told once more, since the time of the last look the stamps have settled at the latest.
    let _ = home.scan(&[]);
    assert!(home.scan(&[]).unwrap().is_none());
    // The same name in a file that has not changed.
    home.write("b.yaml", &revocation("c", "cleo"));
    let wrong = home.scan(&["b.yaml"]).err().unwrap().to_string();
    assert!(
        wrong.contains("2 documents have this kind and name"),
        "{wrong}"
    );
    home.write("b.yaml", "");
    std::thread::sleep(2 * WRITING);
    home.takes(&["b.yaml"], &["Revocation c"], &["Revocation a"]);
}

/// The start waited for somebody to write to it.
#[test]
fn a_path_that_is_no_file_is_refused() {
    let mut home = Home::new();
    let socket = home.directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    home.files = PolicyFiles::new(vec![socket]);
    let wrong = home.scan(&[]).err().unwrap().to_string();
    assert!(wrong.contains("socket` is no regular file"), "{wrong}");
}

#[test]
fn documents_of_others_are_told_and_unknown_versions_refused() {
    let mut home = Home::new();
    home.write(
        "a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\nx: 1\n",
    );
    let scan = home.scan(&[]).unwrap().unwrap();
    let told: Vec<String> = scan.strange.iter().map(ToString::to_string).collect();
    assert!(
        told[0].contains("a.yaml:1: a `ConfigMap` of `v1` is no document"),
        "{told:?}"
    );
    assert!(
        told[1].contains("a.yaml:5: a document without `apiVersion`"),
        "{told:?}"
    );
    home.write("a.yaml", &revocation("a", "anna").replace("v1alpha1", "v1"));
    let wrong = home.scan(&["a.yaml"]).err().unwrap().to_string();
    assert!(
        wrong.contains("`bailiwick.dev/v1` is a version that is not known"),
        "{wrong}"
    );
}

/// Kubernetes mounts a ConfigMap as links into a directory whose name begins with dots, and swaps that.
#[test]
fn a_mounted_config_map_is_read_once_and_followed() {
    let mut home = Home::new();
    let at = |name: &str| home.directory.path().join(name);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
    for (version, user) in [("..1", "anna"), ("..2", "ben")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("r.yaml"), revocation("r", user)).unwrap();
    }
    link("..1", "..data");
    link("..data/r.yaml", "r.yaml");
    std::thread::sleep(2 * WRITING);
    home.takes(&[], &["Revocation r"], &[]);
    let at = |name: &str| home.directory.path().join(name);
    std::os::unix::fs::symlink("..2", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    home.takes(&[], &["Revocation r"], &[]);
}
