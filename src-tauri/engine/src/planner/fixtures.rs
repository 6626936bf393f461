//! A plan, its dry run and its backups, for the tests of what is computed from them. Times are minutes of one hour.
#![allow(clippy::unwrap_used)]

use crate::domain::backup::{
    BackupKind, BackupRecord, BackupScope, BackupState, BackupSummary, BackupTool, Proof, ProofState,
    TableName,
};
use crate::domain::change_set::{DryRunReport, LockTaken, Trial, Tried};
use crate::domain::environment::{GuardRules, Tier};
use crate::domain::identity::TargetIdentity;
use crate::domain::plan::{Fingerprint, MigrateStep, Plan, PlanPurpose, Step};
use crate::domain::statement::Waits;
use crate::planner::sql;
use chrono::{DateTime, TimeZone, Utc};

/// This minute.
pub fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 14, 0, 0).unwrap() + chrono::Duration::minutes(i64::from(minute))
}

pub fn identity() -> TargetIdentity {
    TargetIdentity {
        system_identifier: Some("7391000000000000c20f".to_owned()),
        database_oid: 16_384,
        database: "atelier".to_owned(),
        address: "db.example.com:5432".to_owned(),
        server_version: 150_008,
    }
}

/// A plan of one migration on production.
pub fn plan(minute: u32) -> Plan {
    let migrate = MigrateStep {
        name: "02_more".to_owned(),
        checksum: "c".to_owned(),
        ledger_id: "l".to_owned(),
        script: sql::analyse("ALTER TABLE users ADD COLUMN age int;"),
        bytes: 37,
    };
    Plan {
        id: "plan".to_owned(),
        number: 31,
        environment_id: Some("environment".to_owned()),
        environment_name: "atelier-production".to_owned(),
        tier: Tier::Production,
        purpose: PlanPurpose::ApplyPending,
        created_at: at(minute),
        identity: identity(),
        schema: "public".to_owned(),
        fingerprint: fingerprint("before"),
        rules: GuardRules::for_tier(Tier::Production),
        folder: "/project/prisma/migrations".to_owned(),
        steps: vec![Step::Check, Step::Migrate(migrate), Step::Verify],
        findings: Vec::new(),
        risk: String::new(),
        digest: "digest".to_owned(),
    }
}

pub fn fingerprint(ledger: &str) -> Fingerprint {
    Fingerprint { ledger: ledger.to_owned(), catalogue: "catalogue".to_owned(), files: "files".to_owned() }
}

/// A dry run of it that worked, with a short lock on each of these tables.
pub fn dry_run(minute: u32, tables: &[&str]) -> DryRunReport {
    let lock = |table: &&str| LockTaken {
        table: (*table).to_owned(),
        mode: "ACCESS EXCLUSIVE".to_owned(),
        waits: Waits::ReadersAndWriters,
        migration: "02_more".to_owned(),
        from_seconds: 0.0,
        held_seconds: 0.01,
        dry_run_seconds: 0.01,
    };
    DryRunReport {
        run_id: "dry".to_owned(),
        plan_id: "plan".to_owned(),
        digest: "digest".to_owned(),
        at: at(minute),
        seconds: 0.1,
        rehearsal_seconds: 0.0,
        trials: vec![Trial {
            migration: "02_more".to_owned(),
            tried: Tried::DryRun,
            worked: Some(true),
            seconds: Some(0.1),
            note: None,
            failed_statement: None,
        }],
        worked: Some(true),
        objects: Vec::new(),
        rows: Vec::new(),
        locks: tables.iter().map(lock).collect(),
        longest_block_seconds: 0.01,
        space: None,
        taken_back: Some(true),
        unknowns: Vec::new(),
        changes: None,
    }
}

/// A complete backup of these tables of schema `public`.
pub fn backup(minute: u32, tables: &[&str], proof: Option<ProofState>) -> BackupRecord {
    let tables: Vec<TableName> = tables
        .iter()
        .map(|name| TableName { schema: "public".to_owned(), name: (*name).to_owned() })
        .collect();
    let mut record = BackupRecord::begun(
        format!("backup-{minute}"),
        "environment".to_owned(),
        BackupKind::Quick,
        at(minute),
    );
    record.state = BackupState::Complete;
    record.summary = Some(BackupSummary {
        taken_at: at(minute),
        identity: identity(),
        scope: BackupScope::Tables { tables: tables.clone() },
        tables,
        rows: 3,
        bytes: 300,
        source_bytes: 300.0,
        tool: BackupTool {
            name: "COPY".to_owned(),
            version: "15.8".to_owned(),
            place: "our own connection".to_owned(),
        },
        seconds: 0.1,
        recipient: "age1".to_owned(),
        imported: None,
    });
    record.proof = proof.map(|state| Proof {
        state,
        at: at(minute + 1),
        seconds: 1.0,
        server: "PostgreSQL 18.4 of the sandbox".to_owned(),
        facts: Vec::new(),
        notes: Vec::new(),
    });
    record
}
