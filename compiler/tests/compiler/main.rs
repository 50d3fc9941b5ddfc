//! The compiler against plain integers and against ONNX Runtime's answers.

mod corpus;
mod document;
mod edges;
mod folding;
mod functions;
mod golden;
mod hostile;
mod layers;
mod listings;
mod model;
mod networks;
mod numbers;
mod pairs;
mod refusals;
