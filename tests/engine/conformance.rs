//! The engine held to Prisma's behaviour, on real servers and beside the real command line: same rows,
//! same refusals, same order, each tool content with what the other one left.

#![allow(clippy::print_stderr, reason = "the corpus tests tell their times")]

mod corpus;
mod dry_run;
mod gates;
mod harness;
mod ledger;
mod locks;
mod scripts;
