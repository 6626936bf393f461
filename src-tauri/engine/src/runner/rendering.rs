//! Two majors of PostgreSQL write the same view, default or check in different words, and one server
//! writes an index in other words when the type of its column changes. Where texts differ, the live
//! text is drawn on the scratch server, over the schema that the migrations make, and read back in the
//! scratch server's words; that is what gets compared.

use crate::{
    adapters::postgres::scratch::{self, Refusal, Sketch, qualified},
    checks::drift::NotComparable,
    domain::{
        catalogue::{Catalogue, ConstraintKind, ObjectRef},
        statement::ObjectKind,
    },
};
use sqlx::PgConnection;

/// Name of probes on the scratch database; a number follows.
const PROBE: &str = "drydock_probe_";

/// Where a text of the live catalogue is.
enum Place {
    View(usize),
    Default(usize, usize),
    Constraint(usize),
    Index(usize),
    Function(usize),
    Trigger(usize),
    Policy(usize),
    Type(usize),
}

/// Replaces differing texts of the live catalogue by the scratch server's rendering of them.
///
/// Returns what could not be rendered. Without a gap between the majors there is no such thing: both
/// write alike, so texts that differ are different.
pub async fn render_live(
    scratch: &mut PgConnection,
    expected: &Catalogue,
    live: &mut Catalogue,
    gap: Option<&str>,
) -> Result<Vec<NotComparable>, sqlx::Error> {
    let places = differing(expected, live);
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let sketches: Vec<Sketch> = places
        .iter()
        .enumerate()
        .map(|(number, place)| Sketch { statements: sketch(live, place, number) })
        .collect();
    let (rendered, outcomes) = scratch::render(scratch, &expected.schemas, &sketches).await?;
    let mut not_comparable = Vec::new();
    for (number, (place, outcome)) in places.iter().zip(outcomes).enumerate() {
        match outcome {
            Ok(()) => take_over(live, place, &rendered, number),
            Err(refusal) if is_a_real_difference(&refusal) => {}
            Err(refusal) => not_comparable.extend(gap.map(|gap| NotComparable {
                object: object(live, place),
                reason: format!("{gap}, and the scratch copy cannot render it ({})", refusal.message),
                migration: None,
            })),
        }
    }
    Ok(not_comparable)
}

/// The live text speaks of something that the migrations do not make, or cannot replace what they
/// make: it differs, whatever the words.
fn is_a_real_difference(refusal: &Refusal) -> bool {
    refusal.names_something_missing() || matches!(refusal.state.as_str(), "42P13" | "42P16" | "42809")
}

/// Texts that both sides have and that differ.
fn differing(expected: &Catalogue, live: &Catalogue) -> Vec<Place> {
    let mut places = Vec::new();
    for (number, view) in live.views.iter().enumerate() {
        let made =
            expected.views.iter().find(|made| (&made.schema, &made.name) == (&view.schema, &view.name));
        if made.is_some_and(|made| made.definition != view.definition) {
            places.push(Place::View(number));
        }
    }
    for (at, table) in live.tables.iter().enumerate() {
        let Some(made) = expected.table(&table.schema, &table.name) else { continue };
        for (number, column) in table.columns.iter().enumerate() {
            let made = made.columns.iter().find(|made| made.name == column.name);
            if made.is_some_and(|made| {
                made.default.is_some() && column.default.is_some() && made.default != column.default
            }) {
                places.push(Place::Default(at, number));
            }
        }
    }
    for (number, constraint) in live.constraints.iter().enumerate() {
        let has_expression = matches!(constraint.kind, ConstraintKind::Check | ConstraintKind::Exclusion);
        let known = expected
            .constraints
            .iter()
            .any(|made| made.definition == constraint.definition && made.table == constraint.table);
        if has_expression && !known && expected.table(&constraint.schema, &constraint.table).is_some() {
            places.push(Place::Constraint(number));
        }
    }
    for (number, index) in live.indexes.iter().enumerate() {
        let known = expected
            .indexes
            .iter()
            .any(|made| made.definition == index.definition && made.table == index.table);
        if !index.of_constraint && !known && expected.table(&index.schema, &index.table).is_some() {
            places.push(Place::Index(number));
        }
    }
    for (number, function) in live.functions.iter().enumerate() {
        let made = expected.functions.iter().find(|made| {
            (&made.schema, &made.name, &made.arguments)
                == (&function.schema, &function.name, &function.arguments)
        });
        if made.is_some_and(|made| made.definition != function.definition) {
            places.push(Place::Function(number));
        }
    }
    for (number, trigger) in live.triggers.iter().enumerate() {
        let made = expected.triggers.iter().find(|made| {
            (&made.schema, &made.table, &made.name) == (&trigger.schema, &trigger.table, &trigger.name)
        });
        if made.is_some_and(|made| made.definition != trigger.definition) {
            places.push(Place::Trigger(number));
        }
    }
    for (number, policy) in live.policies.iter().enumerate() {
        let made = expected.policies.iter().find(|made| {
            (&made.schema, &made.table, &made.name) == (&policy.schema, &policy.table, &policy.name)
        });
        if made.is_some_and(|made| made.definition != policy.definition) {
            places.push(Place::Policy(number));
        }
    }
    for (number, each) in live.types.iter().enumerate() {
        let made =
            expected.types.iter().find(|made| (&made.schema, &made.name) == (&each.schema, &each.name));
        if made.is_some_and(|made| made.definition != each.definition) && each.definition.starts_with(DOMAIN)
        {
            places.push(Place::Type(number));
        }
    }
    places
}

/// How the definition of a domain begins.
const DOMAIN: &str = "domain over ";

/// The statements that draw the live text on the scratch database.
fn sketch(live: &Catalogue, place: &Place, number: usize) -> String {
    let probe = format!("{PROBE}{number}");
    match place {
        Place::View(at) => {
            let view = &live.views[*at];
            format!(
                "CREATE VIEW {} AS {}",
                qualified(&view.schema, &probe),
                view.definition.trim().trim_end_matches(';')
            )
        }
        Place::Default(at, column) => {
            let table = &live.tables[*at];
            let column = &table.columns[*column];
            let name = qualified(&table.schema, &table.name);
            let expression = column.default.as_deref().unwrap_or_default();
            if column.generated.is_some() {
                let stored = if column.generated.as_deref() == Some("v") { "VIRTUAL" } else { "STORED" };
                format!(
                    "ALTER TABLE {name} ADD COLUMN {probe} {} GENERATED ALWAYS AS ({expression}) {stored}",
                    column.type_name
                )
            } else {
                format!("ALTER TABLE {name} ADD COLUMN {probe} {} DEFAULT {expression}", column.type_name)
            }
        }
        Place::Constraint(at) => {
            let constraint = &live.constraints[*at];
            let name = qualified(&constraint.schema, &constraint.table);
            format!("ALTER TABLE {name} ADD CONSTRAINT {probe} {}", constraint.definition)
        }
        Place::Index(at) => {
            let index = &live.indexes[*at];
            let unique = if index.unique { "UNIQUE " } else { "" };
            format!(
                "CREATE {unique}INDEX {probe} ON {} {}",
                qualified(&index.schema, &index.table),
                index.definition
            )
        }
        Place::Function(at) => live.functions[*at].definition.clone(),
        Place::Trigger(at) => {
            let trigger = &live.triggers[*at];
            let (name, table) = (scratch::quoted(&trigger.name), qualified(&trigger.schema, &trigger.table));
            format!("DROP TRIGGER {name} ON {table}; {}", trigger.definition)
        }
        Place::Policy(at) => {
            let policy = &live.policies[*at];
            format!(
                "CREATE POLICY {probe} ON {} {}",
                qualified(&policy.schema, &policy.table),
                policy.definition
            )
        }
        Place::Type(at) => {
            let each = &live.types[*at];
            let definition = each.definition.strip_prefix(DOMAIN).unwrap_or_default();
            format!("CREATE DOMAIN {} AS {definition}", qualified(&each.schema, &probe))
        }
    }
}

/// Puts the scratch server's words into the live catalogue.
fn take_over(live: &mut Catalogue, place: &Place, rendered: &Catalogue, number: usize) {
    let probe = format!("{PROBE}{number}");
    match place {
        Place::View(at) => {
            let view = &mut live.views[*at];
            if let Some(drawn) =
                rendered.views.iter().find(|drawn| drawn.schema == view.schema && drawn.name == probe)
            {
                view.definition = drawn.definition.clone();
            }
        }
        Place::Default(at, column) => {
            let table = &mut live.tables[*at];
            if let Some(drawn) = rendered.column(&table.schema, &table.name, &probe) {
                table.columns[*column].default = drawn.default.clone();
            }
        }
        Place::Constraint(at) => {
            let constraint = &mut live.constraints[*at];
            if let Some(drawn) = rendered.constraint(&constraint.schema, &constraint.table, &probe) {
                constraint.definition = drawn.definition.clone();
            }
        }
        Place::Index(at) => {
            let index = &mut live.indexes[*at];
            if let Some(drawn) = rendered.index(&index.schema, &probe) {
                index.definition = drawn.definition.clone();
            }
        }
        Place::Function(at) => {
            let function = &mut live.functions[*at];
            let same = |drawn: &&crate::domain::catalogue::Function| {
                (&drawn.schema, &drawn.name, &drawn.arguments)
                    == (&function.schema, &function.name, &function.arguments)
            };
            if let Some(drawn) = rendered.functions.iter().find(same) {
                function.definition = drawn.definition.clone();
            }
        }
        Place::Trigger(at) => {
            let trigger = &mut live.triggers[*at];
            let same = |drawn: &&crate::domain::catalogue::Trigger| {
                (&drawn.schema, &drawn.table, &drawn.name) == (&trigger.schema, &trigger.table, &trigger.name)
            };
            if let Some(drawn) = rendered.triggers.iter().find(same) {
                trigger.definition = drawn.definition.clone();
            }
        }
        Place::Policy(at) => {
            let policy = &mut live.policies[*at];
            let same = |drawn: &&crate::domain::catalogue::Policy| {
                drawn.schema == policy.schema && drawn.table == policy.table && drawn.name == probe
            };
            if let Some(drawn) = rendered.policies.iter().find(same) {
                policy.definition = drawn.definition.clone();
            }
        }
        Place::Type(at) => {
            let each = &mut live.types[*at];
            if let Some(drawn) =
                rendered.types.iter().find(|drawn| drawn.schema == each.schema && drawn.name == probe)
            {
                each.definition = drawn.definition.clone();
            }
        }
    }
}

fn object(live: &Catalogue, place: &Place) -> ObjectRef {
    match place {
        Place::View(at) => {
            ObjectRef::top(live.views[*at].kind(), &live.views[*at].schema, &live.views[*at].name)
        }
        Place::Default(at, column) => {
            let table = &live.tables[*at];
            ObjectRef::part(ObjectKind::Column, &table.schema, &table.name, &table.columns[*column].name)
        }
        Place::Constraint(at) => {
            let each = &live.constraints[*at];
            ObjectRef::part(ObjectKind::Constraint, &each.schema, &each.table, &each.name)
        }
        Place::Index(at) => {
            let each = &live.indexes[*at];
            ObjectRef::part(ObjectKind::Index, &each.schema, &each.table, &each.name)
        }
        Place::Function(at) => {
            let each = &live.functions[*at];
            ObjectRef::top(ObjectKind::Function, &each.schema, &each.signature())
        }
        Place::Trigger(at) => {
            let each = &live.triggers[*at];
            ObjectRef::part(ObjectKind::Trigger, &each.schema, &each.table, &each.name)
        }
        Place::Policy(at) => {
            let each = &live.policies[*at];
            ObjectRef::part(ObjectKind::Policy, &each.schema, &each.table, &each.name)
        }
        Place::Type(at) => ObjectRef::top(ObjectKind::Type, &live.types[*at].schema, &live.types[*at].name),
    }
}
