use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::finding::Finding;
use crate::place::Place;

impl Finding {
    /// Gives every finding its fingerprint: a hash of its id with the object and the field, or with the file and the
    /// message where there is no object. `anchor` names a field so that it stays the same when the elements of lists
    /// move. Findings that are the same in all of this are numbered in their order.
    pub fn identify(findings: &mut [Self], anchor: impl Fn(&Place) -> String) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for finding in findings {
            let mut parts = finding.parts(&anchor);
            let same = seen.entry(parts.join("\0")).or_default();
            *same += 1;
            if *same > 1 {
                parts.push(same.to_string());
            }
            finding.fingerprint = digest(&parts);
        }
    }

    /// The fingerprint, made of the field as it stands where nobody has identified the finding.
    pub fn fingerprint(&self) -> String {
        match &*self.fingerprint {
            "" => digest(&self.parts(|place| place.pointer.clone())),
            known => known.to_owned(),
        }
    }

    fn parts(&self, anchor: impl Fn(&Place) -> String) -> Vec<String> {
        let mut parts = vec![self.id.to_string()];
        match self.places.first() {
            Some(place) if place.object.is_some() => {
                parts.extend(place.object.as_ref().map(ToString::to_string));
                parts.push(anchor(place));
            }
            Some(Place {
                span: Some(span), ..
            }) => {
                parts.extend([span.file.to_string(), self.message.clone()]);
            }
            _ => parts.push(self.message.clone()),
        }
        parts
    }
}

/// The first half of a SHA-256, in hexadecimal.
fn digest(parts: &[String]) -> String {
    let digest = Sha256::digest(parts.join("\0").as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
