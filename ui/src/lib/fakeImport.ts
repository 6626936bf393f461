/** What the fake shell finds dumps to be, by their name: it has no files. In no production bundle. */
import type { DumpOrigin, ImportPreview } from "./bindings";
import { FREE } from "./fakeBackupPreview";
import { ago } from "./fakeWorld";

export function originOf(path: string): DumpOrigin {
  const name = path.split("/").at(-1) ?? path;
  const plain = name.endsWith(".sql") || name.endsWith(".gz");
  return {
    name,
    form: plain ? "plain" : "custom",
    packing: name.endsWith(".gz") ? "gzip" : "none",
    database: plain ? null : "atelier",
    server: "15.18",
    dumped_by: "15.18",
    dumped_at: plain ? null : ago(20 * 3_600),
  };
}

export function importPreview(path: string, folder: string): ImportPreview {
  const origin = originOf(path);
  const blank = {
    tables: null,
    made: "",
    stored: "",
    left_out: [],
    needed_bytes: 0,
    free_bytes: FREE,
    folder,
    bytes: 0,
  };
  const refused = (refusal: string, next: string): ImportPreview => ({
    ...blank,
    headline: "It cannot be imported.",
    origin: null,
    what: "",
    refusals: [refusal],
    next,
  });
  if (!path.startsWith("/"))
    return refused("This is not a whole path.", "Choose the dump with the file dialog, or type its whole path.");
  if (path.includes("mysql"))
    return refused("The file is a dump of MySQL or MariaDB, not of PostgreSQL.", "Choose a dump of PostgreSQL.");
  if (path.includes("evil"))
    return refused(
      "Line 12 of the dump holds a command for psql (`\\! rm -rf /`). Drydock reads dumps itself and never through psql, because psql's commands can run programs on this computer.",
      "Make the dump with pg_dump, in the custom format or as plain SQL.",
    );
  const plain = origin.form === "plain";
  return {
    ...blank,
    headline: `This makes a backup of ${origin.name} and touches no database but a scratch one.`,
    origin,
    what: plain
      ? "SQL text of pg_dump 15.18, of a database on PostgreSQL 15.18 that it does not name"
      : "an archive of pg_dump 15.18, of the database atelier on PostgreSQL 15.18",
    bytes: 3.2e9,
    tables: plain ? null : 43,
    made: plain
      ? "not known: the dump does not say it. The time of the import is shown in its place."
      : "8 Jun 2026, 02:30, as its header says. A header has no time zone; it is read as this computer's.",
    stored: plain
      ? "An archive that pg_dump 18.4 makes of the scratch copy, encrypted, and a manifest with counts and hashes. The dump itself is not kept."
      : "The archive as it came, encrypted, and a manifest with counts and hashes.",
    left_out: [
      {
        what: "owners and rights",
        why: plain
          ? "The backup is made from the scratch database, where everything belongs to one role. Keep the dump if they matter."
          : "They are in the stored archive; a restore leaves them out, because it is not known which database it is of.",
      },
    ],
    refusals: [],
    next: null,
    needed_bytes: 2.2e10,
  };
}
