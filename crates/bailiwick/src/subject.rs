use anyhow::{Context as _, Result};
use bailiwick_core::{Subject, UserInfo};

use crate::cluster::Opened;

/// The subject of a question, as the command line names it.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct SubjectOptions {
    /// Group that the subject is in, besides those that Kubernetes adds by itself. May be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
}

/// Who is asked about.
pub(crate) struct Who {
    /// How to name them in an answer.
    pub(crate) subject: Subject,
    /// The identity that their requests arrive with.
    pub(crate) user: UserInfo,
}

impl SubjectOptions {
    /// Reads `text`; `me` is asked of the API server.
    pub(crate) fn resolve(&self, text: &str, opened: &Opened) -> Result<Who> {
        if text == "me" {
            let mut user = opened.who_am_i()?;
            user.groups.extend(self.groups.iter().cloned());
            return Ok(Who {
                subject: Subject::from_user_name(&user.name),
                user,
            });
        }
        let subject: Subject = text.parse().context("SUBJECT is not readable")?;
        let user = opened.members.identity(&subject, &self.groups);
        Ok(Who { subject, user })
    }
}
