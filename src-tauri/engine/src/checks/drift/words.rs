//! How objects are named in sentences.

use super::Comparison;
use crate::domain::{catalogue::ObjectRef, statement::ObjectKind};

/// The kind in words, with a capital.
pub(super) fn kind(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "Table",
        ObjectKind::Column => "Column",
        ObjectKind::Index => "Index",
        ObjectKind::Constraint => "Constraint",
        ObjectKind::Enum => "Enum",
        ObjectKind::EnumValue => "Enum value",
        ObjectKind::Type => "Type",
        ObjectKind::Sequence => "Sequence",
        ObjectKind::View => "View",
        ObjectKind::MaterializedView => "Materialized view",
        ObjectKind::Function => "Function",
        ObjectKind::Trigger => "Trigger",
        ObjectKind::Extension => "Extension",
        ObjectKind::Schema => "Schema",
        ObjectKind::Policy => "Policy",
    }
}

/// A list as people write it: `` `a`, `b` and 3 more ``.
pub(super) fn list(names: &[String], at_most: usize) -> String {
    let shown: Vec<String> = names.iter().take(at_most).map(|name| format!("`{name}`")).collect();
    match (shown.split_last(), names.len().saturating_sub(at_most)) {
        (None, _) => String::new(),
        (Some((only, [])), 0) => only.clone(),
        (Some((last, before)), 0) => format!("{} and {last}", before.join(", ")),
        (Some(_), more) => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Comparison<'_> {
    /// The name as the operator knows it: the schema only where there is more than one.
    pub(super) fn name(&self, object: &ObjectRef) -> String {
        let with_parent = match (&object.parent, object.kind) {
            (Some(parent), ObjectKind::Column | ObjectKind::EnumValue) => format!("{parent}.{}", object.name),
            _ => object.name.clone(),
        };
        if self.several_schemas() && !object.schema.is_empty() {
            format!("`{}.{with_parent}`", object.schema)
        } else {
            format!("`{with_parent}`")
        }
    }

    /// The table or type that an object belongs to, as the operator knows it.
    pub(super) fn parent(&self, object: &ObjectRef) -> String {
        let parent = object.parent.as_deref().unwrap_or_default();
        self.name(&ObjectRef::top(ObjectKind::Table, &object.schema, parent))
    }

    /// Kind and name: ``Index `users_email_key` ``.
    pub(super) fn title(&self, object: &ObjectRef) -> String {
        let on = match object.kind {
            ObjectKind::Trigger | ObjectKind::Policy | ObjectKind::Constraint if object.parent.is_some() => {
                format!(" on {}", self.parent(object))
            }
            _ => String::new(),
        };
        format!("{} {}{on}", kind(object.kind), self.name(object))
    }

    fn several_schemas(&self) -> bool {
        self.expected.schemas.len().max(self.live.schemas.len()) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn a_list_says_how_many_it_left_out() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(list(&names[..1], 3), "`a`");
        assert_eq!(list(&names[..3], 3), "`a`, `b` and `c`");
        assert_eq!(list(&names, 3), "`a`, `b`, `c` and 1 more");
    }
}
