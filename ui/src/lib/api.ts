/** The only door to the shell: takes answers apart, so that a screen gets a value or a `Failed`. */
import { Channel } from "@tauri-apps/api/core";
import * as bindings from "./bindings";
import type {
  BackupPolicy,
  BackupRequest,
  CheckResult,
  CheckDraft,
  Confirmation,
  DoctorReport,
  EnvironmentDraft,
  ExportFormat,
  Failure,
  Hop,
  HostKeyReport,
  ImportRequest,
  Keeping,
  PlanPurpose,
  Result,
  RowQuery,
  RestoreRequest,
  RollBackRequest,
  RunEvent,
  SecretOf,
  SeedAnswers,
  Saying,
  Settings,
  SshDraft,
  SshQuestionEvent,
  UndoChoice,
} from "./bindings";
import { Failed } from "./failures";

const fake = import.meta.env.VITE_FAKE === "1";
const commands: typeof bindings.commands = fake ? (await import("./fake")).commands : bindings.commands;

async function value<T>(answer: Promise<Result<T, Failure>>): Promise<T> {
  const result = await answer;
  if (result.status === "error") throw new Failed(result.error);
  return result.data;
}

function channel<T>(onMessage: (message: T) => void): Channel<T> {
  if (fake) return { onmessage: onMessage } as Channel<T>;
  const opened = new Channel<T>();
  opened.onmessage = onMessage;
  return opened;
}

export const api = {
  environments: () => value(commands.environmentsList()),
  environment: (id: string) => value(commands.environmentGet(id)),
  createEnvironment: (draft: EnvironmentDraft) => value(commands.environmentCreate(draft)),
  updateEnvironment: (id: string, draft: EnvironmentDraft) => value(commands.environmentUpdate(id, draft)),
  duplicateEnvironment: (id: string) => value(commands.environmentDuplicate(id)),
  environmentOfRestore: (run: string) => value(commands.environmentOfRestore(run)),
  reorderEnvironments: (ids: string[]) => value(commands.environmentReorder(ids)),
  deleteEnvironment: (id: string, typedName: string | null) => value(commands.environmentDelete(id, typedName)),

  parseAddress: (text: string) => value(commands.addressParse(text)),
  setPassword: (text: string) => value(commands.passwordSet(text)),
  secretStore: () => value(commands.secretStoreStatus()),
  createVault: (passphrase: string) => value(commands.vaultCreate(passphrase)),
  unlockVault: (passphrase: string) => value(commands.vaultUnlock(passphrase)),
  provideSecret: (environmentId: string, text: string, of: SecretOf) =>
    value(commands.secretProvide(environmentId, text, of)),

  testConnection: (environmentId: string, onHop: (hop: Hop) => void): Promise<DoctorReport> =>
    value(commands.connectionTest(environmentId, channel(onHop))),
  testDraft: (draft: EnvironmentDraft, environmentId: string | null, onHop: (hop: Hop) => void) =>
    value(commands.connectionTestDraft(draft, environmentId, channel(onHop))),
  sshQuestions: (onEvent: (event: SshQuestionEvent) => void) => value(commands.sshQuestions(channel(onEvent))),
  answerQuestion: (id: string, text: string | null) => value(commands.sshAnswer(id, text)),
  sshFound: () => value(commands.sshFound()),
  sshChoice: (draft: SshDraft) => value(commands.sshChoice(draft)),
  pinHostKey: (report: HostKeyReport) => value(commands.hostKeyPin(report)),
  trustHostKey: (environmentId: string, report: HostKeyReport) => value(commands.hostKeyTrust(environmentId, report)),
  lineStatus: (environmentId: string) => value(commands.lineStatus(environmentId)),
  repin: (environmentId: string, typedName: string) => value(commands.identityRepin(environmentId, typedName)),

  pickFile: () => value(commands.filePick()),
  pickFolder: () => value(commands.folderPick()),
  chooseMigrations: (environmentId: string, folder: string) => value(commands.migrationsChoose(environmentId, folder)),

  overview: (environmentId: string) => value(commands.overviewRead(environmentId)),
  migrations: (environmentId: string) => value(commands.migrationStatus(environmentId)),
  migration: (environmentId: string, name: string) => value(commands.migrationDetail(environmentId, name)),
  repair: (environmentId: string, name: string) => value(commands.repairExamine(environmentId, name)),
  drift: (environmentId: string) => value(commands.driftCompare(environmentId)),

  createPlan: (environmentId: string, purpose: PlanPurpose) => value(commands.planCreate(environmentId, purpose)),
  plan: (planId: string) => value(commands.planGet(planId)),
  dryRun: (planId: string) => value(commands.planDryRun(planId)),
  apply: (planId: string, confirmation: Confirmation) => value(commands.planApply(planId, confirmation)),

  run: (runId: string) => value(commands.runGet(runId)),
  runs: (environmentId: string | null, search: string) => value(commands.runsList(environmentId, search)),
  runEvents: (runId: string) => value(commands.runEvents(runId)),
  watchRun: (runId: string, onEvent: (event: RunEvent) => void) => value(commands.runWatch(runId, channel(onEvent))),
  cancelRun: (runId: string) => value(commands.runCancel(runId)),
  examineRun: (runId: string) => value(commands.runExamine(runId)),
  stopOnServer: (runId: string) => value(commands.runStopOnServer(runId)),

  seeds: (environmentId: string) => value(commands.seedShelf(environmentId)),
  addSeedFolder: (environmentId: string, folder: string) => value(commands.seedFolderAdd(environmentId, folder)),
  removeSeedFolder: (environmentId: string, folder: string) => value(commands.seedFolderRemove(environmentId, folder)),
  judgePassword: (handle: string) => value(commands.passwordJudge(handle)),
  planSeed: (environmentId: string, profile: string, answers: SeedAnswers) =>
    value(commands.seedPlan(environmentId, profile, answers)),
  sandboxForSeed: (profile: string) => value(commands.seedSandbox(profile)),

  changes: (runId: string) => value(commands.runChanges(runId)),
  rows: (query: RowQuery) => value(commands.rowChanges(query)),
  exportRows: (runId: string, format: ExportFormat) => value(commands.rowsExport(runId, format)),
  reviewUndo: (runId: string) => value(commands.undoReview(runId)),
  planUndo: (runId: string, choices: UndoChoice[]) => value(commands.undoPlan(runId, choices)),

  backups: (environmentId: string) => value(commands.backupShelf(environmentId)),
  backup: (backupId: string) => value(commands.backupDetail(backupId)),
  previewBackup: (environmentId: string, request: BackupRequest) =>
    value(commands.backupPreview(environmentId, request)),
  takeBackup: (environmentId: string, request: BackupRequest) => value(commands.backupStart(environmentId, request)),
  pickDump: () => value(commands.dumpPick()),
  previewImport: (environmentId: string, path: string) => value(commands.importPreview(environmentId, path)),
  startImport: (environmentId: string, request: ImportRequest) => value(commands.importStart(environmentId, request)),
  proveBackup: (environmentId: string, backupId: string) => value(commands.backupProve(environmentId, backupId)),
  removeBackup: (environmentId: string, backupId: string) => value(commands.backupRemove(environmentId, backupId)),
  setBackupPolicy: (environmentId: string, policy: BackupPolicy) =>
    value(commands.backupPolicySet(environmentId, policy)),
  exportBackupKeys: (path: string, passphrase: string) => value(commands.backupKeysExport(path, passphrase)),
  importBackupKeys: (path: string, passphrase: string) => value(commands.backupKeysImport(path, passphrase)),

  restoreLoss: (environmentId: string, request: RestoreRequest) => value(commands.restoreLoss(environmentId, request)),
  planRestore: (environmentId: string, request: RestoreRequest) => value(commands.restorePlan(environmentId, request)),
  planRollBack: (environmentId: string, request: RollBackRequest) =>
    value(commands.rollBackPlan(environmentId, request)),
  planSwapBack: (environmentId: string, run: string) => value(commands.swapBackPlan(environmentId, run)),
  rollBackReport: (runId: string) => value(commands.rollBackReport(runId)),
  backupFor: (planId: string) => value(commands.backupForPlan(planId)),

  lastVerification: (environmentId: string) => value(commands.verificationLast(environmentId)),
  verify: (environmentId: string, writing: string[] = []) => value(commands.verify(environmentId, writing)),
  exportCheck: (environmentId: string, check: CheckResult) => value(commands.checkExport(environmentId, check)),
  checkHistory: (environmentId: string, check: string) => value(commands.checkHistory(environmentId, check)),
  checkSetup: (environmentId: string) => value(commands.checkSetup(environmentId)),
  setCheckApp: (environmentId: string, address: string | null) => value(commands.checkAppSet(environmentId, address)),
  addCheckFolder: (environmentId: string, folder: string) => value(commands.checkFolderAdd(environmentId, folder)),
  removeCheckFolder: (environmentId: string, folder: string) =>
    value(commands.checkFolderRemove(environmentId, folder)),
  takeCredential: (environmentId: string, name: string) => value(commands.checkCredentialTake(environmentId, name)),
  setCheckCredential: (environmentId: string, name: string, handle: string, keeping: Keeping) =>
    value(commands.checkCredentialSet(environmentId, name, handle, keeping)),
  checkFile: (environmentId: string, path: string) => value(commands.checkFile(environmentId, path)),
  judgeChecks: (name: string, text: string) => value(commands.checkTextJudge(name, text)),
  saveCheckFile: (environmentId: string, path: string, text: string, digest: string | null) =>
    value(commands.checkFileSave(environmentId, path, text, digest)),
  composeCheck: (draft: CheckDraft) => value(commands.checkCompose(draft)),
  query: (environmentId: string, sql: string) => value(commands.queryRead(environmentId, sql)),

  desk: (environmentId: string) => value(commands.deskRead(environmentId)),
  beginRelease: (environmentId: string, planId: string | null = null) =>
    value(commands.deskBegin(environmentId, planId)),
  planRelease: (environmentId: string) => value(commands.deskPlan(environmentId)),
  sayItem: (environmentId: string, saying: Saying) => value(commands.deskSay(environmentId, saying)),
  unsayItem: (environmentId: string, item: string) => value(commands.deskUnsay(environmentId, item)),
  applyRelease: (environmentId: string, confirmation: Confirmation) =>
    value(commands.deskApply(environmentId, confirmation)),
  endRelease: (environmentId: string, putAway: string | null = null) => value(commands.deskEnd(environmentId, putAway)),
  freezes: () => value(commands.freezesRead()),
  freeze: (environmentId: string | null, why: string) => value(commands.freezeSet(environmentId, why)),
  liftFreeze: (environmentId: string | null, typedName: string | null) =>
    value(commands.freezeLift(environmentId, typedName)),

  sandbox: () => value(commands.sandboxStatus()),
  startSandbox: () => value(commands.sandboxStart()),
  stopSandbox: () => value(commands.sandboxStop()),
  resetSandbox: () => value(commands.sandboxReset()),
  startDemo: () => value(commands.demoStart()),

  settings: () => value(commands.settingsGet()),
  setSettings: (settings: Settings) => value(commands.settingsSet(settings)),
  verifyAudit: () => value(commands.auditVerify()),
};
