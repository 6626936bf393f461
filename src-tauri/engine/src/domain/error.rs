//! The one error that crosses the engine's door: what failed, why, what is unchanged, what to do next.

use serde::{Deserialize, Serialize};

/// A failure as an operator reads it. Never holds a secret, a connection string or a raw parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "bindings", derive(specta::Type))]
#[error("{code}: {what}")]
pub struct Failure {
    /// Stable, searchable code, `DRY-1203`.
    pub code: FailureCode,
    /// What failed, as a sentence.
    pub what: String,
    /// Why, as far as known, with the evidence (server text, path, line).
    pub why: Option<String>,
    /// What has not changed because of it.
    pub unchanged: Option<String>,
    /// What to do next.
    pub next: Option<String>,
}

impl Failure {
    /// A failure with its code and first sentence.
    pub fn new(code: FailureCode, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: None, unchanged: None, next: None }
    }

    /// Adds the reason.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what is unchanged.
    pub fn unchanged(mut self, unchanged: impl Into<String>) -> Self {
        self.unchanged = Some(unchanged.into());
        self
    }

    /// Adds the next step.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Stable codes. A code exists only where the UI, the CLI or a reader of logs acts on it.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The stable code of a failure; the number never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "bindings", derive(specta::Type))]
        pub enum FailureCode { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl FailureCode {
            /// The code as printed.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }
        }
    };
}

codes! {
    /// The address (URL or fields) cannot be understood.
    AddressInvalid = "DRY-1001",
    /// The environment does not exist (any more).
    EnvironmentUnknown = "DRY-1002",
    /// The environment's fields are not acceptable.
    EnvironmentInvalid = "DRY-1003",
    /// The host name could not be resolved.
    NameLookup = "DRY-1101",
    /// The TCP connection was refused or timed out.
    Unreachable = "DRY-1102",
    /// The TLS handshake failed or the certificate does not fit.
    Tls = "DRY-1103",
    /// The server refused the user or password.
    Authentication = "DRY-1104",
    /// The database or schema does not exist.
    DatabaseMissing = "DRY-1105",
    /// The address leads to a transaction pooler.
    TransactionPooler = "DRY-1106",
    /// The server only reads (standby, read-only transaction, disk limit).
    ReadOnly = "DRY-1107",
    /// A privilege is missing.
    Privilege = "DRY-1108",
    /// The connection was lost.
    ConnectionLost = "DRY-1109",
    /// The server is of a kind or version that is not supported.
    ServerUnsupported = "DRY-1110",
    /// The SSH host shows a key that nobody has compared yet.
    SshHostKeyUnknown = "DRY-1111",
    /// The SSH host shows another key than the one on record.
    SshHostKeyChanged = "DRY-1112",
    /// The SSH host's key is revoked, or its certificate does not hold.
    SshHostKeyRefused = "DRY-1113",
    /// The SSH host refused the login.
    SshLoginRefused = "DRY-1114",
    /// The SSH host was offered more keys than it accepts.
    SshTooManyKeys = "DRY-1115",
    /// The key file is encrypted, and its passphrase is not known.
    SshPassphraseNeeded = "DRY-1116",
    /// The key file or the agent cannot be used.
    SshKeyUnusable = "DRY-1117",
    /// The SSH host does not allow forwarding.
    SshForwardingForbidden = "DRY-1118",
    /// The SSH host cannot reach the target.
    SshTargetUnreachable = "DRY-1119",
    /// The line to the SSH host was lost.
    SshLineLost = "DRY-1120",
    /// The ssh configuration asks for something that cannot be followed.
    SshConfiguration = "DRY-1121",
    /// The SSH handshake failed, or what answers is no SSH server.
    SshHandshake = "DRY-1122",
    /// The chosen implementation cannot log in like that.
    SshUnsuited = "DRY-1123",
    /// The secret of an SSH login is asked for at each start.
    SshSecretNeeded = "DRY-1124",
    /// The database behind the environment is not the one that was pinned.
    IdentityChanged = "DRY-1201",
    /// The plan no longer fits the state it was made from.
    PlanVoid = "DRY-1202",
    /// The plan has not had its dry run or rehearsal.
    NotDryRun = "DRY-1203",
    /// A gate does not pass.
    GateClosed = "DRY-1204",
    /// The typed confirmation does not match.
    ConfirmationMissing = "DRY-1205",
    /// Another tool or run holds the migration lock.
    MigrationLock = "DRY-1206",
    /// Another run is working on this environment.
    RunInProgress = "DRY-1207",
    /// The ledger holds a failed migration; new ones wait for its repair (Prisma: P3009).
    LedgerFailed = "DRY-1208",
    /// The database has tables but no ledger (Prisma: P3005).
    BaselineNeeded = "DRY-1209",
    /// A migration failed (Prisma: P3018).
    MigrationFailed = "DRY-1210",
    /// The provider of `migration_lock.toml` is another one (Prisma: P3019).
    ProviderMismatch = "DRY-1211",
    /// A migration folder has no readable script (Prisma: P3015).
    ScriptUnreadable = "DRY-1212",
    /// Resolving a migration is not possible in its state (Prisma: P3008, P3011, P3012, P3017).
    ResolveRefused = "DRY-1213",
    /// A lock was not granted in the guarded time, all tries used.
    LockTimeout = "DRY-1214",
    /// The run was cancelled by the operator.
    Cancelled = "DRY-1215",
    /// The ledger could not be read.
    LedgerUnreadable = "DRY-1216",
    /// There is nothing to do.
    NothingToDo = "DRY-1217",
    /// A seed profile, or an answer for it, cannot be used.
    ProfileInvalid = "DRY-1218",
    /// A row of a profile is refused by the database.
    RowRefused = "DRY-1219",
    /// The profile may not run here.
    SeedForbidden = "DRY-1220",
    /// A run cannot be taken back.
    UndoRefused = "DRY-1221",
    /// The before-images of a run could not be kept, so nothing was committed.
    JournalUnavailable = "DRY-1222",
    /// What was written is not what the dry run showed.
    NotAsShown = "DRY-1223",
    /// The query is refused.
    QueryRefused = "DRY-1224",
    /// The app did not answer a request as it should.
    AppFailed = "DRY-1225",
    /// A backup cannot be taken as it was asked for.
    BackupRefused = "DRY-1226",
    /// A backup is not what was stored, or was never finished.
    BackupDamaged = "DRY-1227",
    /// The key of a backup is not on this computer.
    BackupKeyMissing = "DRY-1228",
    /// A backup cannot be restored like that.
    RestoreRefused = "DRY-1229",
    /// What was restored is not what was stored, so nothing of it was kept.
    RestoreDiffers = "DRY-1230",
    /// Drydock writes nothing: somebody froze it.
    Frozen = "DRY-1231",
    /// The release desk does not allow it now.
    ReleaseRefused = "DRY-1232",
    /// The migrations folder does not exist or cannot be read.
    MigrationsUnreadable = "DRY-1301",
    /// A file is too large, or there are too many.
    InputTooLarge = "DRY-1302",
    /// The operating system keeps no secrets for us.
    KeyringUnavailable = "DRY-1401",
    /// The vault is locked or its passphrase is wrong.
    VaultLocked = "DRY-1402",
    /// The secret has to be entered again.
    SecretNeeded = "DRY-1403",
    /// The console's own store failed.
    Store = "DRY-1501",
    /// The audit chain does not hold.
    AuditBroken = "DRY-1502",
    /// The run or plan does not exist.
    RunUnknown = "DRY-1503",
    /// The PostgreSQL toolkit is missing or damaged.
    ToolkitMissing = "DRY-1601",
    /// The sandbox could not be started.
    SandboxFailed = "DRY-1602",
    /// The server answered a statement with an error.
    ServerError = "DRY-1701",
    /// A step took longer than allowed.
    TimedOut = "DRY-1702",
    /// A disk of this computer is full.
    DiskFull = "DRY-1803",
    /// A setting is out of its range.
    SettingInvalid = "DRY-1802",
    /// A file or folder could not be read or written.
    FileSystem = "DRY-1801",
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
