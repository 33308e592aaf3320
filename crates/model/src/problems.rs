//! What can be wrong with input, each with the page that `bailiwick explain ID` prints.

use std::fmt::Write as _;

/// Something that can be wrong with what is read: an object, a document, a file or a cluster.
#[derive(Debug)]
pub struct Problem {
    /// Stable id in kebab case.
    pub id: &'static str,
    /// What is the case, in a few words.
    pub title: &'static str,
    /// What is lost of the input.
    pub lost: &'static str,
    /// The doc comment, each line with the space that follows the slashes.
    doc: &'static str,
}

impl Problem {
    /// The page, in Markdown.
    pub fn page(&self) -> String {
        let Self {
            id, title, lost, ..
        } = self;
        format!(
            "# {title}\n\nProblem `{id}` of the input. Lost: {lost}.\n\n{}",
            self.body()
        )
    }

    fn body(&self) -> String {
        let lines = self.doc.lines();
        let lines = lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)));
        lines.collect()
    }
}

/// All pages in one, for `docs/problems.md`.
pub fn problems_page() -> String {
    let mut page = "# Problems of the input\n\n\
        What can be wrong with files and clusters that are read. `bailiwick explain ID` prints a section. Where \
        something is lost, answers that it could change say that they are partial, and the exit code is 3.\n\n\
        | Problem | Means | Lost |\n| --- | --- | --- |\n"
        .to_owned();
    for Problem {
        id, title, lost, ..
    } in PROBLEMS
    {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| [`{id}`](#{id}) | {title} | {lost} |");
    }
    for problem in PROBLEMS {
        let _ = write!(page, "\n## {}\n\n{}", problem.id, problem.body());
    }
    page
}

macro_rules! problems {
    ($($(#[doc = $doc:literal])* $id:literal, $title:literal, lost $lost:literal;)*) => {
        /// Every problem, in order of id.
        pub static PROBLEMS: &[Problem] = &[$(Problem {
            id: $id,
            title: $title,
            lost: $lost,
            doc: concat!($($doc, "\n"),*),
        }),*];
    };
}

problems! {
    /// ClusterRoles that aggregate one another have no settled rules: what the controller writes depends on the order in which it
    /// meets them. Take one of the labels or selectors away.
    "aggregation-circle", "ClusterRoles aggregate each other", lost "nothing";
    /// The object comes from a cluster, and its rules are not those that its `aggregationRule` gathers from the ClusterRoles beside it.
    /// The authorizer reads nothing but the stored rules, so these count. Either the input lacks some of the ClusterRoles, or the
    /// controller has not run since they changed.
    "aggregation-differs", "stored rules are not what the controller would write", lost "nothing";
    /// A document grows beyond any object when its aliases are put in place: YAML that is made to exhaust memory.
    "alias-bomb", "aliases make a document larger than any object", lost "the document";
    /// The server does not tell which resources it has. Names are resolved as those of a server of the same minor.
    "api-not-discovered", "the discovery documents of a cluster cannot be read", lost "nothing";
    /// The file is neither text nor an archive that is known. Name manifests, an archive of them, or a file that `bailiwick snapshot` wrote.
    "binary-file", "a file is no text", lost "the file";
    /// The archive cannot be unpacked to its end: it is cut short, damaged, or of another kind than its first bytes say.
    "broken-archive", "an archive cannot be read", lost "the archive, or the rest of it";
    /// A text of the ConfigMap `kube-system/aws-auth` is no YAML, or no list. EKS reads none of that text then, and so does Bailiwick:
    /// nobody in it is a user of the cluster. The other texts of the ConfigMap count.
    "broken-identity-map", "a list of the identities of AWS cannot be read", lost "nothing";
    /// The document is no JSON. The message says where it stops to be.
    "broken-json", "a document is no JSON", lost "the document";
    /// The snapshot file was cut short or changed, or is of a newer version. Write it again with `bailiwick snapshot`.
    "broken-snapshot", "a snapshot file cannot be read", lost "the file";
    /// The document is no YAML to kubectl either, or is one of the few that are refused here alone: [Input](input.md) lists them.
    "broken-yaml", "a document is no YAML", lost "the document";
    /// A kind that no version of Kubernetes brings. Custom resources are passed by unless something here reads them; a misspelt API group looks
    /// the same.
    "custom-resource", "an object is a custom resource", lost "nothing";
    /// The input holds none of the roles and bindings that the API server makes when it starts, so those of a minor were added:
    /// without them a binding to `edit` means nothing. With them come the service accounts of its controllers, in `kube-system`.
    /// `--defaults` chooses the minor, or none.
    "defaults-added", "default roles and bindings were added", lost "nothing";
    /// No default roles are known of this minor. `--defaults 1.NN` takes those of another one.
    "defaults-unknown", "default roles of a minor are not known", lost "the default roles";
    /// Hidden directories, and links to directories, are not read: name them to have them read.
    "directory-left-aside", "a directory is not read", lost "nothing";
    /// The directories are nested deeper than any that people make.
    "directory-too-deep", "directories are nested too deep", lost "what lies deeper";
    /// A document is larger than any object that the API server takes.
    "document-too-large", "a document is larger than any object", lost "the document";
    /// The last one counts, as it does for kubectl, which does not tell. Both places are named.
    "duplicate-key", "a key is there twice in one mapping", lost "nothing";
    /// The last one counts, as it does for `kubectl apply`. Both places are named.
    "duplicate-object", "an object is there twice", lost "nothing";
    /// Nothing stands in it, or nothing but comments.
    "empty-file", "a file is empty", lost "nothing";
    /// Somebody answered for a finding until a day that has come: the finding counts again. Mend it, or have somebody answer for it anew.
    "exception-expired", "an exception has expired", lost "nothing";
    /// The annotation does not say who answers for the finding, why and until when:
    /// `bailiwick.dev/except.CHECK: "{owner: TEAM, reason: WHY, expires: 2027-01-31}"`.
    "exception-unusable", "an exception in an annotation cannot be read", lost "nothing";
    /// What it covered is mended, or it names another check or object than the finding does. The help says so where there is no
    /// check of this name.
    "exception-unused", "an exception covers no finding", lost "nothing";
    /// The file goes beyond what is read of one. Split it, or make a snapshot of the cluster instead of a dump.
    "file-too-large", "a file is too large", lost "the file, or the rest of it";
    /// `generateName` gives the object its name when it is created, and a name that nobody knows yet cannot be bound or looked
    /// up. Give it a `name` to have it counted.
    "generated-name", "an object has no name before it is created", lost "the object";
    /// A text of the ConfigMap `kube-system/aws-auth` holds more than any cluster has identities, or stands for more by its aliases.
    "identity-map-too-large", "a list of the identities of AWS is too large", lost "the ConfigMap";
    /// An entry of the ConfigMap `kube-system/aws-auth`, or a part of one, has no effect: EKS finds nobody by it. AWS tells a role without its
    /// path, so `role/NAME` has to stand there where the role is `role/PATH/NAME`; a session comes as its role; and of two entries
    /// with one ARN one counts.
    "identity-not-mapped", "an identity of AWS is nobody in the cluster", lost "nothing";
    /// Bytes that are no UTF-8. kubectl puts a sign in their place and goes on; a name with such a sign is another name.
    "invalid-utf8", "a document is no UTF-8", lost "the document";
    /// The document has `items` and a kind that is no list, so that kubectl takes it for one object and reads none of them.
    "list-of-no-items", "a document has items and is no list", lost "the document";
    /// The document has `items` and no kind. Write `kind: List` and `apiVersion: v1`.
    "list-without-kind", "a list does not say that it is one", lost "the document";
    /// Fifty issues of one object are told, the others are counted.
    "more-issues", "an object has more issues than are told", lost "nothing beyond what the others say";
    /// Nothing below the directory, or in the archive, ends in `.yaml`, `.yml` or `.json`.
    "no-manifests", "there are no manifests", lost "nothing";
    /// `kind` or `apiVersion` is missing, or the document is no mapping: nobody can tell what it is.
    "not-an-object", "a document is no object of Kubernetes", lost "the document";
    /// Documents with neither `kind` nor `apiVersion`: values of Helm, configurations of other programs.
    "not-kubernetes", "documents are not of Kubernetes", lost "nothing";
    /// The API server refused to list this kind in the whole cluster or in the rest of it, or did not answer. `bailiwick print-role`
    /// prints the rights that reading takes. A snapshot file says so of what could not be read when it was written, and of kinds that
    /// the program which wrote it did not read yet: take it anew.
    "not-read", "a kind could not be read from the cluster", lost "objects of the kind";
    /// The message names the field and the rule. Nothing rests on an object that cannot exist.
    "refused-by-api-server", "the API server would refuse an object", lost "the object";
    /// No API server of today serves this version of the kind. The message names the one to write.
    "removed-api-version", "a version of the API is gone", lost "the object";
    /// The object comes from a cluster that took it, so it counts; the API server of today would refuse it.
    "stored-but-invalid", "a stored object would be refused today", lost "nothing";
    /// Braces that no YAML has in such places: render the chart, or whatever it is, and read what comes out.
    "template", "a document is a template", lost "the document";
    /// Text behind a line `...`, which ends a document. kubectl does not read it either.
    "text-ignored", "text stands behind the end of a document", lost "nothing that kubectl reads";
    /// A file goes beyond the documents that are read of one.
    "too-many-documents", "a file has too many documents", lost "the rest of the file";
    /// A directory or an archive goes beyond the files that are read of one.
    "too-many-files", "there are too many files", lost "the rest of them";
    /// Some findings are told, the others are counted.
    "too-many-findings", "there are more findings than are told", lost "nothing";
    /// The field is misspelt or stands in the wrong place. kubectl refuses the object; a client without strict validation creates it
    /// without the field, and the message says what that means.
    "unknown-field", "an object has a field that the API does not know", lost "nothing";
    /// The kind is in none of the API's groups: it is misspelt, or in another group.
    "unknown-kind", "no API server knows a kind", lost "the object, where it is close to a kind that is read";
    /// The system refuses to open or read it. The message says why.
    "unreadable", "a file or directory cannot be read", lost "all of it";
    /// The kind exists, and not in this group and version. The message names the one to write.
    "wrong-api-version", "a kind is not in this version of the API", lost "the object";
    /// A text where a list must be, or the like. YAML reads `yes`, `010` and `1e3` as other things than text: quotes help.
    "wrong-type", "a field is of another type", lost "the object";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_and_unique() {
        let ids: Vec<&str> = PROBLEMS.iter().map(|problem| problem.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }
}
