//! The hardpan command.
fn main() {}
