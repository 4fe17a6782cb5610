//! Repository tasks: tidy, gen, corpus, bench.
fn main() {}
