//! Exit codes. They are part of the interface and never change their meaning.

use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::{Failure, FailureCode};

/// Done, or nothing to do.
pub const DONE: u8 = 0;
/// `status`: something waits or needs attention (as `prisma migrate status` does). `verify`: a check does not hold.
pub const WAITING: u8 = 1;
/// The command line, the address or the folder cannot be used.
pub const USAGE: u8 = 2;
/// Refused before the first write: a gate, a failed dry run, a missing confirmation, a void plan.
pub const REFUSED: u8 = 3;
/// Started and failed; the output says what stayed.
pub const FAILED: u8 = 4;
/// The outcome is not known; `drydockctl runs NUMBER` tells what is.
pub const UNKNOWN: u8 = 5;
/// The target cannot be reached.
pub const UNREACHABLE: u8 = 6;
/// Cancelled; the output says what stayed.
pub const CANCELLED: u8 = 7;

/// The code of a failure that came before a run.
pub fn of_failure(failure: &Failure) -> u8 {
    match failure.code {
        FailureCode::NothingToDo => DONE,
        FailureCode::AddressInvalid
        | FailureCode::EnvironmentUnknown
        | FailureCode::EnvironmentInvalid
        | FailureCode::MigrationsUnreadable
        | FailureCode::InputTooLarge
        | FailureCode::ProfileInvalid
        | FailureCode::RunUnknown => USAGE,
        FailureCode::NameLookup
        | FailureCode::Unreachable
        | FailureCode::Tls
        | FailureCode::Authentication
        | FailureCode::DatabaseMissing
        | FailureCode::ConnectionLost
        | FailureCode::TimedOut
        | FailureCode::SshLoginRefused
        | FailureCode::SshTooManyKeys
        | FailureCode::SshForwardingForbidden
        | FailureCode::SshTargetUnreachable
        | FailureCode::SshLineLost
        | FailureCode::SshHandshake => UNREACHABLE,
        FailureCode::Cancelled => CANCELLED,
        FailureCode::Store | FailureCode::ServerError => FAILED,
        _ => REFUSED,
    }
}

/// The code of a run's end.
pub fn of_run(status: RunStatus) -> u8 {
    match status {
        RunStatus::Succeeded => DONE,
        RunStatus::Failed => FAILED,
        RunStatus::Cancelled => CANCELLED,
        RunStatus::Queued | RunStatus::Running | RunStatus::NeedsAttention => UNKNOWN,
    }
}
