//! The engine against real servers and keyrings.

mod connect;
mod secrets;
