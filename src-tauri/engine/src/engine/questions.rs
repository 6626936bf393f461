//! Questions of SSH hosts that no stored secret answers, such as a code from a telephone: put to whoever
//! watches, answered or withdrawn.

use super::Engine;
use crate::adapters::ssh::Ask;
use crate::domain::secret::Secret;
use crate::domain::transport::{SshQuestion, SshQuestionEvent};
use crate::domain::{Failure, FailureCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

type Watcher = Arc<dyn Fn(SshQuestionEvent) + Send + Sync>;

/// The open questions of one console.
#[derive(Default)]
pub(super) struct Questions {
    watcher: Mutex<Option<Watcher>>,
    open: Mutex<HashMap<String, oneshot::Sender<Option<Secret>>>>,
}

impl Questions {
    fn watcher(&self) -> Option<Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, id: &str) -> Option<oneshot::Sender<Option<Secret>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// A question that is open. However its asking ends, it is withdrawn.
struct Asked {
    questions: Arc<Questions>,
    id: String,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.questions.take(&self.id);
        if let Some(watcher) = self.questions.watcher() {
            watcher(SshQuestionEvent::Withdrawn { id: self.id.clone() });
        }
    }
}

impl Engine {
    /// Puts hosts' questions to this watcher from now on, instead of an earlier one.
    pub fn watch_questions(&self, watcher: impl Fn(SshQuestionEvent) + Send + Sync + 'static) {
        let mut kept = self.inner.questions.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::new(watcher));
    }

    /// Answers a question; `None`: there will be no answer.
    ///
    /// # Errors
    /// [`FailureCode::TimedOut`]: nobody waits for it any more.
    pub fn answer_question(&self, id: &str, answer: Option<Secret>) -> Result<(), Failure> {
        let answered = self.inner.questions.take(id).is_some_and(|waits| waits.send(answer).is_ok());
        if answered {
            return Ok(());
        }
        Err(Failure::new(FailureCode::TimedOut, "The host does not wait for this answer any more.")
            .unchanged("It was sent nowhere.")
            .next("Test the connection again."))
    }

    /// A way to ask, if somebody watches.
    pub(super) fn ask(&self) -> Option<Ask> {
        self.inner.questions.watcher()?;
        let questions = Arc::clone(&self.inner.questions);
        Some(Arc::new(move |question| {
            let questions = Arc::clone(&questions);
            Box::pin(async move {
                let watcher = questions.watcher()?;
                let id = Engine::draw_id();
                let (answer, answered) = oneshot::channel();
                questions.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), answer);
                let asked = Asked { questions, id: id.clone() };
                let question =
                    SshQuestion { id, host: question.host, text: question.text, shown: question.shown };
                watcher(SshQuestionEvent::Asked { question });
                let answer = answered.await.ok().flatten();
                drop(asked);
                answer
            })
        }))
    }
}
