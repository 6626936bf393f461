//! (profile, answers, tables) -> rows and the order they are written in. Pure: what is drawn comes from
//! the plan, and the server is only asked later.

pub mod answers;
pub mod draw;
pub mod order;
pub mod policy;
pub mod prepare;
pub mod reseed;
pub mod values;

pub use answers::Answers;
pub use prepare::prepare;
