use std::sync::{Arc, Mutex, PoisonError};

/// Whether questions are answered: every token that was taken has been given back.
///
/// Whoever has to finish something first, such as reading the roles, takes a token for it and drops it when that is
/// done. Tokens have names, so that `/readyz` says what is waited for.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    waiting: Arc<Mutex<Vec<&'static str>>>,
}

/// Something that has to be done before questions are answered; done when dropped.
#[derive(Debug)]
#[must_use = "dropping it says that what it stands for is done"]
pub struct NotYet {
    name: &'static str,
    ready: Ready,
}

impl Ready {
    /// Nothing is waited for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready before the token is dropped.
    pub fn wait_for(&self, name: &'static str) -> NotYet {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name);
        NotYet {
            name,
            ready: self.clone(),
        }
    }

    /// What is waited for.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for NotYet {
    fn drop(&mut self) {
        let mut waiting = self
            .ready
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = waiting.iter().position(|name| *name == self.name) {
            waiting.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_token_is_back() {
        let ready = Ready::new();
        let (roles, again) = (ready.wait_for("roles"), ready.wait_for("roles"));
        let policies = ready.wait_for("policies");
        drop(roles);
        assert_eq!(ready.waiting().len(), 2);
        drop((again, policies));
        assert_eq!(ready.waiting(), Vec::<&str>::new());
    }
}
