//! The engine against real servers.

mod sandbox;
