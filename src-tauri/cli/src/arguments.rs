//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use drydock_engine::domain::environment::Tier;
use std::path::PathBuf;

/// Plans, tries, applies and explains database migrations and seeds.
///
/// The target is a stored environment (--environment NAME) or the variable DATABASE_URL. Exit codes:
/// 0 done, 1 something waits (status) or a check fails (verify), 2 unusable input, 3 refused before any write, 4 failed,
/// 5 outcome not known, 6 target not reached, 7 cancelled.
#[derive(Debug, Parser)]
#[command(name = "drydockctl", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which target, which files, which output.
#[derive(Debug, Clone, Args)]
pub struct On {
    /// Name of a stored environment; without it, DATABASE_URL is used.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Migrations folder or project root; without it, the environment's own.
    #[arg(long, value_name = "FOLDER")]
    pub migrations: Option<PathBuf>,
    /// How careful to be with DATABASE_URL's target. Without it: production.
    #[arg(long, value_enum, value_name = "TIER")]
    pub tier: Option<TierArgument>,
    /// Print one JSON object and nothing else on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Tiers.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TierArgument {
    /// Real users' data.
    Production,
    /// A copy to try things on.
    Staging,
    /// Anything goes.
    Development,
}

impl From<TierArgument> for Tier {
    fn from(tier: TierArgument) -> Self {
        match tier {
            TierArgument::Production => Self::Production,
            TierArgument::Staging => Self::Staging,
            TierArgument::Development => Self::Development,
        }
    }
}

/// What confirms an apply.
#[derive(Debug, Clone, Args)]
pub struct Confirm {
    /// The environment's name (for DATABASE_URL: the database's), typed to confirm. Needed on production.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Take a backup of what the plan touches and prove it, between its dry run and its apply.
    #[arg(long)]
    pub back_up: bool,
    /// Why it is applied without a proven backup, eight characters or more; kept on record.
    #[arg(long, value_name = "REASON")]
    pub without_restore_point: Option<String>,
    /// Accept the findings that destroy data; they are listed by `plan`.
    #[arg(long)]
    pub accept_data_loss: bool,
    /// Development only: apply although the dry run failed.
    #[arg(long)]
    pub despite_failed_dry_run: bool,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say the truth about every migration. Reads only.
    Status(On),
    /// Make a plan and show it. Reads only.
    Plan(On),
    /// Try the plan on the target and take all of it back.
    DryRun(On),
    /// Plan, dry-run, apply.
    Apply {
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Repair a failed migration, or baseline a database.
    Resolve {
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
        /// How.
        #[command(flatten)]
        way: Way,
    },
    /// Write the rows of a seed profile: plan, dry run, apply, verify.
    Seed {
        /// The profile's folder, or `bundled:NAME`.
        profile: String,
        /// Only show which rows would change; all of it is taken back.
        #[arg(long)]
        dry_run: bool,
        /// Answers for the profile's inputs, as TOML: `name = "value"`; a password is named by the variable that
        /// holds it: `name = { environment = "VARIABLE" }`.
        #[arg(long, value_name = "FILE")]
        inputs: Option<PathBuf>,
        /// On production: try 20 well-known passwords on the stored hashes of administrators.
        #[arg(long)]
        try_stored_passwords: bool,
        /// From scratch: rows of its tables that are not in the profile are deleted. Its run can be undone.
        #[arg(long)]
        reseed: bool,
        /// The profile's scale.
        #[arg(long, value_name = "FACTOR")]
        scale: Option<u32>,
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Take the rows of a run back. Rows that others changed since are kept as they are.
    Undo {
        /// The run's number or id.
        run: String,
        /// Take rows back that others changed since, too.
        #[arg(long)]
        take_back_changed: bool,
        /// Only show what taking back would do.
        #[arg(long)]
        dry_run: bool,
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Read the checks of a profile or of files of checks; without a name, all that an environment has. Exit code 1: a
    /// check fails or could not be read.
    Verify {
        /// A profile's folder or `bundled:NAME`, a file of checks, or a folder of such files.
        checks: Option<String>,
        /// The app's address, for checks of the app.
        #[arg(long, value_name = "URL", requires = "checks")]
        app: Option<String>,
        /// TOML file with a line `name = { environment = "VARIABLE" }` for each secret that requests need.
        #[arg(long, value_name = "FILE", requires = "checks")]
        credentials: Option<PathBuf>,
        /// Run checks that write on production, too; elsewhere they run anyway.
        #[arg(long, requires = "checks")]
        writing: bool,
        /// Target.
        #[command(flatten)]
        on: On,
    },
    /// Take a backup and prove it by restoring it on a scratch database. Only reads.
    Backup {
        /// Rows of tables by COPY, instead of everything by pg_dump.
        #[arg(long)]
        quick: bool,
        /// Only these tables, as `schema.table` or `table`.
        #[arg(long, value_name = "TABLE", value_delimiter = ',')]
        tables: Vec<String>,
        /// Only these schemas.
        #[arg(long, value_name = "SCHEMA", value_delimiter = ',', conflicts_with = "tables")]
        schemas: Vec<String>,
        /// Folder to keep it in; without it, where the environment's backups are kept.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Do not prove it now.
        #[arg(long)]
        unproven: bool,
        /// Only say what it would hold and what not.
        #[arg(long)]
        preview: bool,
        /// Target.
        #[command(flatten)]
        on: On,
    },
    /// Make a backup from a dump that Drydock did not take: an archive, folder, tar archive or SQL text by pg_dump. It is
    /// loaded on a scratch database; the target is only read, to plan it.
    Import {
        /// The file or folder; what it is follows from its content.
        dump: PathBuf,
        /// Do not prove it now.
        #[arg(long)]
        unproven: bool,
        /// Only say what it is and what would be left out.
        #[arg(long)]
        preview: bool,
        /// Target that it is listed under.
        #[command(flatten)]
        on: On,
    },
    /// List the backups of a target.
    Backups(On),
    /// Prove a backup by restoring it on a scratch database.
    Prove {
        /// The backup's id or folder.
        backup: String,
        /// Target that it is listed under.
        #[command(flatten)]
        on: On,
    },
    /// Put a backup back, in place: what is there now is backed up first. Or make a new database from it.
    Restore {
        /// The backup's id or folder.
        backup: String,
        /// Only the rows of these tables.
        #[arg(long, value_name = "TABLE", value_delimiter = ',')]
        tables: Vec<String>,
        /// Into a new database of this name on the target's server. Nothing that is there is touched. With some tables
        /// only, the others are made and stay empty.
        #[arg(long, value_name = "NAME", conflicts_with = "swap")]
        into: Option<String>,
        /// Into a new database that then gets the target's name; the one that is there is kept under another, and its
        /// sessions are cut.
        #[arg(long, conflicts_with = "tables")]
        swap: bool,
        /// The backup is of another database: this target's name, typed; kept on record.
        #[arg(long, value_name = "NAME")]
        other_database: Option<String>,
        /// Only say what it would lose.
        #[arg(long)]
        preview: bool,
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Take the swap of a restore back: the database from before gets its name again, the present one is kept under
    /// another. Sessions of both are cut.
    SwapBack {
        /// The number or id of the run that swapped.
        run: String,
        /// Only show the plan.
        #[arg(long)]
        preview: bool,
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Roll migrations back: what they made goes, what they dropped comes back from a backup. --migrations stays the
    /// folder of the files.
    Rollback {
        /// The migrations, by name.
        #[arg(required = true, value_name = "MIGRATION")]
        names: Vec<String>,
        /// Tables whose rows become what they were, too; what was written to them since is lost.
        #[arg(long, value_name = "TABLE", value_delimiter = ',')]
        rows_back: Vec<String>,
        /// The backup that dropped rows come from, by its id; without it, the newest that fits.
        #[arg(long, value_name = "ID")]
        from: Option<String>,
        /// Only show the plan.
        #[arg(long)]
        preview: bool,
        /// Target.
        #[command(flatten)]
        on: On,
        /// Confirmation.
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Take the keys of backups to another computer, or bring them from one.
    Keys {
        /// Write them into this new file, encrypted.
        #[arg(long, value_name = "FILE", conflicts_with = "import", required_unless_present = "import")]
        export: Option<PathBuf>,
        /// Add those of this file.
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
        /// File with the passphrase they leave and come under.
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
        /// Print one JSON object and nothing else on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Say that Drydock writes nothing, on one environment or on all, or lift that; without either, list what is
    /// frozen. Backups and proofs go on, and so does a run that is at work.
    Freeze {
        /// Name of a stored environment.
        #[arg(long, value_name = "NAME", group = "place")]
        environment: Option<String>,
        /// All environments, and DATABASE_URL.
        #[arg(long, group = "place")]
        everywhere: bool,
        /// Why, four characters or more; kept on record and shown to whoever meets the freeze.
        #[arg(long, value_name = "REASON", conflicts_with = "lift", requires = "place")]
        why: Option<String>,
        /// Lift it.
        #[arg(long, requires = "place")]
        lift: bool,
        /// The environment's name, or `everywhere`, typed to confirm. Needed where production is opened again.
        #[arg(long, value_name = "NAME", requires = "lift")]
        confirm: Option<String>,
        /// Print one JSON object and nothing else on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Runs: list them, or show one and what became of it.
    Runs {
        /// A run's number or id; without it, the newest are listed.
        run: Option<String>,
        /// Only runs with this text in them.
        #[arg(long, default_value = "")]
        search: String,
        /// Target, to read what became of a run that was cut off.
        #[command(flatten)]
        on: On,
    },
}

/// Ways to resolve.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Way {
    /// Mark this migration as applied without running it.
    #[arg(long, value_name = "MIGRATION")]
    pub applied: Option<String>,
    /// Mark this failed migration as rolled back without running anything.
    #[arg(long, value_name = "MIGRATION")]
    pub rolled_back: Option<String>,
    /// Run the statements of this failed migration that are not in, then mark it as applied.
    #[arg(long, value_name = "MIGRATION")]
    pub finish: Option<String>,
    /// Take back what this failed migration left, then mark it as rolled back.
    #[arg(long, value_name = "MIGRATION")]
    pub undo: Option<String>,
    /// Record every migration up to this one as applied in a database without ledger.
    #[arg(long, value_name = "MIGRATION")]
    pub baseline: Option<String>,
}
