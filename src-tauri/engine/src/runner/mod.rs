//! Executes a plan step by step: emits run events, journals, cancels, recovers.
