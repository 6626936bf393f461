//! Executes a plan step by step: emits run events, journals, cancels, recovers.

pub mod drift;
pub mod rendering;
pub mod replay;
