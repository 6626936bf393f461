//! What Supabase's pooler (Supavisor) answers, in its old and its new wording. Most of it looks like a
//! wrong password and is not.

use super::ServerError;
use crate::domain::{Failure, FailureCode};

const ONE_TRY: &str = "One try was made, no second one. Nothing was written.";

/// The failure, if the text is one of Supavisor's.
pub(super) fn failure(error: &ServerError, why: &str) -> Option<Failure> {
    let text = error.message.to_ascii_lowercase();
    let has = |part: &str| text.contains(part);
    let make =
        |code, what: &str, next: &str| Some(Failure::new(code, what).why(why).unchanged(ONE_TRY).next(next));
    if has("(ecircuitbreaker)") && has("authentication failures") {
        return make(
            FailureCode::Authentication,
            "Supabase blocks new connections after too many wrong passwords.",
            "Wait two minutes without trying: each failed try starts the wait again. Then enter the right password.",
        );
    }
    if has("(ecircuitbreaker)") || has("too many failed attempts to connect to the database") {
        return make(
            FailureCode::Unreachable,
            "Supabase's pooler gave up reaching the database behind it for now.",
            "The database is down or starting. Look at the project's dashboard, wait half a minute, test again.",
        );
    }
    if has("(enoidentifier)") || has("no tenant identifier") {
        return make(
            FailureCode::Authentication,
            "Supabase's pooler cannot tell which project is meant.",
            "Write the user as `postgres.` followed by the project's reference of 20 letters.",
        );
    }
    if has("tenant or user not found") || (has("(enotfound)") && has("not found")) {
        return make(
            FailureCode::Authentication,
            "Supabase's pooler does not know this project. The password is not the reason.",
            "Compare host (aws-0 or aws-1, region) and user (`postgres.<reference>`) with the project's Connect page; a paused project must be resumed first, and the pooler follows some minutes later.",
        );
    }
    if has("emaxconnsession") || has("maxclientsinsessionmode") {
        return make(
            FailureCode::ServerError,
            "Supabase's session pooler has no free place.",
            "Close sessions that are not needed, or use the direct address; do not keep trying.",
        );
    }
    if has("(emaxconn)") || has("max client connections reached") {
        return make(
            FailureCode::ServerError,
            "Supabase's pooler takes no more clients.",
            "Wait, or use the session or direct address.",
        );
    }
    if has("echeckouttimeout") || has("unable to check out") {
        return make(
            FailureCode::ServerError,
            "Supabase's pooler had no free connection to the database in time.",
            "The app uses them all. Wait, or use the direct address.",
        );
    }
    if has("not in tenant allow_list") || has("eaddrnotallowed") {
        return make(
            FailureCode::Unreachable,
            "Supabase does not let this network in.",
            "Add this network's address under the project's Network restrictions.",
        );
    }
    if has("ssl connection is required") {
        return make(
            FailureCode::Tls,
            "The server lets this user in only over an encrypted connection.",
            "Turn encryption on for this address: checked in full.",
        );
    }
    if has("transaction mode only supports prepared statements") {
        return make(
            FailureCode::TransactionPooler,
            "This is Supabase's transaction pooler.",
            "Use the same address with port 5432.",
        );
    }
    None
}
