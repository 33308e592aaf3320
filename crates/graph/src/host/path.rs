/// How a mounted path of the node lies to another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is that path, or holds it.
    Above,
    /// It lies within it.
    Below,
}

/// How `mount` lies to `path`, segment by segment; `None` where neither holds the other.
///
/// `/var/run` is `/run`: so it is on every node since 2015, and a container that mounts `/var` finds a link there that
/// leads to its own `/run`.
pub(crate) fn relation(mount: &str, path: &str) -> Option<Relation> {
    let mut mount = segments(mount);
    let mut path = segments(path);
    loop {
        match (mount.next(), path.next()) {
            (None, _) => return Some(Relation::Above),
            (Some(_), None) => return Some(Relation::Below),
            (Some(own), Some(other)) if own == other => {}
            _ => return None,
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let named = |step: &&str| !matches!(*step, "" | ".");
    let mut steps = path.split('/').filter(named);
    let mut ahead = path.split('/').filter(named);
    if (ahead.next(), ahead.next()) == (Some("var"), Some("run")) {
        steps.next();
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_segments() {
        let check = |mount, path, expected| {
            assert_eq!(relation(mount, path), expected, "{mount} to {path}");
        };
        check("/", "/etc/shadow", Some(Relation::Above));
        check("/etc", "/etc/shadow", Some(Relation::Above));
        check("/etc/", "/etc", Some(Relation::Above));
        check("//etc/./shadow", "/etc/shadow", Some(Relation::Above));
        check("/etc/cron.d/job", "/etc/cron.d", Some(Relation::Below));
        check("/etcetera", "/etc", None);
        check("/et", "/etc", None);
        check(
            "/var/run/docker.sock",
            "/run/docker.sock",
            Some(Relation::Above),
        );
        check("/var/run", "/run/docker.sock", Some(Relation::Above));
        check("/run", "/var/run/docker.sock", Some(Relation::Above));
        check("/var", "/run/docker.sock", None);
        check("/var/runner", "/run", None);
    }
}
