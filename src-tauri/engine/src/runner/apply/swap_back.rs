//! Taking a swap back: the names of two databases are exchanged once more, in one transaction. Nothing is made and
//! nothing is dropped; the server's numbers tell at any time who has the name.

use super::beside::{NAMING, cancelled, give, open_end};
use super::{Apply, Sessions, Stop};
use crate::domain::backup::SwapBackStep;
use crate::domain::run::StepStatus;
use crate::domain::{Failure, FailureCode};
use crate::runner::backup::beside::{Naming, outside};

impl Apply {
    pub(super) async fn swap_back(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        back: &SwapBackStep,
    ) -> Result<Option<String>, Stop> {
        let mut known = Vec::new();
        let failure = match self.exchange(sessions, index, back, &mut known).await {
            Ok(words) => return Ok(Some(words)),
            Err(failure) => failure,
        };
        let untouched = format!("The database {} is the one that it was.", back.name);
        if self.run.steps[index].note.is_none() {
            return Err(Failure { unchanged: Some(untouched), ..failure }.into());
        }
        let (session, there) = match self.settled(&known).await {
            Ok(settled) => settled,
            Err(why) => return Err(open_end(failure, &why)),
        };
        session.close().await;
        let bearer = there.iter().find(|found| found.name == back.name).map(|found| found.oid);
        if bearer == Some(back.kept_oid) {
            return Ok(Some("it has its name; the line was lost just after that".to_owned()));
        }
        if bearer != Some(self.plan.identity.database_oid) {
            let strange = Failure::new(
                FailureCode::IdentityChanged,
                format!("{} is neither of the two databases.", back.name),
            );
            return Err(open_end(failure, &strange));
        }
        self.settle_step(index, StepStatus::TakenBack, Some("the names were not exchanged".to_owned()), None);
        let unchanged = format!("{untouched} Its sessions may have been cut.");
        Err(Failure { unchanged: Some(unchanged), ..failure }.into())
    }

    async fn exchange(
        &mut self,
        sessions: &mut Sessions,
        index: usize,
        back: &SwapBackStep,
        known: &mut Vec<(i32, String)>,
    ) -> Result<String, Failure> {
        let short = self.run.id.get(..8).unwrap_or_default().to_owned();
        let giver = outside(&self.connector, &format!("drydock name {short}")).await?;
        let cutter = outside(&self.connector, &format!("drydock cut {short}")).await?;
        self.know(sessions, known, &giver).await?;
        self.know(sessions, known, &cutter).await?;
        if *self.cancel.borrow() {
            return Err(cancelled());
        }
        self.mark(index, format!("{NAMING}{}", back.kept)).await?;
        let names = [
            Naming { from: &back.name, to: &back.away, oid: self.plan.identity.database_oid },
            Naming { from: &back.kept, to: &back.name, oid: back.kept_oid },
        ];
        let cut = give(giver, cutter, sessions, &names, "The names could not be exchanged.").await?;
        Ok(format!("{} is the database from before again, and {cut} cut", back.name))
    }
}
