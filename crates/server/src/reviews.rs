//! Callers that come with a token of a service account: whose it is, by the word of the API server (TokenReview).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::tokens::LONGEST;

/// Namespace and name of a service account; `None` for a token that is none of this cluster for the audience; what is
/// wrong where nobody can say.
pub type Reviewed = Result<Option<(String, String)>, String>;

/// Asks whose a token is. What it says of an error holds no part of the token.
pub trait TokenReviewer: Send + Sync {
    /// Asks anew each time.
    fn review<'r>(&'r self, token: &'r str) -> Pin<Box<dyn Future<Output = Reviewed> + Send + 'r>>;
}

/// Whose tokens are, as the API server has said of late.
pub struct Reviews {
    reviewer: Box<dyn TokenReviewer>,
    by_hash: Mutex<HashMap<[u8; 32], Arc<Asked>>>,
    places: Semaphore,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").finish_non_exhaustive()
    }
}

/// A question about one token, for all who come with it.
struct Asked {
    since: Instant,
    answer: OnceCell<Reviewed>,
}

/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(10);
/// So many tokens are remembered, by their hashes; then what is known is forgotten.
const MOST: usize = 4_096;
/// Questions to the API server at once.
const AT_ONCE: usize = 16;
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Reviews {
    /// Nothing is known yet.
    pub fn new(reviewer: Box<dyn TokenReviewer>) -> Self {
        Self {
            reviewer,
            by_hash: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether the answer about a token costs no question.
    pub(crate) fn knows(&self, token: &str, now: Instant) -> bool {
        let known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = known.get(&hash(token));
        asked.is_some_and(|asked| asked.counts_at(now))
    }

    /// Whose a token is. Everybody who asks for the same token meanwhile gets the same answer.
    pub(crate) async fn review(&self, token: &str) -> Reviewed {
        if token.len() > LONGEST {
            return Ok(None);
        }
        let asked = self.asked(hash(token), Instant::now());
        let answer = asked.answer.get_or_init(|| self.ask(token));
        let late = || Err("it takes too long".to_owned());
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.map_or_else(|_| late(), Clone::clone)
    }

    async fn ask(&self, token: &str) -> Reviewed {
        let place = self.places.acquire().await;
        let _place = place.map_err(|error| error.to_string())?;
        self.reviewer.review(token).await
    }

    fn asked(&self, hash: [u8; 32], now: Instant) -> Arc<Asked> {
        let mut known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = known.get(&hash).filter(|asked| asked.counts_at(now)) {
            return Arc::clone(asked);
        }
        if known.len() >= MOST {
            known.retain(|_, asked| asked.counts_at(now));
        }
        if known.len() >= MOST {
            known.clear();
        }
        let asked = Arc::new(Asked {
            since: now,
            answer: OnceCell::new(),
        });
        known.insert(hash, Arc::clone(&asked));
        asked
    }
}

impl Asked {
    /// That nobody could say is no answer, so the next one asks again.
    fn counts_at(&self, now: Instant) -> bool {
        let failed = self.answer.get().is_some_and(Result::is_err);
        !failed && now.saturating_duration_since(self.since) < KEPT
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Knows the token `good`, fails at `away`, never answers `silent`.
    #[derive(Clone, Default)]
    struct Api(Arc<AtomicUsize>);

    impl TokenReviewer for Api {
        fn review<'r>(
            &'r self,
            token: &'r str,
        ) -> Pin<Box<dyn Future<Output = Reviewed> + Send + 'r>> {
            Box::pin(async move {
                self.0.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                match token {
                    "good" => Ok(Some(("shop".into(), "web".into()))),
                    "away" => Err("nobody there".into()),
                    "silent" => std::future::pending().await,
                    _ => Ok(None),
                }
            })
        }
    }

    #[test]
    fn one_question_for_all_who_come_with_the_same_token() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        let api = Api::default();
        let reviews = Arc::new(Reviews::new(Box::new(api.clone())));
        let check = |token: &'static str, expected: Reviewed, questions: usize| {
            let before = api.0.load(Ordering::SeqCst);
            runtime.block_on(async {
                let asking: Vec<_> = (0..8)
                    .map(|_| {
                        let reviews = Arc::clone(&reviews);
                        tokio::spawn(async move { reviews.review(token).await })
                    })
                    .collect();
                for one in asking {
                    assert_eq!(one.await.unwrap(), expected);
                }
            });
            assert_eq!(api.0.load(Ordering::SeqCst) - before, questions, "{token}");
        };
        let web = || Ok(Some(("shop".to_owned(), "web".to_owned())));
        check("good", web(), 1);
        check("good", web(), 0);
        check("bad", Ok(None), 1);
        check("bad", Ok(None), 0);
        // A failure is for those who waited, and for nobody later.
        check("away", Err("nobody there".into()), 1);
        check("away", Err("nobody there".into()), 1);
        let long = Box::leak("x".repeat(LONGEST + 1).into_boxed_str());
        check(long, Ok(None), 0);
        let now = Instant::now();
        assert!(reviews.knows("good", now) && !reviews.knows("away", now));
        assert!(!reviews.knows("good", now + KEPT));
        // Nobody waits for ever.
        let silent = runtime.block_on(reviews.review("silent"));
        assert_eq!(silent, Err("it takes too long".into()));
    }

    #[test]
    fn memory_is_bounded() {
        let reviews = Reviews::new(Box::new(Api::default()));
        let now = Instant::now();
        for number in 0..3 * MOST {
            reviews.asked(hash(&number.to_string()), now);
            assert!(reviews.by_hash.lock().unwrap().len() <= MOST);
        }
    }
}
