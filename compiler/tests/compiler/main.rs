//! The compiler against plain integers, on the reference machine.

mod edges;
mod folding;
mod functions;
mod golden;
mod hostile;
mod layers;
mod listings;
mod model;
mod refusals;
