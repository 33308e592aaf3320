use std::sync::Arc;

use bailiwick_identity::pods::{ReviewError, Reviewed, Reviewer};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::issuer_core::unavailable;

/// Tokens under review at one time.
const MAX_REVIEWS: usize = 64;

/// Asks the API server whose tokens are, within bounds.
pub(crate) struct Tokens {
    reviewer: Arc<dyn Reviewer>,
    reviews: Semaphore,
}

impl Tokens {
    pub(crate) fn new(reviewer: Arc<dyn Reviewer>) -> Self {
        let reviews = Semaphore::new(MAX_REVIEWS);
        Self { reviewer, reviews }
    }

    /// Whose token it is (K-6). Who cannot be told now may come again.
    pub(crate) async fn review(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<Result<Reviewed, ReviewError>, Status> {
        let permit = self.reviews.try_acquire();
        let _permit = permit
            .map_err(|_| Status::unavailable("too many tokens under review: try again later"))?;
        match self.reviewer.review(token, audience).await {
            Err(error @ ReviewError::Unavailable(_)) => Err(unavailable(&error)),
            reviewed => Ok(reviewed),
        }
    }
}
