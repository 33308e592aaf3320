use std::collections::BTreeSet;

use super::super::stamps::WRITING;
use super::*;

fn binding(user: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {user}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
         subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]\n"
    )
}

/// What is written, put in a place or taken away is looked at by itself; all is looked at where it cannot be said what
/// has changed.
#[test]
fn what_is_told_says_which_files_to_look_at() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("a.yaml"), "a: 1").unwrap();
    std::fs::write(at("one"), "").unwrap();
    std::fs::hard_link(at("one"), at("other")).unwrap();
    std::os::unix::fs::symlink("a.yaml", at("link")).unwrap();
    let named = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(|name| at(name)).collect() };
    let check =
        |whole: &[&str], made: &[&str], gone: &[&str], expected: (&[&str], &[&str], bool)| {
            let heard = Heard {
                whole: named(whole),
                made: named(made),
                gone: named(gone),
                somewhere: false,
            };
            let mut told = Told::default();
            heard.tell(&[at("policies")], &mut told);
            let files: Vec<PathBuf> = told.files.into_iter().collect();
            let lost: Vec<PathBuf> = told.gone.into_iter().collect();
            assert_eq!(
                (files, lost, told.all),
                (named(expected.0), named(expected.1), expected.2)
            );
        };
    check(&["a.yaml"], &[], &[], (&["a.yaml"], &[], false));
    check(&["b.yaml"], &[], &[], (&[], &["b.yaml"], false));
    check(&["link"], &[], &[], (&[], &[], true));
    check(&[""], &[], &[], (&[], &[], true));
    check(&[], &["a.yaml", "b.yaml"], &[], (&[], &[], false));
    check(&[], &["link"], &[], (&[], &[], true));
    check(&[], &["other"], &[], (&[], &[], true));
    check(&[], &[], &["c.yaml"], (&[], &["c.yaml"], false));
    check(&[], &[], &[""], (&[], &[""], true));
}

#[test]
fn many_files_are_looked_at_less_often() {
    let check = |every: u64, took: u64, expected: u64| {
        let millis = Duration::from_millis;
        let pause = pause(millis(every), millis(took));
        assert_eq!(pause, millis(expected), "{every} {took}");
    };
    check(1_000, 0, 1_000);
    check(1_000, 10, 1_000);
    check(1_000, 26, 2_600);
    check(1_000, 60_000, 10_000);
    check(50, 2, 200);
}

/// Manifests were read while one of them was being written, when it was empty or gone: break-glass was taken away.
#[test]
fn manifests_that_are_being_written_take_nothing_away() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(file(name), text).unwrap();
    write("a.yaml", &binding("anna"));
    write("b.yaml", &binding("ben"));
    let mut manifests = Manifests::new(vec![home.path().to_owned()], Defaults::None);
    let mut bindings = |told: &[&str], always| {
        let files = told.iter().map(|name| file(name)).collect();
        let all = told.is_empty();
        let gone = BTreeSet::new();
        let found = manifests.look(&Told { files, gone, all }, always);
        found.map(|snapshot| snapshot.bindings.len())
    };
    assert_eq!(bindings(&[], true), Some(2));
    assert_eq!(bindings(&[], false), None);
    write("a.yaml", "");
    for (told, always) in [(&[][..], false), (&["a.yaml"], false), (&[], true)] {
        assert_eq!(bindings(told, always), None, "{told:?} {always}");
    }
    // Whole again, as the system tells.
    write(
        "a.yaml",
        &format!("{}---\n{}", binding("anna"), binding("cleo")),
    );
    assert_eq!(bindings(&["a.yaml"], false), Some(3));
    std::fs::remove_file(file("b.yaml")).unwrap();
    assert_eq!(bindings(&[], false), None, "it may come back");
    write("b.yaml", &format!("{}---\n", binding("ben")));
    assert_eq!(bindings(&["b.yaml"], false), Some(3));
    std::fs::remove_file(file("b.yaml")).unwrap();
    write("a.yaml", "");
    assert_eq!(bindings(&[], false), None);
    // Nobody writes for so long.
    std::thread::sleep(2 * WRITING);
    assert_eq!(bindings(&[], false), Some(0));
}
