//! A snapshot of what one or more schemas hold. Pure data: read by an adapter, compared by checks.
//! It has no rows, no owners, no privileges, no comments and no statistics, because none of those
//! make a schema another schema.

use super::statement::ObjectKind;
use serde::{Deserialize, Serialize};

/// The transaction that wrote a catalogue row, as its 32-bit number.
///
/// It tells which migration made an object. Two schemas with the same objects are equal whoever
/// made them, so all origins are equal to each other.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(pub Option<u32>);

impl PartialEq for Origin {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

/// An object by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind.
    pub kind: ObjectKind,
    /// Schema; empty for extensions and schemas.
    pub schema: String,
    /// Table or type that it belongs to, for columns, constraints, triggers, policies, enum labels and indexes.
    pub parent: Option<String>,
    /// Name; for functions with the types of their arguments.
    pub name: String,
}

impl ObjectRef {
    /// An object that stands for itself: a table, a type, a view, ...
    pub fn top(kind: ObjectKind, schema: &str, name: &str) -> Self {
        Self { kind, schema: schema.to_owned(), parent: None, name: name.to_owned() }
    }

    /// An object that belongs to a table or a type.
    pub fn part(kind: ObjectKind, schema: &str, parent: &str, name: &str) -> Self {
        Self { kind, schema: schema.to_owned(), parent: Some(parent.to_owned()), name: name.to_owned() }
    }

    /// The name with schema, and with its table where the name alone is not unique in the schema.
    pub fn qualified(&self) -> String {
        match (&self.parent, self.kind) {
            _ if self.schema.is_empty() => self.name.clone(),
            (None, _) | (_, ObjectKind::Index) => format!("{}.{}", self.schema, self.name),
            (Some(parent), _) => format!("{}.{}.{}", self.schema, parent, self.name),
        }
    }
}

/// Everything that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Catalogue {
    /// Of the schemas asked for, those that exist.
    pub schemas: Vec<String>,
    /// Tables with their columns.
    pub tables: Vec<Table>,
    /// Indexes of tables and materialized views.
    pub indexes: Vec<Index>,
    /// Constraints of tables.
    pub constraints: Vec<Constraint>,
    /// Enum types.
    pub enums: Vec<EnumType>,
    /// Domains, composites and ranges.
    pub types: Vec<OtherType>,
    /// Sequences.
    pub sequences: Vec<Sequence>,
    /// Views and materialized views.
    pub views: Vec<View>,
    /// Functions, procedures and aggregates.
    pub functions: Vec<Function>,
    /// Triggers.
    pub triggers: Vec<Trigger>,
    /// Row-level security policies.
    pub policies: Vec<Policy>,
    /// Extensions of the whole database, without the procedural language every database has.
    pub extensions: Vec<Extension>,
}

/// What kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableKind {
    /// Ordinary.
    #[serde(rename = "r")]
    Ordinary,
    /// Partitioned.
    #[serde(rename = "p")]
    Partitioned,
    /// Foreign.
    #[serde(rename = "f")]
    Foreign,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: TableKind,
    /// Its rows do not survive a crash.
    #[serde(default)]
    pub unlogged: bool,
    /// How a partitioned table is divided: `RANGE (created_at)`.
    pub partition_key: Option<String>,
    /// The table it is a partition or a child of, qualified.
    pub parent: Option<String>,
    /// The bound of a partition: `FOR VALUES FROM (...) TO (...)`.
    pub partition_bound: Option<String>,
    /// Row-level security is on.
    #[serde(default)]
    pub row_security: bool,
    /// Row-level security binds the owner too.
    #[serde(default)]
    pub force_row_security: bool,
    /// Storage settings, sorted: `fillfactor=70`.
    pub options: Option<String>,
    /// Columns in order.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// Its file has no page: certainly no row. Not part of what it is.
    #[serde(default)]
    pub empty: Emptiness,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// Whether a table certainly holds no row. A fact about rows, so all are equal to each other.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Emptiness(pub bool);

impl PartialEq for Emptiness {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Emptiness {}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type as `format_type` writes it, schema included outside `pg_catalog`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// May not be empty.
    #[serde(default)]
    pub not_null: bool,
    /// Default, or the expression of a generated column.
    pub default: Option<String>,
    /// `a` always, `d` by default.
    pub identity: Option<String>,
    /// `s` stored, `v` virtual.
    pub generated: Option<String>,
    /// Collation, if it is not the type's own.
    pub collation: Option<String>,
    /// Who made or last changed it.
    #[serde(default)]
    pub origin: Origin,
}

impl Column {
    /// The server fills it when the app leaves it out.
    pub fn fills_itself(&self) -> bool {
        !self.not_null || self.default.is_some() || self.identity.is_some() || self.generated.is_some()
    }

    /// Definition text, one fact a line.
    pub fn definition(&self) -> String {
        let mut lines = vec![self.type_name.clone()];
        if let Some(collation) = &self.collation {
            lines.push(format!("collate {collation}"));
        }
        if self.not_null {
            lines.push("not null".to_owned());
        }
        match (&self.default, self.generated.as_deref()) {
            (Some(expression), Some("v")) => {
                lines.push(format!("generated always as ({expression}) virtual"))
            }
            (Some(expression), Some(_)) => lines.push(format!("generated always as ({expression}) stored")),
            (Some(expression), None) => lines.push(format!("default {expression}")),
            (None, _) => {}
        }
        match self.identity.as_deref() {
            Some("a") => lines.push("generated always as identity".to_owned()),
            Some(_) => lines.push("generated by default as identity".to_owned()),
            None => {}
        }
        lines.join("\n")
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Schema.
    pub schema: String,
    /// Table or materialized view.
    pub table: String,
    /// Name.
    pub name: String,
    /// Refuses doubles.
    #[serde(default)]
    pub unique: bool,
    /// The text after the table's name: `USING btree (email)`.
    pub definition: String,
    /// Columns it is on; expressions are not in here.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Queries may use it. False after an interrupted CONCURRENTLY.
    pub valid: bool,
    /// Writes maintain it.
    pub ready: bool,
    /// It carries a primary key, unique or exclusion constraint of the same name.
    #[serde(default)]
    pub of_constraint: bool,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

impl Index {
    /// What it is but for its name.
    pub fn shape(&self) -> (bool, &str) {
        (self.unique, &self.definition)
    }

    /// Definition text.
    pub fn text(&self) -> String {
        let unique = if self.unique { "UNIQUE INDEX" } else { "INDEX" };
        let invalid = if self.valid { "" } else { " (INVALID)" };
        format!("{unique} {}{invalid}", self.definition)
    }
}

/// What kind of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConstraintKind {
    /// Primary key.
    #[serde(rename = "p")]
    PrimaryKey,
    /// Unique.
    #[serde(rename = "u")]
    Unique,
    /// Foreign key.
    #[serde(rename = "f")]
    ForeignKey,
    /// Check.
    #[serde(rename = "c")]
    Check,
    /// Exclusion.
    #[serde(rename = "x")]
    Exclusion,
}

impl ConstraintKind {
    /// In words, with a capital: `Foreign key`.
    pub fn words(self) -> &'static str {
        match self {
            Self::PrimaryKey => "Primary key",
            Self::Unique => "Unique constraint",
            Self::ForeignKey => "Foreign key",
            Self::Check => "Check",
            Self::Exclusion => "Exclusion constraint",
        }
    }
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: ConstraintKind,
    /// Text as `pg_get_constraintdef` writes it, without `NOT VALID`; deferrability is in it.
    pub definition: String,
    /// Old rows were checked against it.
    pub validated: bool,
    /// Columns it is on.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The table a foreign key leads to, qualified.
    pub references: Option<String>,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// An enum type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumType {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Labels in order.
    #[serde(default)]
    pub labels: Vec<EnumLabel>,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// A label of an enum type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumLabel {
    /// The label.
    pub name: String,
    /// Who added it.
    #[serde(default)]
    pub origin: Origin,
}

/// A domain, composite or range type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherType {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Definition text.
    pub definition: String,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// A sequence. Where it stands is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Type, first value, limits, step, cycle.
    pub definition: String,
    /// The table whose column it belongs to.
    pub owner_table: Option<String>,
    /// The column it belongs to.
    pub owner_column: Option<String>,
    /// It is an identity column's own.
    #[serde(default)]
    pub of_identity: bool,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// A view or materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Materialized.
    #[serde(default)]
    pub materialized: bool,
    /// The query as the server renders it.
    pub definition: String,
    /// Settings such as `security_invoker=true`.
    pub options: Option<String>,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

impl View {
    /// Its kind of object.
    pub fn kind(&self) -> ObjectKind {
        if self.materialized { ObjectKind::MaterializedView } else { ObjectKind::View }
    }
}

/// A function, procedure or aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Types of its arguments, as in DROP FUNCTION.
    pub arguments: String,
    /// It is a procedure.
    #[serde(default)]
    pub procedure: bool,
    /// The whole CREATE text; for aggregates what they return.
    pub definition: String,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

impl Function {
    /// Name with the types of its arguments.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.arguments)
    }
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Schema of its table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Name.
    pub name: String,
    /// The whole CREATE text.
    pub definition: String,
    /// `O` on, `D` off, `R` and `A` for replication roles.
    pub enabled: String,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// A row-level security policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Schema of its table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Name.
    pub name: String,
    /// Everything after `ON table`: kind, command, roles, expressions.
    pub definition: String,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Schema of its objects.
    pub schema: String,
    /// Who made it.
    #[serde(default)]
    pub origin: Origin,
}

impl Catalogue {
    /// The table of that name.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }

    /// The column of that table.
    pub fn column(&self, schema: &str, table: &str, name: &str) -> Option<&Column> {
        self.table(schema, table)?.columns.iter().find(|column| column.name == name)
    }

    /// The index of that name.
    pub fn index(&self, schema: &str, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.schema == schema && index.name == name)
    }

    /// The constraint of that table.
    pub fn constraint(&self, schema: &str, table: &str, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|constraint| {
            constraint.schema == schema && constraint.table == table && constraint.name == name
        })
    }

    /// The enum type of that name.
    pub fn enum_type(&self, schema: &str, name: &str) -> Option<&EnumType> {
        self.enums.iter().find(|each| each.schema == schema && each.name == name)
    }

    /// The transaction that made or last changed an object; none if it is not in here.
    pub fn origin(&self, object: &ObjectRef) -> Option<u32> {
        let ObjectRef { kind, schema, parent, name } = object;
        let parent = parent.as_deref().unwrap_or_default();
        let origin = match kind {
            ObjectKind::Table => self.table(schema, name)?.origin,
            ObjectKind::Column => self.column(schema, parent, name)?.origin,
            ObjectKind::Index => self.index(schema, name)?.origin,
            ObjectKind::Constraint => self.constraint(schema, parent, name)?.origin,
            ObjectKind::Enum => self.enum_type(schema, name)?.origin,
            ObjectKind::EnumValue => {
                self.enum_type(schema, parent)?.labels.iter().find(|label| label.name == *name)?.origin
            }
            ObjectKind::Type => {
                self.types.iter().find(|each| (&each.schema, &each.name) == (schema, name))?.origin
            }
            ObjectKind::Sequence => {
                self.sequences.iter().find(|each| (&each.schema, &each.name) == (schema, name))?.origin
            }
            ObjectKind::View | ObjectKind::MaterializedView => {
                self.views.iter().find(|each| (&each.schema, &each.name) == (schema, name))?.origin
            }
            ObjectKind::Function => {
                self.functions.iter().find(|each| each.schema == *schema && each.signature() == *name)?.origin
            }
            ObjectKind::Trigger => {
                self.triggers
                    .iter()
                    .find(|each| (&each.schema, each.table.as_str(), &each.name) == (schema, parent, name))?
                    .origin
            }
            ObjectKind::Policy => {
                self.policies
                    .iter()
                    .find(|each| (&each.schema, each.table.as_str(), &each.name) == (schema, parent, name))?
                    .origin
            }
            ObjectKind::Extension => self.extensions.iter().find(|each| each.name == *name)?.origin,
            ObjectKind::Schema => return None,
        };
        origin.0
    }

    /// Number of objects, columns and enum labels included.
    pub fn count(&self) -> usize {
        self.tables.iter().map(|table| 1 + table.columns.len()).sum::<usize>()
            + self.indexes.iter().filter(|index| !index.of_constraint).count()
            + self.constraints.len()
            + self.enums.iter().map(|each| 1 + each.labels.len()).sum::<usize>()
            + self.types.len()
            + self.sequences.len()
            + self.views.len()
            + self.functions.len()
            + self.triggers.len()
            + self.policies.len()
            + self.extensions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_equal_whoever_made_them() {
        let enum_type = |transaction| EnumType {
            schema: "public".into(),
            name: "Role".into(),
            labels: vec![EnumLabel { name: "ADMIN".into(), origin: Origin(Some(transaction)) }],
            origin: Origin(Some(transaction)),
        };
        assert_eq!(enum_type(7), enum_type(9), "the transaction that wrote a row is not part of the schema");
    }

    #[test]
    fn a_qualified_name_names_the_table_only_where_it_must() {
        let column = ObjectRef::part(ObjectKind::Column, "public", "users", "email");
        let index = ObjectRef::part(ObjectKind::Index, "public", "users", "users_email_key");
        assert_eq!(column.qualified(), "public.users.email");
        assert_eq!(index.qualified(), "public.users_email_key", "index names are unique in a schema");
        assert_eq!(ObjectRef::top(ObjectKind::Extension, "", "citext").qualified(), "citext");
    }
}
